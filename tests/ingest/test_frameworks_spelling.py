"""Options that did not arrive are named; a name that exists anywhere, or that a script may own, never is."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import oomdoc
from oomdoc.ingest.frameworks import Framework, framework, normal, raw_files
from oomdoc.ingest.issue import Issue
from oomdoc.ingest.settings import ingest_settings
from oomdoc.ingest.syntax import shell

CLOSED = {
    "ms-swift": "swift sft --model a/b --train_type lora",
    "llamafactory": "llamafactory-cli train --model_name_or_path a/b --stage sft",
    "kohya": "accelerate launch train_network.py --network_module networks.lora",
    "openrlhf": "deepspeed --module openrlhf.cli.train_sft --pretrain a/b",
}
LOUD = {"misspelt", "misplaced"}


def issues(command: str) -> list[Issue]:
    return list(ingest_settings([shell.parse(command + "\n", "run.sh")]).issues)


def names(identifier: str) -> list[str]:
    return sorted({normal(word) for group in framework(identifier).known_names for word in group.names.split()})


@pytest.mark.parametrize("identifier", sorted(CLOSED))
def test_no_right_name_of_any_version_is_called_misspelt(identifier: str) -> None:
    flags = " ".join(f"--{name} 1" for name in names(identifier))
    assert [issue.native for issue in issues(f"{CLOSED[identifier]} {flags}") if issue.kind in LOUD] == []


@pytest.mark.parametrize("identifier", sorted(CLOSED))
def test_the_lists_are_long_enough_to_be_whole(identifier: str) -> None:
    assert len(names(identifier)) > 150
    assert not framework(identifier).open


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(names("llamafactory")), st.data())
def test_one_wrong_letter_in_a_long_name_is_found(name: str, data: st.DataObject) -> None:
    if len(name) < 10:
        return
    place = data.draw(st.integers(1, len(name) - 2))
    if not name[place].isalpha():
        return
    slip = name[:place] + "q" + name[place + 1 :]
    everything = {word for file in raw_files() for word in names(file)}
    if slip in everything or slip == name:
        return
    found = [issue for issue in issues(f"{CLOSED['llamafactory']} --{slip} 1") if issue.kind == "misspelt"]
    assert [issue.native for issue in found] == [f"--{slip}"]


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"[a-z]{3,12}(_[a-z]{2,8}){0,2}", fullmatch=True))
def test_an_unknown_framework_is_never_corrected(name: str) -> None:
    assert issues(f"python my_training.py --{name} 1 --learning_rat 2") == []


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("MAX_PIXEL=1 swift sft --model a --train_type lora", ["misspelt MAX_PIXEL"]),
        ("NPROC_PER_NODES=2 swift sft --model a --train_type lora", ["misspelt NPROC_PER_NODES"]),
        ("MAX_PIXELS=1 MY_OWN_PIXELS=2 HF_HOME=x swift sft --model a --train_type lora", []),
        ("swift sft --model a --train_type lora --cutoff_len 5", ["misplaced --cutoff_len"]),
        ("swift sft --model a --train_type lora --gradient_checkpoiting true", ["misspelt --gradient_checkpoiting"]),
        ("MAX_PIXEL=1 python train.py --epochs 1", []),
    ],
)
def test_single_slips(command: str, wanted: list[str]) -> None:
    assert [f"{issue.kind} {issue.native}" for issue in issues(command)] == wanted


def test_an_option_of_another_version_is_named_when_the_version_is_known() -> None:
    parsed = [shell.parse("swift sft --model a --sft_type lora\n", "run.sh")]
    assert "removed --sft_type" in [
        f"{issue.kind} {issue.native}" for issue in ingest_settings(parsed, "ms-swift==4.0.0").issues
    ]
    assert ingest_settings(parsed).issues == ()


def test_what_a_misspelt_option_left_in_force_is_said_in_both_languages() -> None:
    (issue,) = issues("MAX_PIXEL=602112 swift sft --model Qwen/Qwen2-VL-7B --train_type lora")
    assert issue.en == "MAX_PIXEL is read by nobody; ms-swift reads MAX_PIXELS; image.max_pixels stayed 12845056"
    assert issue.zh == "没有程序读取 MAX_PIXEL；ms-swift 读取的是 MAX_PIXELS；image.max_pixels 仍为 12845056"
    assert (issue.fact, issue.stayed, issue.suggestion) == ("image.max_pixels", 12845056, "MAX_PIXELS")


@pytest.mark.parametrize(
    ("command", "lost"),
    [
        ("swift sft --model a --train_type lora\n --deepspeed not_here.json", ("parallel.zero_stage",)),
        ("swift sft --model a --train_type lora --cutoff_len 5", ("train.max_length",)),
        ("swift sft --model a --train_type lora --quant_bit 4 --lora_rnak 8", ("quant.bits", "lora.rank")),
        ("swift sft --model a --train_type lora --gradient_checkpoiting true", ("train.gradient_checkpointing",)),
    ],
)
def test_what_did_not_arrive_is_known_by_its_canonical_name(command: str, lost: tuple[str, ...]) -> None:
    """Rules ask for the fact that was meant: a name says nothing, and the file behind an option may be elsewhere."""
    read = ingest_settings([shell.parse(command + "\n", "run.sh")])
    assert {fact.value for fact in read.facts if fact.name == "framework.lost_settings"} == {lost}


def test_an_option_of_another_version_is_known_by_its_canonical_name() -> None:
    parsed = [shell.parse("swift sft --model a --sft_type lora\n", "run.sh")]
    facts = ingest_settings(parsed, "ms-swift==4.0.0").facts
    assert [fact.value for fact in facts if fact.name == "framework.lost_settings"] == [("train.method",)]


def test_the_committed_schema_is_the_model() -> None:
    committed = json.loads((Path(oomdoc.__file__).parent / "schemas/framework-v1.json").read_text(encoding="utf-8"))
    committed.pop("$schema")
    assert committed == Framework.model_json_schema()


SWIFT = "swift sft --model Qwen/Qwen2.5-VL-7B-Instruct --train_type lora"


@pytest.mark.parametrize(
    ("script", "kept"),
    [
        (f"MAX_PIXELS=200000\n{SWIFT}", ["MAX_PIXELS"]),
        (f"CUDA_VISIBLE_DEVICES=0,1 \\\nNPROC_PER_NODE=2 \\\n# nnodes=1 \\\n{SWIFT}",
         ["CUDA_VISIBLE_DEVICES", "NPROC_PER_NODE"]),
        (f"# first\nCUDA_VISIBLE_DEVICES=0 \\\n# why \\\nMAX_PIXELS=200000 {SWIFT}", ["CUDA_VISIBLE_DEVICES"]),
        (f"export MAX_PIXELS=200000\n{SWIFT}", []),
        (f"MAX_PIXELS=200000\nexport MAX_PIXELS\n{SWIFT}", []),
        (f"set -a\nMAX_PIXELS=200000\n{SWIFT}", []),
        (f"MAX_PIXELS=200000 \\\n{SWIFT}", []),
        ("NPROC_PER_NODE=2\ntorchrun --nproc_per_node $NPROC_PER_NODE train.py --bf16 true", []),
        ("NPROC_PER_NODE=2\ntorchrun --nproc_per_node ${NPROC_PER_NODE:-1} train.py --bf16 true", []),
        (f"docker run -e MAX_PIXELS img\nLR=1\n{SWIFT}", []),
        (f"{SWIFT}\nMAX_PIXELS=200000", []),
    ],
)  # fmt: skip
def test_a_variable_that_is_not_exported_stays_in_the_shell(script: str, kept: list[str]) -> None:
    found = issues(script)
    assert [issue.native for issue in found if issue.kind == "lost"] == kept
    facts = {fact.name: fact.value for fact in ingest_settings([shell.parse(script + "\n", "run.sh")]).facts}
    assert "env.visible_devices" not in facts or "CUDA_VISIBLE_DEVICES" not in kept


def test_a_variable_left_in_the_shell_is_told_with_what_stayed_in_force() -> None:
    (issue,) = issues(f"MAX_PIXELS=200000\n{SWIFT}")
    assert issue.fact == "image.max_pixels"
    assert issue.line == 1
    assert "image.max_pixels stayed" in issue.en
    assert "export" in issue.zh
