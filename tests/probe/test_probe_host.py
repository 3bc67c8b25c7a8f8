"""The worker's process: interpreters, time limits, deaths, and errors as one line."""

import os
import sys
import time
from pathlib import Path

import pytest

from oomdoc.probe.host import Worker, WorkerError, interpreter


def script(folder: Path, body: str) -> str:
    """An executable that stands in for an interpreter."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_interpreter_is_asked_for_then_the_active_environment_then_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    assert interpreter() == sys.executable
    (tmp_path / "bin").mkdir()
    inner = script(tmp_path / "bin", "exit 0")
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path))
    assert interpreter() == inner
    assert interpreter(str(tmp_path)) == inner
    assert interpreter(sys.executable) == sys.executable
    with pytest.raises(WorkerError, match="not an interpreter"):
        interpreter(str(tmp_path / "absent"))


def test_a_death_is_one_line_with_the_last_words(tmp_path: Path) -> None:
    python = script(tmp_path, "read line; echo 'ImportError: no luck' >&2; exit 7")
    with Worker(python) as worker, pytest.raises(WorkerError, match=r"status 7 .*no luck") as caught:
        worker.ask({}, timeout=20)
    assert caught.value.kind == "died"
    assert "\n" not in str(caught.value)


def test_a_kill_is_named(tmp_path: Path) -> None:
    python = script(tmp_path, "read line; kill -9 $$")
    with Worker(python) as worker, pytest.raises(WorkerError, match="SIGKILL"):
        worker.ask({}, timeout=20)


def test_the_time_limit_ends_the_worker_and_its_children(tmp_path: Path) -> None:
    note = tmp_path / "child"
    python = script(tmp_path, f'sleep 60 & echo $! > {note}; echo \'{{"progress": "thinking", "seconds": 1}}\'; wait')
    seen: list[str] = []
    with Worker(python) as worker, pytest.raises(WorkerError, match="while thinking") as caught:
        worker.ask({}, timeout=1.5, progress=lambda stage, _: seen.append(stage))
    assert caught.value.kind == "time"
    assert seen == ["thinking"]
    assert _gone(int(note.read_text()))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:  # a zombie waits for its parent only
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def test_children_do_not_outlive_a_worker_that_died(tmp_path: Path) -> None:
    note = tmp_path / "child"
    python = script(tmp_path, f"sleep 60 >/dev/null 2>&1 & echo $! > {note}; exit 3")
    with Worker(python) as worker, pytest.raises(WorkerError, match="status 3"):
        worker.ask({}, timeout=20)
    assert _gone(int(note.read_text()))


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    note = tmp_path / "self"
    python = script(tmp_path, f'echo $$ > {note}; echo \'{{"progress": "a stage", "seconds": 0}}\'; sleep 60')

    def interrupted(stage: str, seconds: float) -> None:
        raise KeyboardInterrupt

    with Worker(python) as worker, pytest.raises(KeyboardInterrupt):
        worker.ask({}, timeout=20, progress=interrupted)
    assert _gone(int(note.read_text()))


def _gone(process: int) -> bool:
    for _ in range(50):
        if not _alive(process):
            return True
        time.sleep(0.1)
    return False


def test_workers_are_written_for_old_interpreters() -> None:
    import ast

    import oomdoc.memory.allocator
    import oomdoc.probe.ledger

    memory, probe = (Path(module.__file__ or "").parent for module in (oomdoc.memory.allocator, oomdoc.probe.ledger))
    workers = [
        "adapters",
        "answer",
        "attention",
        "batch",
        "build",
        "dryrun_worker",
        "fake",
        "fragments",
        "ledger",
        "liger",
        "losses",
        "mixed",
        "optimizers",
        "probe_worker",
        "real_steps",
        "steps",
    ]
    files = [*(probe / f"{name}.py" for name in workers), *memory.glob("allocator*.py")]
    for file in files:
        tree = ast.parse(file.read_text(), feature_version=(3, 9))
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        own = {name for name in imported if name.startswith("oomdoc") and name != "oomdoc.probe"}
        assert own <= {f"oomdoc.probe.{name}" for name in workers} | {"oomdoc.memory.allocator"}, file
        assert not imported & {"pydantic", "click", "yaml"}, file


def test_noise_on_the_protocol_is_ignored(tmp_path: Path) -> None:
    python = script(tmp_path, 'read line; echo noise; echo \'{"answer": {"error": null, "peak": 3}}\'')
    with Worker(python) as worker:
        assert worker.ask({}, timeout=20)["peak"] == 3


def test_an_environment_without_torch_is_said_in_one_line(tmp_path: Path) -> None:
    wrapper = script(tmp_path, f'exec {sys.executable} -S "$@"')  # -S: no site-packages, hence no torch
    with Worker(wrapper) as worker, pytest.raises(WorkerError, match="cannot be imported by") as caught:
        worker.ask({"config": {}}, timeout=60)
    assert caught.value.kind == "environment"
    assert "torch" in str(caught.value)


def test_an_error_of_one_plan_leaves_the_worker_ready_for_the_next(tmp_path: Path) -> None:
    answers = '{"answer": {"error": "build", "message": "no"}}', '{"answer": {"error": null, "ok": 1}}'
    python = script(tmp_path, f"read line; echo '{answers[0]}'; read line; echo '{answers[1]}'")
    with Worker(python) as worker:
        with pytest.raises(WorkerError, match="no"):
            worker.ask({}, timeout=20)
        assert worker.ask({}, timeout=20)["ok"] == 1
