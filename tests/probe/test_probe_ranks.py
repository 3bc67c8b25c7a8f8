"""Ranks followed to their end: answers merged, the one that failed named, all the others ended, nothing left behind.

A stand-in for the training interpreter plays the launcher and its ranks, so no torch and no card is needed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from oomdoc.probe.gpu_probe import merged, profile_of, run_ranks
from oomdoc.probe.host import WorkerError
from oomdoc.probe.plan import plan_of
from oomdoc.probe.ranks import Ranks
from oomdoc.probe.traces import forget_shared, marked, shared_now

PYTHON = os.environ.get("OOMDOC_TEST_PYTHON") or sys.executable
MIB = 1 << 20
LAUNCHER = """#!{python}
import json, os, signal, subprocess, sys, time
folder = sys.argv[-1]
scenario = {scenario!r}
if scenario == "refuses":
    print("usage: run.py"); print("ValueError: nothing to start"); sys.exit(2)

def phase(name, held):
    return {{"phase": name, "moment": "step 1", "allocated_bytes": held << 20, "reserved_bytes": (held + 10) << 20}}

def rank(number):
    os.setsid()
    subprocess.Popen(["sleep", "60"])  # what a rank starts must go as well
    with open(folder + "/rank-%d.jsonl" % number, "a") as out:
        def tell(message):
            out.write(json.dumps(message) + "\\n"); out.flush()
        tell({{"rank": number, "pid": os.getpid()}})
        tell({{"progress": "training step 1", "seconds": 1.0}})
        held = [phase("load", 50), phase("forward", 100 + number)]
        tell({{"phase": held[0]}})
        bad = number == 1
        if bad and scenario == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if bad and scenario == "hangs":
            time.sleep(60)
        tell({{"phase": held[1]}})
        if bad and scenario == "missing":
            tell({{"answer": {{"error": "missing", "package": "deepspeed", "use": "ZeRO-2", "message": "no"}}}})
            time.sleep(60)
        if bad and scenario == "oom":
            oom = {{"phase": "forward", "message": "CUDA out of memory. Tried to allocate 2.00 GiB.", "where": ""}}
            tell({{"answer": {{"error": None, "oom": oom, "phases": held, "device_bytes": 7, "notes": []}}}})
            time.sleep(60)
        if not bad and scenario in ("killed", "hangs", "oom"):
            if scenario == "killed":  # the others lose their neighbour, which is not their own error
                time.sleep(0.3)
                tell({{"answer": {{"error": "run", "message": "Connection closed by peer"}}}})
            time.sleep(60)
        tell({{"answer": {{"error": None, "oom": None, "phases": held, "device_bytes": (200 + number) << 20,
                          "notes": ["a note"], "gpu": {{"name": "A100"}}}}}})
    sys.exit(0)

children = []
for number in range({count}):
    child = os.fork()
    if child == 0:
        rank(number)
    children.append(child)
while children:
    child, status = os.wait()
    children.remove(child)
    if os.WIFSIGNALED(status):  # as torchrun does it: the first is named, the others are ended
        print("Signal %d (SIGKILL) received by PID %d" % (os.WTERMSIG(status), child), flush=True)
        for other in children:
            os.kill(other, signal.SIGTERM)
        sys.exit(1)
