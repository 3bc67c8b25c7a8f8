"""Where oomdoc keeps what it must remember about changed files: backups, the journal, a lock; private to the user."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from oomdoc.patch.errors import PatchError


def state_folder() -> Path:
    """`$XDG_STATE_HOME/oomdoc`, else `~/.local/state/oomdoc`, or `%LOCALAPPDATA%\\oomdoc`; made when first written."""
    top = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(top) if top else Path.home() / ".local" / "state") / "oomdoc"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process changes files at a time. Raises PatchError where another does; a killed one leaves no lock."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
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


def written_beside(path: Path, data: bytes, mode: int | None = None) -> Path:
    """A complete temporary file in the folder of `path`, on the disk; the caller renames or removes it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".oomdoc")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        if mode is not None:
            Path(name).chmod(mode)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


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
