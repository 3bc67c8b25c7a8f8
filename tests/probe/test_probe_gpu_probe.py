"""The probe without a GPU: which card it would take, what it refuses, its worker's path on the CPU, the search."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oomdoc.cli import probe as cli_probe
from oomdoc.probe import gpu_probe
from oomdoc.probe.gpu_probe import Card, RefusedError, cards, choose, ended, profile_of
from oomdoc.probe.host import Worker, WorkerError
from oomdoc.probe.plan import plan_of

GIB = 1 << 30
PYTHON = os.environ.get("OOMDOC_TEST_PYTHON") or sys.executable
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 500,
    "max_position_embeddings": 256,
}
FACTS = {
    "train.method": "full",
    "train.pure_precision": True,
    "train.precision": "float32",
    "train.sequence_tokens": 32,
    "eval.per_device_batch_size": 1,
    "train.optimizer": "adamw_torch",
}


@cache
def has_torch() -> bool:
    return (
        subprocess.run([PYTHON, "-c", "import torch, transformers"], capture_output=True, check=False).returncode == 0
    )


def test_cards_are_read_from_nvidia_smi() -> None:
    text = "0, NVIDIA A100-SXM4-80GB, 81920, 12\n1, NVIDIA A100-SXM4-80GB, 81920, 40000\nnot a card\n2, X, [N/A], 3\n"
    found = cards(lambda: text)
    assert [(card.number, card.free_bytes >> 20) for card in found] == [(0, 81908), (1, 41920)]
    assert cards(lambda: "") == []


def test_the_freest_card_is_taken_and_neighbours_are_left_alone() -> None:
    idle, busy = Card(0, "A", 24 * GIB, 0), Card(1, "A", 24 * GIB, 10 * GIB)
    assert choose([busy, idle], None, None, yes=False) == idle
    with pytest.raises(RefusedError) as caught:
        choose([busy, idle], 1, None, yes=False)
    assert caught.value.reason == "busy"
    assert choose([busy, idle], 1, None, yes=True) == busy
    with pytest.raises(RefusedError) as caught:
        choose([idle], 0, 30 * GIB, yes=True)
    assert caught.value.reason == "too_large"
    with pytest.raises(RefusedError) as caught:
        choose([], None, None, yes=True)
    assert caught.value.reason == "no_gpu"


def test_without_a_gpu_the_command_offers_the_dry_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("oomdoc.probe.cards.nvidia_smi", lambda *_: "")
    code = CliRunner().invoke(cli_probe.command, ["--model", "Qwen2.5-0.5B", "--lang", "en"], standalone_mode=False)
    assert code.return_value == 2
    told = capfd.readouterr().err + code.output
    assert "no CUDA GPU" in told
    assert "oomdoc dryrun" in told


def fake_probe(limit: int) -> Any:
    """A probe that runs out of memory where more than `limit` samples are asked for."""

    def measured(facts: dict[str, Any], *_: object, **__: object) -> gpu_probe.Probe:
        plan = plan_of(facts)
        fits = facts.get("train.per_device_batch_size", 1) <= limit
        oom = (
            None
            if fits
            else {"phase": "backward", "message": "CUDA out of memory. Tried to allocate 2.00 GiB", "where": ""}
        )
        answer = {
            "phases": [
                {"phase": "backward", "moment": "step 1", "allocated_bytes": 5 * GIB, "reserved_bytes": 6 * GIB}
            ],
            "allocated_bytes": 5 * GIB,
            "reserved_bytes": 6 * GIB,
            "device_bytes": 7 * GIB,
            "oom": oom,
            "notes": [],
        }
        return gpu_probe.Probe(profile_of(plan, answer, 24 * GIB), plan, answer)

    return measured


@pytest.mark.parametrize(("limit", "status"), [(1, 0), (0, 3)])
def test_a_probe_that_contradicts_the_dry_run_says_so(
    limit: int, status: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from types import SimpleNamespace

    measured = fake_probe(limit)
    small = measured({"model.name": "Qwen2.5-0.5B", **FACTS}).profile.model_copy(update={"method": "dry_run"})
    monkeypatch.setattr(gpu_probe, "probe", measured)
    monkeypatch.setattr("oomdoc.probe.dryrun.dry_run", lambda *_, **__: SimpleNamespace(profile=small))
    done = CliRunner().invoke(cli_probe.command, ["--model", "Qwen2.5-0.5B", "--lang", "en"], standalone_mode=False)
    assert done.exception is None
    assert done.return_value == status
    told = capfd.readouterr().err + done.output
    assert ("contradicts" in told) == (status == 3)
    assert ("out of memory" in told) == (status == 3)


def test_a_death_or_hang_is_a_result() -> None:
    error = WorkerError("died", "the worker was ended by SIGKILL", stage="training step 1", signal="SIGKILL")
    answer = ended(error)
    profile = profile_of(plan_of({"model.name": "Qwen2.5-0.5B", **FACTS}), answer, 24 * GIB)
    assert profile.allocated_bytes == 0
    assert answer["ended"].startswith("ended by SIGKILL while in training step 1")
    assert answer["ended"].zh.startswith("被 SIGKILL 终止（当时：第 1 个训练步）")
    assert json.loads(json.dumps(answer))["ending"]["signal"] == "SIGKILL"


def test_measured_figures_become_a_profile() -> None:
    answer = {
        "phases": [
            {"phase": "load", "moment": "load", "allocated_bytes": 10, "reserved_bytes": 20},
            {"phase": "forward", "moment": "step 1", "allocated_bytes": 30, "reserved_bytes": 40},
            {"phase": "forward", "moment": "step 2", "allocated_bytes": 35, "reserved_bytes": 40},
        ],
        "allocated_bytes": 35,
        "reserved_bytes": 40,
        "device_bytes": 60,
        "gpu": {"name": "A100"},
    }
    profile = profile_of(plan_of({"model.name": "Qwen2.5-0.5B", **FACTS}), answer, 24 * GIB)
    assert (profile.method, profile.peak_phase, profile.basis) == ("probe", "forward", "A100")
    assert [each.allocated_bytes for each in profile.phases] == [10, 35]
    assert sum(profile.components.values()) == profile.device_bytes == 60


@pytest.mark.torch
def test_the_workers_whole_path_runs_on_the_cpu() -> None:
    if not has_torch():
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    job = {
        **plan_of({**FACTS, "eval.predict_with_generate": True, "eval.max_new_tokens": 4}, CONFIG).job,
        "device": "cpu",
    }
    with Worker(PYTHON, "probe_worker") as worker:
        answer = worker.ask(job, timeout=120)
    assert [each["phase"] for each in answer["phases"]] == ["load", *["forward", "backward", "step"] * 2, "generate"]
    assert answer["class"] == "LlamaForCausalLM"
    assert answer["oom"] is None


@pytest.mark.torch
def test_a_worker_without_cuda_says_so() -> None:
    if not has_torch():
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    with Worker(PYTHON, "probe_worker", {"CUDA_VISIBLE_DEVICES": ""}) as worker, pytest.raises(WorkerError) as caught:
        worker.ask(plan_of(FACTS, CONFIG).job, timeout=120)
    assert caught.value.kind in ("without_cuda", "no_gpu")  # as the test interpreter's torch is built


@pytest.mark.gpu
def test_a_tiny_step_is_measured(tmp_path: Path) -> None:
    if not has_torch() or not cards():
        pytest.skip("no GPU")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    found = gpu_probe.probe({**FACTS, "model.config_path": str(tmp_path)}, python=PYTHON, yes=True, timeout=120)
    assert found.oom is None
    assert 0 < found.profile.allocated_bytes <= found.profile.reserved_bytes
