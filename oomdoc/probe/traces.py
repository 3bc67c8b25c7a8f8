"""What a probe of several ranks could leave behind, and its removal: processes by their mark, NCCL's shared files.

Launchers start ranks in sessions of their own, so a process group is not enough: every process of a probe carries its
mark in its environment, which /proc shows to its owner.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_SHARED = Path("/dev/shm")  # noqa: S108 (where NCCL puts them)
_PROCESSES = Path("/proc")


def marked(token: str) -> list[int]:
    """The living processes whose environment holds this NAME=VALUE; not this one."""
    wanted = token.encode()
    found = []
    for folder in _PROCESSES.iterdir() if _PROCESSES.is_dir() else ():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def end_all(token: str, group: int, processes: Iterable[int], sign: signal.Signals) -> None:
    """Signal a process group, the marked processes, and those of `processes` that carry the mark or cannot be asked."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, sign)
    ours = marked(token)
    if not _PROCESSES.is_dir():
        ours.extend(process for process in processes if process)
    for process in ours:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, sign)


def shared_now() -> frozenset[str]:
    """NCCL's files in shared memory before the probe."""
    return frozenset(path.name for path in _shared_files())


def forget_shared(before: frozenset[str]) -> None:
    """Remove the files that came since then, are ours, and that no process has mapped: killed ranks leave them."""
    new = [path for path in _shared_files() if path.name not in before]
    if not new:
        return
    mapped = ""
    for folder in _PROCESSES.iterdir() if _PROCESSES.is_dir() else ():
        if folder.name.isdigit():
            with suppress(OSError):
                mapped += (folder / "maps").read_text(errors="replace")
    for path in new:
        with suppress(OSError):
            if path.stat().st_uid == os.getuid() and str(path) not in mapped:
                path.unlink()


def _shared_files() -> list[Path]:
    return list(_SHARED.glob("nccl-*")) if _SHARED.is_dir() else []
