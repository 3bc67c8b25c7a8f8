"""The matrix of ground truth: enough configurations, distinct, each one plannable; the runner without a GPU."""

import importlib.util
import json
import os
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


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / script), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=FOLDER.parents[1],
        env={**os.environ, **environment},
    )  # fmt: skip


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_without_a_gpu_nothing_is_recorded(tmp_path: Path) -> None:
    done = run("record.py", "--out", str(tmp_path / "recorded.jsonl"), PATH=str(tmp_path))  # no nvidia-smi
    assert done.returncode == 2
    assert "no GPU" in done.stderr
    assert not (tmp_path / "recorded.jsonl").exists()


def test_a_report_without_recorded_figures_says_so(tmp_path: Path) -> None:
    done = run("report.py", str(tmp_path / "absent.jsonl"))
    assert done.returncode == 2
    assert "no recorded figures" in done.stderr
    (tmp_path / "standin.jsonl").write_text('{"name": "a", "stand_in": true}\n')
    assert "1 lines are errors or of the stand-in" in run("report.py", str(tmp_path / "standin.jsonl")).stderr


def fake_python(folder: Path, answer: dict[str, Any], wait: float = 0.0) -> str:
    """A stand-in for the training interpreter that answers every plan alike, and counts how often it was asked."""
    path = folder / "python"
    message = json.dumps({"answer": answer})
    path.write_text(f"#!/bin/sh\nread line\necho x >> {folder}/asked\nsleep {wait}\necho '{message}'\n")
    path.chmod(0o755)
    return str(path)


GIB = 1 << 30
ANSWER = {"error": None, "oom": None, "phases": [], "allocated_bytes": 2 * GIB, "reserved_bytes": 3 * GIB,
          "device_bytes": 4 * GIB, "notes": [], "seconds": 1.0, "versions": {"torch": "2.13.0"},
          "gpu": {"name": "NVIDIA A100-SXM4-80GB", "total_bytes": 80 * GIB}}  # fmt: skip


def test_recording_goes_on_where_it_stopped(tmp_path: Path) -> None:
    python, out = fake_python(tmp_path, ANSWER), tmp_path / "recorded.jsonl"
    words = ["--device", "cpu", "--python", python, "--out", str(out)]
    assert run("record.py", *words, "--only", "SmolLM2").returncode == 0
    assert [line["name"] for line in lines(out)] == ["SmolLM2-135M/full"]
    with out.open("a") as file:
        file.write('{"name": "cut off in the mid')  # as a kill leaves it
    done = run("record.py", *words, "--only", "SmolLM2", "--only", "Qwen3-0.6B")
    assert done.returncode == 0
    assert (tmp_path / "asked").read_text().count("x") == 2
    kept = [json.loads(line) for line in out.read_text().splitlines() if line.endswith("}")]
    assert [line["name"] for line in kept] == ["SmolLM2-135M/full", "Qwen3-0.6B/full"]
    assert all(line["stand_in"] and line["versions"] == {"torch": "2.13.0"} and line["oomdoc"] for line in kept)
    listed = run("record.py", "--list", "--out", str(out), "--only", "SmolLM2").stdout
    assert listed.startswith("measured  SmolLM2-135M/full")


def test_no_row_is_begun_that_the_time_does_not_hold(tmp_path: Path) -> None:
    python, out = fake_python(tmp_path, ANSWER), tmp_path / "recorded.jsonl"
    words = ["--device", "cpu", "--python", python, "--out", str(out), "--only", "Qwen2.5-0.5B"]
    done = run("record.py", *words, "--limit-seconds", "5")
    assert done.returncode == 0
    assert "rows are left for another call" in done.stderr
    assert not out.exists()


def test_failed_rows_are_recorded_and_repeated_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "recorded.jsonl"
    python = fake_python(tmp_path, {"error": "missing", "package": "bitsandbytes", "use": "x", "message": "no bnb"})
    words = ["--device", "cpu", "--python", python, "--out", str(out), "--only", "SmolLM2"]
    run("record.py", *words)
    assert lines(out)[0]["error"] == "no bnb"
    run("record.py", *words)
    assert len(lines(out)) == 1
    fake_python(tmp_path, ANSWER)
    run("record.py", *words, "--again", "errors")
    assert [line.get("error") for line in lines(out)] == ["no bnb", None]
    assert run("record.py", *words, "--list").stdout.startswith("measured")


def recorded(folder: Path, share: float, oom: bool = False) -> Path:
    """Lines as a GPU would give them: `share` of what the closed form says."""
    from oomdoc.memory.predict import predict

    path = folder / "measured.jsonl"
    with path.open("w") as out:
        for name, facts in matrix()[:4]:
            said = predict({**facts, "hardware.gpu_name": ANSWER["gpu"]["name"], "env.torch": "2.13.0"})
            line = {**ANSWER, "name": name, "facts": facts, "allocated_bytes": int(said.allocated_bytes * share),
                    "reserved_bytes": int(said.reserved_bytes * share)}  # fmt: skip
            if oom and name == matrix()[0][0]:
                line["oom"] = {"phase": "backward", "message": "CUDA out of memory", "where": ""}
            out.write(json.dumps(line) + "\n")
    return path


def test_the_report_gives_median_and_percentile_of_both_figures(tmp_path: Path) -> None:
    path = recorded(tmp_path, share=0.8)
    found = json.loads(run("report.py", str(path), "--no-dry-run", "--json").stdout)
    overall = {row["figure"]: row for row in found if row["group"] == "all"}
    assert set(overall) == {"allocated", "reserved"}
    for row in overall.values():
        assert (row["rows"], row["method"]) == (4, "closed form")
        assert row["median"] == pytest.approx(25.0, abs=0.01)
        assert row["bias"] == pytest.approx(25.0, abs=0.01)
    text = run("report.py", str(path), "--no-dry-run", "--rows").stdout
    assert "SmolLM2-135M/full" in text
    assert "+25.0%" in text


def test_the_report_names_what_ran_out_of_memory_unforetold(tmp_path: Path) -> None:
    path = recorded(tmp_path, share=1.0, oom=True)
    text = run("report.py", str(path), "--no-dry-run").stdout
    assert "SmolLM2-135M/full: out of memory, closed form said" in text
    assert "all          closed form  allocated     3 " in text


def test_every_row_belongs_to_a_group() -> None:
    spec = importlib.util.spec_from_file_location("ground_truth_report", FOLDER / "report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
        sys.modules.pop("record", None)
        sys.modules.pop("matrix", None)
    groups = [module.group_of(facts) for _, facts in matrix()]
    assert set(groups) == {"full", "lora", "quantised", "optimizers", "images", "evaluation", "generation"}
    assert module.percentile([1.0, 2.0, 3.0, 100.0], 0.95) == 100.0
    assert module.percentile([float(number) for number in range(1, 101)], 0.95) == 95.0


@pytest.mark.torch
def test_the_runner_goes_its_whole_way_on_the_cpu(tmp_path: Path) -> None:
    """The smallest model of the matrix with real layers; the stand-in counts at least weights, gradients and states."""
    python = os.environ.get("OOMDOC_TEST_PYTHON") or sys.executable
    if subprocess.run([python, "-c", "import torch, transformers"], capture_output=True, check=False).returncode:
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    out = tmp_path / "recorded.jsonl"
    done = run("record.py", "--device", "cpu", "--python", python, "--out", str(out), "--only", "t5-small")
    assert done.returncode == 0, done.stderr
    (line,) = lines(out)
    assert line["parameters"] == 60_506_624
    assert line["allocated_bytes"] > 16 * line["parameters"]
    assert line["versions"]["transformers"]
