"""`oomdoc fix` and `oomdoc undo` on the shipped examples: shown, written, read back, taken back."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from oomdoc.cli.fix import command as fix
from oomdoc.cli.undo import command as undo
from oomdoc.ingest.settings import ingest_settings
from oomdoc.ingest.syntax.detect import parse

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if (path / "train.log").exists())


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("OOMDOC_LANG", "en")

    def call(command, *arguments):
        return CliRunner().invoke(command, [str(argument) for argument in arguments], standalone_mode=False)

    return call


def example(name, tmp_path):
    """A copy of an example: its log and its other files."""
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder)
    return folder / "train.log", sorted(path for path in folder.iterdir() if path.name != "train.log")


def arguments_of(log, configs):
    return [log, *[word for config in configs for word in ("-c", config)]]


def stated(configs):
    """What the files say, without what follows from it."""
    said = ingest_settings([parse(path.read_text(), path.name) for path in configs])
    return {fact.name: fact.value for fact in reversed(said.facts) if fact.source.status == "explicit"}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_fixed_and_reads_as_intended(name, tmp_path, run):
    log, configs = example(name, tmp_path)
    before, bytes_before = stated(configs), [path.read_bytes() for path in configs]
    shown = run(fix, *arguments_of(log, configs), "--json")
    assert shown.return_value == 0
    plans = json.loads(shown.output)["plans"]
    plan = next(plan for plan in plans if plan["made"] and not plan["by_hand"])
    assert plan["fits"] is True
    assert [path.read_bytes() for path in configs] == bytes_before
    done = run(fix, *arguments_of(log, configs), "--plan", plan["number"], "--apply")
    assert done.return_value == 0, done.output
    after = stated(configs)
    aliases = {"env.expandable_segments": "env.alloc_conf"}
    wanted = {aliases.get(key, key): value for key, value in plan["sets"].items()}
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert changed <= wanted.keys() | {"train.global_batch_size", "parallel.offload"}
    for key, value in wanted.items():
        if key != "env.alloc_conf":
            assert after[key] == value
    assert run(undo).return_value == 0
    assert [path.read_bytes() for path in configs] == bytes_before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_text_names_every_change_and_fits_its_width(name, language, tmp_path, run):
    log, configs = example(name, tmp_path)
    shown = run(fix, *arguments_of(log, configs), "--lang", language, "--width", "80")
    assert shown.return_value == 0
    plans = json.loads(run(fix, *arguments_of(log, configs), "--json", "--lang", language).output)["plans"]
    flat = " ".join(shown.output.split())
    for plan in plans:
        for made in plan["made"]:
            assert " ".join(made["native"].split()) in flat
    assert ("方案 1" if language == "zh" else "Plan 1") in shown.output
    assert "Traceback" not in shown.output


@pytest.mark.parametrize(("kind", "sign"), [("markdown", "```diff"), ("html", '<pre class="diff">')])
def test_plans_are_drawn_as_pages_too(kind, sign, tmp_path, run):
    log, configs = example("minimind", tmp_path)
    shown = run(fix, *arguments_of(log, configs), "--format", kind)
    assert shown.return_value == 0
    assert sign in shown.output
    assert "--batch_size 8" in shown.output
    assert "least single change" in shown.output


def test_a_kept_fact_is_kept(tmp_path, run):
    log, configs = example("minimind", tmp_path)
    shown = run(fix, *arguments_of(log, configs), "--keep", "train.max_length", "--json")
    assert all("train.max_length" not in plan["sets"] for plan in json.loads(shown.output)["plans"])


def test_what_is_set_stands_in_every_plan(tmp_path, run):
    log, configs = example("minimind", tmp_path)
    shown = run(fix, *arguments_of(log, configs), "--set", "train.max_length=1024", "--json")
    plans = json.loads(shown.output)["plans"]
    assert plans
    assert all(plan["sets"]["train.max_length"] == 1024 for plan in plans)


def test_copies_leave_the_original_alone(tmp_path, run):
    log, configs = example("minimind", tmp_path)
    before = configs[0].read_bytes()
    done = run(fix, *arguments_of(log, configs), "--output", tmp_path / "out")
    assert done.return_value == 0
    assert configs[0].read_bytes() == before
    assert (tmp_path / "out" / configs[0].name).read_bytes() != before


def test_without_a_file_the_command_of_the_log_is_rewritten(tmp_path, run):
    log, _ = example("ms-swift-ovis2", tmp_path)
    shown = run(fix, log)
    assert shown.return_value == 0
    command = shown.output.partition("The new command\n")[2]
    assert "--max_length" in command


def test_a_plan_that_is_not_there_writes_nothing(tmp_path, run):
    log, configs = example("minimind", tmp_path)
    before = configs[0].read_bytes()
    assert run(fix, *arguments_of(log, configs), "--plan", "9", "--apply").return_value == 1
    assert configs[0].read_bytes() == before


def test_an_edited_file_is_not_restored(tmp_path, run):
    log, configs = example("minimind", tmp_path)
    run(fix, *arguments_of(log, configs), "--apply")
    configs[0].write_bytes(configs[0].read_bytes() + b"# mine\n")
    assert run(undo).return_value == 2
    assert configs[0].read_bytes().endswith(b"# mine\n")


def test_an_unknown_model_gets_remedies_without_figures(tmp_path, run):
    log = tmp_path / "train.log"
    log.write_text(
        'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    loss.backward()\n'
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
        "23.69 GiB of which 1.20 GiB is free. Including non-PyTorch memory, this process has 22.40 GiB memory in use. "
        "Of the allocated memory 21.16 GiB is allocated by PyTorch, and 302.11 MiB is reserved by PyTorch but "
        "unallocated.\n"
    )
    script = tmp_path / "run.sh"
    script.write_text("python train.py --batch_size 64 --lr 1e-4\n")
    shown = run(fix, log, "-c", script, "--json")
    found = json.loads(shown.output)
    assert found["blind"] == "no_model"
    assert all(plan["after"] is None for plan in found["plans"])
    batch = [plan for plan in found["plans"] if "train.per_device_batch_size" in plan["sets"]]
    assert batch
    assert "--batch_size 32" in batch[0]["diff"]


def test_a_log_that_is_no_failure_gets_no_plan(tmp_path, run):
    log = tmp_path / "train.log"
    log.write_text("step 1 loss 2.1\nstep 2 loss 2.0\ntraining finished\n")
    assert run(fix, log).return_value == 1


def test_what_was_lost_is_repaired_with_a_plan_that_is_enough(tmp_path, run):
    log, configs = example("ms-swift-ovis2", tmp_path)
    text = configs[0].read_text()
    configs[0].write_text(text.replace("--attn_impl flash_attn \\\n", "--attn_impl flash_attn\n"))
    plans = json.loads(run(fix, *arguments_of(log, configs), "--json").output)["plans"]
    assert plans[0]["sets"] == {"train.max_length": 2048}
    assert "+    --attn_impl flash_attn \\" in plans[0]["diff"]
    run(fix, *arguments_of(log, configs), "--apply")
    assert "--attn_impl flash_attn \\\n" in configs[0].read_text()
    assert "--max_length 2048" in configs[0].read_text()


FULL = """#!/bin/bash
NPROC_PER_NODE=4
swift sft --model Qwen/Qwen2.5-7B-Instruct --train_type full --torch_dtype bfloat16 --deepspeed zero3 \\
    --per_device_train_batch_size 1 --max_length 2048
