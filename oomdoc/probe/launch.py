"""The command that starts a probe's ranks on this machine: the run's own launcher, as a module of its interpreter."""

# ruff: noqa: S603
# the interpreter is the person's own

import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from oomdoc.facts import base

_START = Path(__file__).parent / "rank_start.py"


class Launch(NamedTuple):
    """How ranks are started: a launcher of knowledge/memory/launch.yaml, and the one that was wanted."""

    name: str
    wanted: str
    command: tuple[str, ...]


def _document() -> Mapping[str, Any]:
    found: Mapping[str, Any] = base.section("memory")["launch.yaml"]
    return found


def launcher_of(stated: str | None) -> str:
    """The launcher that stands for the run's own; torchrun for one that starts processes in another way."""
    return str(_document()["launchers"].get(str(stated or "").lower(), "torchrun"))


def launch(
    python: str, stated: str | None, ranks: int, folder: Path, cards: Sequence[int], config: str | None = None
) -> Launch:
    """The command for so many ranks; where the environment lacks the run's launcher, torch's own stands in."""
    wanted = launcher_of(stated)
    name = wanted
    if wanted != "torchrun" and not _has(python, _document()["modules"][wanted]["module"].partition(".")[0]):
        name = "torchrun"
    entry = _document()["modules"][name]
    places = {"ranks": ranks, "port": _free_port(), "cards": ",".join(map(str, cards)), "config": config or ""}
    words = [*entry["arguments"], *entry.get("config" if config else "plain", ())]
    command = (python, "-m", entry["module"], *(word.format(**places) for word in words), str(_START), str(folder))
    return Launch(name, wanted, command)


def _has(python: str, package: str) -> bool:
    code = f"import importlib.util,sys;sys.exit(importlib.util.find_spec({package!r}) is None)"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
