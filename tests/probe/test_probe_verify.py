"""Verification: what a step that was taken says about a diagnosis, and what it must not say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from oomdoc.cli.diagnose import command
from oomdoc.engine.diagnosis import Diagnosis, diagnose_case
from oomdoc.ingest.read import read_inputs
from oomdoc.memory.predict import architecture_of
from oomdoc.memory.profile import MemoryProfile, PhaseProfile, Term
from oomdoc.memory.reading import from_facts
from oomdoc.messages import Language
from oomdoc.probe import verify as module
from oomdoc.probe.gpu_probe import RefusedError
from oomdoc.probe.host import WorkerError
from oomdoc.probe.verify import Ran, judge_failure, lowered, verify, verify_plan

GIB = 1 << 30
CARD = int(23.99 * GIB)
LOG = """Traceback (most recent call last):
  File "train.py", line 9, in <module>
    trainer.train()
  File "/v/lib/python3.10/site-packages/transformers/trainer.py", line 3700, in training_step
    self.accelerator.backward(loss, **kwargs)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9.27 GiB. GPU 0 has a total capacity of 23.99 GiB of \
which 3.00 GiB is free. Including non-PyTorch memory, this process has 20.99 GiB memory in use. Of the allocated \
memory 20.00 GiB is allocated by PyTorch, and 500.00 MiB is reserved by PyTorch but unallocated.
"""
CONFIG = """model_name_or_path: Qwen/Qwen2.5-1.5B-Instruct
stage: sft
do_train: true
finetuning_type: lora
per_device_train_batch_size: 8
cutoff_len: 2048
bf16: true
"""


def profile(device: float, phase: str = "forward", doubt: float = 0.5, method: str = "dry_run") -> MemoryProfile:
    held = int(device * GIB)
    term = Term(component="logits", name="lm_head", bytes=held)
    return MemoryProfile(
        method=cast(Any, method), peak_phase=cast(Any, phase), allocated_bytes=held, reserved_bytes=held,
        phases=(PhaseProfile(phase=cast(Any, phase), terms=(term,), allocated_bytes=held),),
        device_bytes=held, low_bytes=int((device - doubt) * GIB), high_bytes=int((device + doubt) * GIB),
        capacity_bytes=CARD, components={"logits": held},
    )  # fmt: skip


def ran(device: float, failure: Mapping[str, Any] | None = None, **facts: Any) -> Ran:
    known = {"model.name": "Qwen2.5-1.5B-Instruct", "train.method": "lora", **facts}
    phase = (failure or {}).get("phase", "forward")
    return Ran(profile(device, phase), from_facts(known, architecture_of(known)), failure)


@pytest.fixture
def diagnosis(tmp_path: Path) -> Diagnosis:
    return of(tmp_path, LOG, CONFIG)


def of(folder: Path, log: str, config: str) -> Diagnosis:
    (folder / "a.log").write_text(log)
    (folder / "a.yaml").write_text(config)
    return diagnose_case(read_inputs([str(folder / "a.log")], configs=[str(folder / "a.yaml")]))


def keys(check: module.Check) -> list[str]:
    return [reason.key for reason in check.reasons]


def test_a_request_of_the_same_size_confirms(diagnosis: Diagnosis) -> None:
    failure = {"phase": "forward", "tried_to_allocate_bytes": int(9.2735 * GIB), "module": "lm_head"}
    check = judge_failure(diagnosis.case, ran(38.0, failure), CARD)
    assert (check.outcome, keys(check)) == ("confirmed", ["needs_more", "refused", "same_request"])
    failure["tried_to_allocate_bytes"] = 5 * GIB
    assert keys(judge_failure(diagnosis.case, ran(38.0, failure), CARD))[-1] == "other_request"


def test_a_failure_in_another_phase_proves_nothing_about_this_one(diagnosis: Diagnosis) -> None:
    failure = {"phase": "eval", "tried_to_allocate_bytes": GIB, "module": "lm_head"}
    check = judge_failure(diagnosis.case, ran(38.0, failure), CARD)
    assert (check.outcome, keys(check)[-1]) == ("unclear", "other_phase")


def test_a_card_within_the_error_is_not_told(diagnosis: Diagnosis) -> None:
    assert keys(judge_failure(diagnosis.case, ran(23.8), CARD)) == ["narrow", "peak"]


def test_a_run_that_fits_contradicts_with_what_the_process_held(diagnosis: Diagnosis) -> None:
    check = judge_failure(diagnosis.case, ran(12.0), CARD)
    assert (check.outcome, keys(check)) == ("contradicted", ["fits", "observed"])


def test_settings_that_were_assumed_contradict_nothing(tmp_path: Path) -> None:
    config = "".join(line for line in CONFIG.splitlines(keepends=True) if "cutoff" not in line and "batch" not in line)
    check = judge_failure(of(tmp_path, LOG, config).case, ran(12.0), CARD)
    assert check.outcome != "contradicted"


def test_a_split_model_is_not_judged_by_one_card(diagnosis: Diagnosis) -> None:
    split = ran(12.0, None, **{"parallel.kind": "device_map"})
    assert keys(judge_failure(diagnosis.case, split, CARD)) == ["split"]


def test_a_contradiction_lowers_the_causes_that_blame_the_settings(
    diagnosis: Diagnosis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_runner", lambda *_: lambda _: ran(12.0))
    found = verify(diagnosis)
    after = lowered(diagnosis, found)
    before = {one.rule.cause: one for one in diagnosis.findings}
    blamed = set(module._document()["by_settings"]) & before.keys()
    assert blamed, "the case must name a cause that a contradiction touches"
    left = {one.rule.cause: one for one in after.findings}
    for cause in blamed:
        assert cause not in left or left[cause].probability < before[cause].probability
    untouched = before.keys() - set(module._document()["by_settings"])
    assert {left[cause].probability for cause in untouched} == {before[cause].probability for cause in untouched}


def test_a_confirmed_failure_leaves_the_findings_and_runs_the_first_plan(
    diagnosis: Diagnosis, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def run(facts: dict[str, Any]) -> Ran:
        asked.append(facts)
        return ran(38.0) if len(asked) == 1 else ran(9.0)

    monkeypatch.setattr(module, "_runner", lambda *_: run)
    found = verify(diagnosis)
    assert [(check.subject, check.outcome) for check in found.checks] == [
        ("failure", "confirmed"),
        ("remedy", "confirmed"),
    ]
    assert lowered(diagnosis, found) is diagnosis
    assert asked[0] != asked[1]
    assert found.profile is not None
    assert found.profile.device_bytes == 38 * GIB


@pytest.mark.parametrize(
    ("need", "outcome", "key"),
    [
        (30.0, "contradicted", "needs_more"),
        (24.2, "unclear", "narrow"),
        (23.8, "confirmed", "fits"),
        (9.0, "confirmed", "fits"),
    ],
)
def test_a_plan_is_held_against_the_card(need: float, outcome: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_runner", lambda *_: lambda _: ran(need))
    check = verify_plan({"model.name": "x"}, CARD)
    assert (check.subject, check.outcome, check.reasons[0].key) == ("remedy", outcome, key)


@pytest.mark.parametrize(
    ("error", "key"),
    [(WorkerError("environment", "no torch"), "not_run"), (RefusedError("no_gpu"), "refused_no_gpu")],
)
def test_an_environment_that_cannot_is_a_sentence(
    diagnosis: Diagnosis, error: Exception, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> Ran:
        raise error

    monkeypatch.setattr(module, "_runner", lambda *_: refuse)
    assert keys(verify(diagnosis).checks[0]) == [key]
    assert not verify(diagnosis).contradicted


def test_another_failure_than_gpu_memory_is_not_reproduced(tmp_path: Path) -> None:
    found = verify(of(tmp_path, "RuntimeError: CUDA error: an illegal memory access was encountered\n", CONFIG))
    assert keys(found.checks[0]) == ["not_gpu"]


@pytest.mark.parametrize(("method", "status"), [("dryrun", 0), ("probe", 3)])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_only_a_probe_that_contradicts_changes_the_exit_status(
    tmp_path: Path, method: str, status: int, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_runner", lambda *_: lambda _: ran(12.0))
    of(tmp_path, LOG, CONFIG)
    inputs = [str(tmp_path / "a.log"), "-c", str(tmp_path / "a.yaml"), "--verify", method, "--lang", language]
    said = {"en": "contradicted", "zh": "不成立"}[language]
    for kind in ("text", "markdown", "github", "html"):
        done = CliRunner().invoke(command, [*inputs, "--format", kind], standalone_mode=False)
        assert done.return_value == status, done.output
        assert said in done.output
    report = json.loads(CliRunner().invoke(command, [*inputs, "--json"], standalone_mode=False).stdout)
    assert report["memory"]["method"] == "dry_run"
    assert report["verification"]["checks"][0]["outcome"] == "contradicted"
    assert all("{" not in sentence for sentence in report["verification"]["checks"][0]["sentences"])
