"""The worker's process: interpreters, time limits, deaths, and errors as one line."""

import os
import sys
import time
from pathlib import Path
from typing import Any

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


def has_unions(tree: Any) -> bool:
    """Whether an annotation says `a | b`, which Python 3.9 cannot evaluate."""
    import ast

    said = [node.annotation for node in ast.walk(tree) if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation]
    said += [node.returns for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.returns]
    return any(isinstance(part, ast.BitOr) for each in said for part in ast.walk(each))


def test_workers_are_written_for_old_interpreters() -> None:
    """What runs in the training interpreter reads as Python 3.9, and imports nothing of ours beyond itself."""
    import ast

    import oomdoc

    package = Path(oomdoc.__file__ or "").parent
    waiting, seen = ["probe.dryrun_worker", "probe.probe_worker", "probe.rank_start", "probe.rank_worker"], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        file = package / f"{name.replace('.', '/')}.py"
        tree = ast.parse(file.read_text(), feature_version=(3, 9))
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported = {node.module or "" for node in nodes} | plain
        assert not {each.partition(".")[0] for each in imported} & {"pydantic", "click", "yaml", "rich"}, file
        for node in nodes:
            if (node.module or "").startswith("oomdoc"):
                inner = (node.module or "").partition(".")[2]
                names = [f"{inner}.{alias.name}" for alias in node.names]
                waiting += [each for each in (inner, *names) if (package / f"{each.replace('.', '/')}.py").exists()]
        assert "from __future__ import annotations" in file.read_text() or not has_unions(tree), file
    assert len(seen) > 15
    assert {name.partition(".")[0] for name in seen} == {"probe", "memory"}
    assert all(name.startswith("memory.allocator") for name in seen if name.startswith("memory"))


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
