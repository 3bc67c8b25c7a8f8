"""Over generated files of every syntax: nothing but the intended spans changes, and the change reads back."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from patch_tools import rebuilt

from oomdoc.ingest.settings import ingest_settings
from oomdoc.ingest.syntax.detect import parse
from oomdoc.patch.document import decoded
from oomdoc.patch.plan import plan_edits

COMMENTS = st.sampled_from(["", "  # keep me", " # 保留", "  #"])
ENDS = st.sampled_from(["\n", "\r\n"])
KEYS = {
    "cutoff_len": ("train.max_length", st.integers(16, 99999)),
    "per_device_train_batch_size": ("train.per_device_batch_size", st.integers(1, 64)),
    "gradient_accumulation_steps": ("train.gradient_accumulation_steps", st.integers(1, 64)),
    "lora_rank": ("lora.rank", st.integers(1, 256)),
    "enable_liger_kernel": ("train.liger_kernel", st.booleans()),
    "disable_gradient_checkpointing": ("train.gradient_checkpointing", st.booleans()),
    "bf16": (None, st.just(True)),
    "output_dir": (None, st.sampled_from(["out", "saves/中文", "'a b'", '"x: y"'])),
}
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "train.max_length": st.integers(16, 99999),
        "train.per_device_batch_size": st.integers(1, 64),
        "lora.rank": st.integers(1, 256),
        "train.liger_kernel": st.booleans(),
        "train.gradient_checkpointing": st.booleans(),
        "eval.per_device_batch_size": st.integers(1, 16),
    },
)


@st.composite
def yaml_texts(draw):
    end = draw(ENDS)
    keys = draw(st.permutations(list(KEYS)))[: draw(st.integers(2, len(KEYS)))]
    lines = ["stage: sft", "finetuning_type: lora", draw(st.sampled_from(["### x", "", "dataset: d"]))]
    for key in keys:
        value = draw(KEYS[key][1])
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        lines.append(f"{key}:{draw(st.sampled_from([' ', '   ']))}{shown}{draw(COMMENTS)}")
        if draw(st.booleans()):
            lines.append(draw(st.sampled_from(["", "# note: 1", "  "])))
    return end.join(lines) + draw(st.sampled_from([end, ""]))


@st.composite
def shell_texts(draw):
    gap = draw(st.sampled_from([" ", " \\\n    ", " \\\n\t", "  "]))
    flags = []
    lines = ["#!/bin/bash", draw(st.sampled_from(["", "set -e", "export OMP_NUM_THREADS=4"]))]
    for name, values in (
        ("per_device_train_batch_size", st.integers(1, 64)),
        ("lora_rank", st.integers(1, 256)),
        ("max_length", st.integers(16, 99999)),
        ("use_liger_kernel", st.sampled_from(["true", "false", "True"])),
    ):
        if draw(st.booleans()):
            value = draw(values)
            if draw(st.integers(0, 3)) == 0:
                lines.append(f"{name.upper()}_X={value}{draw(COMMENTS)}")
                value = draw(st.sampled_from([f"${name.upper()}_X", f'"${{{name.upper()}_X}}"']))
            flags.append(f"--{name}{draw(st.sampled_from([' ', '=']))}{value}")
    head = draw(st.sampled_from(["swift sft", "CUDA_VISIBLE_DEVICES=0 swift sft", "nohup swift sft"]))
    tail = draw(st.sampled_from(["", " > log.txt 2>&1 &", "  # done", " | tee log", ' "$@"']))
    command = gap.join([head, "--model a/b", "--train_type lora", *flags]) + tail
    return "\n".join([*lines, command, draw(st.sampled_from(["", "echo done"]))])


@st.composite
def python_texts(draw):
    one = draw(st.booleans())
    words = ["output_dir='out'"]
    for name, values in (
        ("per_device_train_batch_size", st.integers(1, 64)),
        ("use_liger_kernel", st.booleans()),
        ("gradient_checkpointing", st.booleans()),
    ):
        if draw(st.booleans()):
            words.append(f"{name}={draw(values)}")
    gap = ", " if one else f",{draw(COMMENTS)}\n    "
    inside = gap.join(words) + ("" if one else draw(st.sampled_from(["", ",", ",  # last"])))
    return f"# 训练\nimport x\n\nargs = TrainingArguments({inside if one else chr(10) + '    ' + inside + chr(10)})\n"


@st.composite
def json_texts(draw):
    entries = {"zero_optimization": {"stage": draw(st.integers(1, 3)), "overlap_comm": True}}
    if draw(st.booleans()):
        entries["train_micro_batch_size_per_gpu"] = draw(st.integers(1, 64))
    if draw(st.booleans()):
        entries["gradient_accumulation_steps"] = draw(st.integers(1, 64))
    return json.dumps(entries, indent=draw(st.sampled_from([None, 2, 4]))) + draw(st.sampled_from(["", "\n"]))


def check(name, text, changes):
    document = decoded(name, text.encode(), Path(name))
    plan = plan_edits(changes, [document])
    rebuilt(plan)
    after = plan.files[0].text if plan.files else text
    hands = {hand.fact for hand in plan.by_hand}
    said = ingest_settings([parse(after, name)])
    now = {fact.name: fact.value for fact in reversed(said.facts) if fact.source.status in {"explicit", "default"}}
    for fact, value in changes.items():
        if fact not in hands:
            assert now[fact] == value, (fact, after)
    explicit = {
        fact.name: fact.value for fact in ingest_settings([parse(text, name)]).facts if fact.source.status == "explicit"
    }
    for fact, value in explicit.items():
        if fact not in changes:
            assert now[fact] == value, (fact, after)
    for start, end, _ in plan.files[0].splices if plan.files else ():
        assert "#" not in text[start:end]


@given(yaml_texts(), CHANGES)
@settings(max_examples=60, deadline=None)
def test_yaml(text, changes):
    check("train.yaml", text, changes)


@given(shell_texts(), CHANGES)
@settings(max_examples=60, deadline=None)
def test_shell(text, changes):
    check("train.sh", text, changes)


@given(python_texts(), CHANGES)
@settings(max_examples=60, deadline=None)
def test_python(text, changes):
    check("train.py", text, changes)


@given(json_texts(), CHANGES)
@settings(max_examples=60, deadline=None)
def test_json(text, changes):
    check("ds.json", text, changes)
