"""Where oomdoc keeps what it must remember about changed files: backups, the journal, a lock; private to the user."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from oomdoc.messages import reason
from oomdoc.patch.errors import PatchError


def state_folder() -> Path:
    """`$XDG_STATE_HOME/oomdoc`, else `~/.local/state/oomdoc`, or `%LOCALAPPDATA%\\oomdoc`; made when first written."""
    top = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(top) if top else Path.home() / ".local" / "state") / "oomdoc"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process changes files at a time. A killed one leaves no lock.

    Raises PatchError where another does, or where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise PatchError("no_state", folder=str(folder), reason=reason(error)) from None
    try:
        try:
            _lock(handle)
        except OSError:
            raise PatchError("busy") from None
        yield
    finally:
        os.close(handle)  # the lock goes with it


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def temporary_of(path: Path, mark: str) -> Path:
    """The name under which the new content of a file is prepared beside it."""
    return path.with_name(f".{path.name}.{mark}.oomdoc")


def written_beside(path: Path, data: bytes, mode: int | None = None, *, mark: str | None = None) -> Path:
    """A complete temporary file in the folder of `path`, on the disk; the caller renames or removes it."""
    temporary = temporary_of(path, mark or f"{os.getpid()}-{time.monotonic_ns()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        if mode is not None:
            temporary.chmod(mode)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def renamed(temporary: Path, path: Path) -> None:
    """The one moment at which a file changes."""
    os.replace(temporary, path)  # noqa: PTH105 (atomic on POSIX, the point here)
    with suppress(OSError):
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """A journal entry, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    renamed(written_beside(path, json.dumps(value, ensure_ascii=False, indent=1).encode(), 0o600), path)


def entries(folder: Path) -> list[dict[str, Any]]:
    """All journal entries, the oldest first; one that cannot be read is left out."""
    found = []
    for path in sorted((folder / "journal").glob("*.json")):
        with suppress(OSError, ValueError):
            entry = json.loads(path.read_bytes())
            if isinstance(entry, dict) and "files" in entry:
                found.append(entry)
    return found