"""


def interpreter(folder: Path, scenario: str, count: int = 3) -> str:
    path = folder / "python"
    path.write_text(LAUNCHER.format(python=sys.executable, scenario=scenario, count=count))
    path.chmod(0o755)
    return str(path)


def nothing_left(ranks: Ranks) -> bool:
    for _ in range(50):
        if not ranks.folder.exists() and not marked(f"OOMDOC_PROBE={ranks.folder.name}"):
            return True
        time.sleep(0.1)
    return False


def played(folder: Path, scenario: str, timeout: float = 20.0) -> tuple[dict[str, Any], Ranks]:
    with Ranks(interpreter(folder, scenario), {}, 3, timeout=timeout) as ranks:
        return merged(ranks.results(), ranks), ranks


def test_answers_are_merged_the_worst_rank_first(tmp_path: Path) -> None:
    answer, ranks = played(tmp_path, "fits")
    assert [row["rank"] for row in answer["ranks"]] == [2, 1, 0]
    assert answer["allocated_bytes"] == 102 * MIB
    assert answer["device_bytes"] == 202 * MIB
    assert answer["ranks"][0]["peak_phase"] == "forward"
    assert (answer["rank"], answer.get("ended"), answer["notes"]) == (2, None, ["a note"])
    profile = profile_of(plan_of({"model.name": "Qwen2.5-0.5B"}), answer, 300 * MIB)
    assert (profile.allocated_bytes, profile.basis) == (102 * MIB, "A100")
    assert nothing_left(ranks)


def test_a_rank_out_of_memory_is_named_and_the_others_are_ended(tmp_path: Path) -> None:
    answer, ranks = played(tmp_path, "oom")
    assert answer["rank"] == 1
    assert answer["oom"]["phase"] == "forward"
    assert [row["ending"] and row["ending"]["kind"] for row in answer["ranks"][1:]] == ["others", "others"]
    assert answer["ranks"][1]["allocated_bytes"] == 102 * MIB  # what it had measured until then is kept
    assert nothing_left(ranks)


def test_a_killed_rank_is_named_with_its_signal(tmp_path: Path) -> None:
    answer, ranks = played(tmp_path, "killed")
    assert answer["ending"] == {"kind": "died", "stage": "training step 1", "signal": "SIGKILL", "rank": 1}
    assert {row["ending"]["kind"] for row in answer["ranks"][1:]} == {"others"}
    assert answer["oom"] is None
    assert nothing_left(ranks)


def test_the_rank_that_all_wait_for_is_named(tmp_path: Path) -> None:
    answer, ranks = played(tmp_path, "hangs", timeout=3.0)
    assert answer["ending"] == {"kind": "time", "stage": "training step 1", "seconds": 3.0, "rank": 1}
    assert nothing_left(ranks)


def test_what_the_environment_lacks_is_an_error_not_a_result(tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as caught:
        run_ranks({}, 3, python=interpreter(tmp_path, "missing"), timeout=20)
    assert (caught.value.kind, caught.value.places["package"]) == ("missing", "deepspeed")


def test_a_launcher_that_starts_nothing_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="nothing to start") as caught:
        run_ranks({}, 3, python=interpreter(tmp_path, "refuses"), timeout=20)
    assert caught.value.kind == "launcher"
    with pytest.raises(WorkerError, match="cannot be started"):
        Ranks(str(tmp_path), {}, 2)
    assert not list(Path(tempfile.gettempdir()).glob("oomdoc-probe-*/job.json"))


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupted(stage: str, seconds: float) -> None:
        del seconds
        if stage == "training step 1":
            raise KeyboardInterrupt

    with Ranks(interpreter(tmp_path, "hangs"), {}, 3) as ranks, pytest.raises(KeyboardInterrupt):
        ranks.results(interrupted)
    assert nothing_left(ranks)


def test_shared_files_of_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oomdoc.probe.traces._SHARED", tmp_path)
    (tmp_path / "nccl-old").write_bytes(b"")
    before = shared_now()
    (tmp_path / "nccl-new").write_bytes(b"")
    (tmp_path / "other").write_bytes(b"")
    forget_shared(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nccl-old", "other"]


@cache
def has_torch() -> bool:
    code = "import torch, transformers, torch.distributed as d; assert d.is_gloo_available()"
    return subprocess.run([PYTHON, "-c", code], capture_output=True, check=False).returncode == 0


CONFIG = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
          "num_attention_heads": 4, "vocab_size": 500, "max_position_embeddings": 256}  # fmt: skip
FACTS = {"train.method": "full", "train.pure_precision": True, "train.precision": "float32",
         "train.sequence_tokens": 32, "train.optimizer": "adamw_torch"}  # fmt: skip


def on_two(ways: dict[str, Any], **changes: Any) -> dict[str, Any]:
    if not has_torch():
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    job = {**plan_of(FACTS, CONFIG).job, "device": "cpu", "ranks": {"world": 2, **ways}, **changes}
    return run_ranks(json.loads(json.dumps(job)), 2, python=PYTHON, timeout=180, environment={"DS_ACCELERATOR": "cpu"})


@pytest.mark.torch
def test_two_ranks_of_ddp_step_for_real() -> None:
    """A stand-in counts tensors on the CPU: weights, gradients, Adam's two moments, and DDP's copy of the gradients."""
    answer = on_two({"kind": "ddp"})
    phases = [phase["phase"] for phase in answer["ranks"][0]["phases"]]
    assert phases == ["load", *["forward", "backward", "step"] * 2]
    assert answer["parameters"] == 146_240
    held = {row["rank"]: row["allocated_bytes"] for row in answer["ranks"]}
    assert held[0] == held[1] > 5 * 4 * answer["parameters"]


@pytest.mark.torch
def test_fsdp_holds_half_of_the_state_on_each_of_two_ranks() -> None:
    whole, half = on_two({"kind": "ddp"}), on_two({"kind": "fsdp", "sharding": "full_shard"})
    state = 4 * 4 * whole["parameters"]
    peaks = [
        {each["phase"]: each["allocated_bytes"] for each in answer["phases"] if each["moment"] == "step 2"}
        for answer in (whole, half)
    ]
    saved = peaks[0]["step"] - peaks[1]["step"]
    assert 0.4 * state < saved < 0.8 * state  # half of 16 bytes a parameter, and DDP's copy of the gradients


@pytest.mark.torch
def test_one_rank_of_two_runs_out_of_memory_for_real() -> None:
    answer = on_two({"kind": "ddp"}, caps=[1 << 30, 1_500_000])
    assert answer["rank"] == 1
    assert "out of memory" in answer["oom"]["message"]
    assert answer["ranks"][1]["ending"]["kind"] == "others"


@pytest.mark.torch
def test_zero_is_run_by_deepspeed_or_says_that_it_lacks() -> None:
    """No other library's sharding stands in for it: master weights and buckets would be missing from the figure."""
    ways = {"kind": "zero", "stage": 2, "bucket_elements": 50_000_000}
    if subprocess.run([PYTHON, "-c", "import deepspeed"], capture_output=True, check=False).returncode:
        with pytest.raises(WorkerError, match="ZeRO-2 needs deepspeed") as caught:
            on_two(ways)
        assert caught.value.kind == "missing"
        return
    answer = on_two(ways)
    held = {each["phase"]: each["allocated_bytes"] for each in answer["phases"] if each["moment"] == "step 2"}
    assert held["backward"] - held["forward"] == pytest.approx(4 * 50_000_000, rel=0.01)  # the bucket, in float32