"""
OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 260.00 MiB. GPU 0 has a total capacity of 79.15 GiB "
    "of which 122.19 MiB is free. Including non-PyTorch memory, this process has 79.01 GiB memory in use. Of the "
    "allocated memory 77.90 GiB is allocated by PyTorch, and 420.17 MiB is reserved by PyTorch but unallocated.\n"
)


def test_a_repair_that_is_enough_is_the_first_plan_with_its_peak(tmp_path, run):
    (tmp_path / "train.log").write_text(OOM)
    (tmp_path / "run.sh").write_text(FULL)
    inputs = [tmp_path / "train.log", "-c", tmp_path / "run.sh"]
    first = json.loads(run(fix, *inputs, "--json").output)["plans"][0]
    assert first["sets"]["parallel.world_size"] == 4
    assert first["after"]["device_bytes"] < 79 * (1 << 30)
    assert "+export NPROC_PER_NODE=4" in first["diff"]
    assert "export NPROC_PER_NODE=4" in run(fix, *inputs).output
    assert run(fix, *inputs, "--apply").return_value == 0
    assert (tmp_path / "run.sh").read_text() == FULL.replace("NPROC_PER_NODE=4", "export NPROC_PER_NODE=4")


def test_a_repair_that_is_not_enough_says_by_how_much(tmp_path, run):
    (tmp_path / "train.log").write_text(OOM.replace("79.15", "5.80").replace("79.01", "5.71").replace("77.90", "5.50"))
    (tmp_path / "run.sh").write_text(
        "MAX_PIXELS=200000\nswift sft --model Qwen/Qwen2.5-VL-72B-Instruct --train_type full --torch_dtype bfloat16 "
        "--per_device_train_batch_size 4 --max_length 4096\n"
    )
    shown = run(fix, tmp_path / "train.log", "-c", tmp_path / "run.sh").output
    assert "export MAX_PIXELS=200000" in shown
    assert "too much" in shown
    assert "to spare" not in shown
    assert "at the upper bound" not in shown


def test_changes_that_no_file_can_take_are_told_with_their_peak(tmp_path, run):
    (tmp_path / "train.log").write_text(
        OOM.replace("79.15", "23.65").replace("79.01", "23.53").replace("77.90", "22.4")
    )
    (tmp_path / "train.py").write_text(
        "from transformers import AutoModelForCausalLM, Trainer, TrainingArguments\n"
        'model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-2-7b-hf")\n'
        'args = TrainingArguments("out", per_device_train_batch_size=1, gradient_checkpointing=True, bf16=True)\n'
        "Trainer(model=model, args=args).train()\n"
    )
    inputs = [tmp_path / "train.log", "-c", tmp_path / "train.py", "--fact", "train.max_length=2048"]
    plans = json.loads(run(fix, *inputs, "--json").output)["plans"]
    assert plans[0]["sets"]["train.method"] == "lora"
    assert plans[0]["after"]["device_bytes"] < 24 * (1 << 30)
    assert plans[0]["by_hand"]


def test_a_card_in_use_is_freed_before_anything_is_written(tmp_path, run):
    log = tmp_path / "train.log"
    log.write_text(
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of "
        "23.69 GiB of which 12.00 MiB is free. Process 4242 has 22.60 GiB memory in use. Including non-PyTorch memory, "
        "this process has 1.06 GiB memory in use. Of the allocated memory 620.00 MiB is allocated by PyTorch, and "
        "12.11 MiB is reserved by PyTorch but unallocated.\n"
    )
    shown = run(fix, log)
    assert "By hand" in shown.output
    assert "end the other process" in " ".join(shown.output.split())


def test_a_dry_run_that_cannot_be_made_proves_nothing(tmp_path, run, capsys):
    log, configs = example("eval-crash", tmp_path)
    shown = run(fix, *arguments_of(log, configs), "--verify", "dryrun", "--python", tmp_path / "no-such-python")
    assert shown.return_value == 0
    assert "not verified" in shown.output + shown.stderr + capsys.readouterr().err


def test_a_limit_says_how_many_samples_it_cuts(tmp_path, run):
    log, configs = example("ms-swift-ovis2", tmp_path)
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(json.dumps({"text": "x" * 4 * count}) for count in (100, 200, 300, 100000)) + "\n")
    shown = run(fix, *arguments_of(log, configs), "--lengths", data)
    assert "about 25.0 % of your samples" in " ".join(shown.output.split())


def test_a_fix_that_was_tried_is_named_and_the_next_plans_follow(tmp_path, run, capsys):
    log, configs = example("minimind", tmp_path)
    first = json.loads(run(fix, *arguments_of(log, configs), "--json").output)["plans"][0]["sets"]
    run(fix, *arguments_of(log, configs), "--apply")
    again = run(fix, *arguments_of(log, configs), "--json")
    assert "--batch_size" in again.stderr
    second = json.loads(again.stdout)["plans"][0]["sets"]
    assert second != first
