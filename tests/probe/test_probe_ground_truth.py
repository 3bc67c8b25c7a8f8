"""The matrix of ground truth: enough configurations, distinct, each one plannable; the runner without a GPU."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oomdoc.probe.plan import plan_of

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "ground_truth"


def matrix() -> list[tuple[str, dict[str, Any]]]:
    spec = importlib.util.spec_from_file_location("ground_truth_matrix", FOLDER / "matrix.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.rows())


def test_the_matrix_is_wide_enough_and_every_row_can_be_planned() -> None:
    rows = matrix()
    assert len(rows) >= 40
    assert len({name for name, _ in rows}) == len(rows)
    jobs = [plan_of(facts).job for _, facts in rows]
    assert {job["method"] for job in jobs} >= {"full", "lora", "qlora", "dora", "inference"}
    assert {job["attention"] for job in jobs} >= {"sdpa", "eager", "flash"}
    assert {phase for job in jobs for phase in job["phases"]} == {"train", "eval", "generate"}
    assert any(job["images"] for job in jobs)
    assert all(json.dumps(job) for job in jobs)


def test_without_a_gpu_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    out = tmp_path / "recorded.jsonl"
    command = [sys.executable, str(FOLDER / "record.py"), "measure", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER.parents[1])
    assert done.returncode == 2
    assert "no GPU" in done.stderr
    assert not out.exists()


def test_a_report_without_recorded_figures_says_so(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "record.py"), "compare", "--recorded", str(tmp_path / "absent.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER.parents[1])
    assert done.returncode == 2
    assert "no recorded figures" in done.stderr