LARGER = {**CONFIG, "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 8,
          "vocab_size": 2000, "tie_word_embeddings": False}  # fmt: skip
SPREAD = {"parallel.world_size": 2, "train.precision": "bfloat16", "train.packing": True, "train.sequence_tokens": 64}
CUBLAS = 2 * 8_519_680  # workspaces of forward and backward, which a CPU has none of


@pytest.mark.torch
@pytest.mark.parametrize(
    "way",
    [
        {"parallel.kind": "ddp"},
        {"parallel.kind": "fsdp", "parallel.fsdp_sharding": "full_shard"},
        {"parallel.kind": "fsdp", "parallel.fsdp_sharding": "shard_grad_op"},
        {"parallel.zero_stage": 2, "parallel.zero_bucket_elements": 2_000_000},
        {"parallel.zero_stage": 3, "parallel.zero_bucket_elements": 2_000_000},
    ],
    ids=lambda way: "-".join(str(value) for value in way.values()),
)
def test_the_dry_runs_arithmetic_agrees_with_real_ranks(way: dict[str, Any]) -> None:
    """Two ranks on the CPU whose tensors are counted, against one rank of the dry run: forward and backward."""
    if not has_torch():
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    from oomdoc.probe.arrange import Arrangement, job_of
    from oomdoc.probe.dryrun import dry_run

    facts = {**FACTS, **SPREAD, **way}
    plan = plan_of(facts, LARGER)
    ranks = job_of(plan, facts, Arrangement(2, 2, plan.settings.parallel.kind), None)
    job = {**plan.job, "device": "cpu", "ranks": ranks}
    try:
        answer = run_ranks(job, 2, python=PYTHON, timeout=180, environment={"DS_ACCELERATOR": "cpu"})
    except WorkerError as error:
        if error.kind == "missing":
            pytest.skip(str(error))
        raise
    real = {each["phase"]: each["allocated_bytes"] for each in answer["phases"] if each["moment"] == "step 2"}
    dry = {each.phase: each.allocated_bytes for each in dry_run(facts, LARGER, python=PYTHON).profile.phases}
    for phase in ("forward", "backward"):
        assert dry[phase] - CUBLAS == pytest.approx(real[phase], rel=0.1), phase
