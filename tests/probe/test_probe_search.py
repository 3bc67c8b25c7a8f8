"""`--find`: dry runs refine the first guess while they are quick, trials bisect, and the answer was measured."""

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
from oomdoc.probe import gpu_probe, search
from oomdoc.probe.plan import plan_of
from oomdoc.probe.search import Guess, first_guess, largest, refine, with_value

GIB = 1 << 30
PYTHON = os.environ.get("OOMDOC_TEST_PYTHON") or sys.executable
SMI = "0, NVIDIA A100, 40960, 0, GPU-aaaa\n"


@pytest.mark.parametrize("truth", [0, 1, 2, 3, 7, 8, 100, 4096])
@pytest.mark.parametrize("guess", [1, 5, 64, 5000])
def test_the_search_finds_the_largest_that_fits(truth: int, guess: int) -> None:
    tried: list[int] = []

    def fits(value: int) -> bool:
        tried.append(value)
        return value <= truth

    found = largest(fits, guess, 4096, trials=40)
    assert found <= truth
    assert found >= truth - max(0, truth // 15)
    assert len(set(tried)) == len(tried)
    assert max(tried, default=0) <= 4096


@pytest.mark.parametrize("guess", [1, 7, 40, 900])
@pytest.mark.parametrize("base", [3 * GIB, 11 * GIB])
def test_secants_find_where_a_straight_need_meets_the_room(guess: int, base: int) -> None:
    asked: list[int] = []

    def needs(value: int) -> int:
        asked.append(value)
        return base + value * 300_000_000

    truth = (24 * GIB - base) // 300_000_000
    assert abs(refine(needs, guess, 24 * GIB, 4096, lambda: True) - truth) <= 1
    assert len(asked) <= 5
    assert len(set(asked)) == len(asked)


def test_a_need_that_bends_is_followed() -> None:
    found = refine(lambda value: 2 * GIB + value * value * 40_000, 300, 24 * GIB, 1 << 20, lambda: True)
    truth = int((22 * GIB / 40_000) ** 0.5)
    assert found <= truth
    assert found > 0.8 * truth


def test_the_first_dry_run_stands_where_time_or_luck_runs_out() -> None:
    calls: list[int] = []

    def needs(value: int) -> int:
        calls.append(value)
        if len(calls) > 1:
            raise RuntimeError("no")
        return 30 * GIB

    assert refine(needs, 64, 24 * GIB, 4096, lambda: True) == 32  # half of what was too much
    assert refine(lambda value: value * GIB, 10, 24 * GIB, 4096, lambda: False) == 10
    assert refine(lambda value: 99 * GIB + value, 1, 24 * GIB, 4096, lambda: True) == 1


def test_nothing_fits_then_one_is_tried_first() -> None:
    assert refine(lambda value: 30 * GIB + value, 6, 24 * GIB, 4096, lambda: True) >= 1


def fake_probe(limit: int, ended_at: int | None = None) -> Any:
    """Runs out of memory beyond `limit` samples; dies at `ended_at`."""

    def measured(facts: dict[str, Any], *_: object, **__: object) -> gpu_probe.Probe:
        plan, value = plan_of(facts), facts["train.per_device_batch_size"]
        oom = None if value <= limit else {"phase": "backward", "message": "CUDA out of memory.", "where": ""}
        answer: dict[str, Any] = {"phases": [], "allocated_bytes": value * GIB, "reserved_bytes": value * GIB,
                                  "device_bytes": value * GIB, "oom": oom, "notes": []}  # fmt: skip
        if value == ended_at:
            answer |= {"ended": "x", "ending": {"kind": "died", "stage": "starting", "signal": "SIGKILL"}, "oom": None}
        return gpu_probe.Probe(gpu_probe.profile_of(plan, answer, 40 * GIB), plan, answer)

    return measured


def found(monkeypatch: pytest.MonkeyPatch, *arguments: str, guess: Guess | None = None, **fake: Any) -> Any:
    monkeypatch.setattr(gpu_probe, "probe", fake_probe(**fake))
    monkeypatch.setattr("oomdoc.probe.cards.nvidia_smi", lambda *_: SMI)
    monkeypatch.setattr(search, "first_guess", lambda *_, **__: guess or Guess(8, "dryrun"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    words = ["--model", "Qwen2.5-0.5B", "--method", "lora", "--find", "train.per_device_batch_size", *arguments]
    done = CliRunner().invoke(cli_probe.command, words, standalone_mode=False)
    assert done.exception is None
    return done


def test_the_answer_names_the_largest_that_fits_and_the_least_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    done = found(monkeypatch, "--json", limit=11)
    answer = json.loads(done.stdout)
    assert (answer["value"], answer["above"], answer["guess"], answer["guess_by"]) == (11, 12, 8, "dryrun")
    assert answer["complete"]
    assert all(trial["fits"] == (trial["value"] <= 11) for trial in answer["trials"])
    assert done.return_value == 0


def test_a_good_guess_saves_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    good = json.loads(found(monkeypatch, "--json", guess=Guess(64, "dryrun"), limit=66).stdout)
    poor = json.loads(found(monkeypatch, "--json", guess=Guess(4, "estimate"), limit=66).stdout)
    assert len(good["trials"]) < len(poor["trials"])
    assert good["value"] > 60


@pytest.mark.parametrize(
    ("language", "best", "first"),
    [("en", "train.per_device_batch_size = 11 is the largest that was measured to fit; 12 does not", "as the dry run"),
     ("zh", "train.per_device_batch_size = 11，是实测放得下的最大值；12 放不下", "从 8 开始，依据 dry run")],
)  # fmt: skip
def test_trials_are_told_in_both_languages(
    language: str, best: str, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = found(monkeypatch, "--lang", language, limit=11).stdout
    assert out.splitlines()[-1] == best
    assert first in out.splitlines()[0]


def test_where_nothing_fits_the_status_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    done = found(monkeypatch, "--lang", "en", limit=0)
    assert done.return_value == 1
    assert "not even 1 fits" in done.stdout


def test_a_trial_that_dies_ends_the_search_and_bounds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    done = found(monkeypatch, "--lang", "en", limit=20, ended_at=9)
    assert done.return_value == 2
    assert "the search ended at 9: ended by SIGKILL" in done.stderr
    assert "= 8 fits; no trial found the limit above it" in done.stdout


@cache
def has_torch() -> bool:
    return (
        subprocess.run([PYTHON, "-c", "import torch, transformers"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.torch
def test_dry_runs_move_the_guess_to_where_they_fit(tmp_path: Path) -> None:
    if not has_torch():
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    from oomdoc.probe.dryrun import dry_run

    config = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
              "num_attention_heads": 4, "vocab_size": 500, "max_position_embeddings": 256}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    facts = {"model.config_path": str(tmp_path), "train.method": "full", "train.precision": "float32",
             "train.sequence_tokens": 256}  # fmt: skip
    name, room = "train.per_device_batch_size", GIB
    guess = first_guess(facts, name, room, python=PYTHON, patience=120.0)
    assert guess.by == "dryrun"
    assert dry_run(with_value(facts, name, guess.value), python=PYTHON).profile.device_bytes <= room
    more = with_value(facts, name, guess.value + guess.value // 4 + 1)
    assert dry_run(more, python=PYTHON).profile.device_bytes > room
    assert first_guess(facts, name, room, python="/nowhere", patience=5.0).by == "estimate"
