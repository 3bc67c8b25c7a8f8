"""Where the history lies, whether it is wanted, and by what logs, files and folders are known again."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from oomdoc.facts.lazy import dataclass

_OFF: Final = frozenset({"off", "0", "no", "false"})
_EDGE: Final = 64 << 10  # bytes at each end of a log by which it is known again
_ABOVE: Final = 12  # folders above the log's own that are remembered


def wanted() -> bool:
    """Whether OOMDOC_HISTORY leaves it on."""
    return os.environ.get("OOMDOC_HISTORY", "").strip().lower() not in _OFF


def database() -> Path:
    """The database, beside the journal of applied changes."""
    from oomdoc.patch.state import state_folder

    return state_folder() / "history.sqlite3"


def may_know() -> bool:
    """Whether a change was ever applied, by one look at a folder: most people never did, and pay no more than that."""
    if not wanted():
        return False
    from oomdoc.patch.state import state_folder

    with suppress(OSError, RuntimeError):
        return any(path.suffix == ".json" for path in (state_folder() / "journal").iterdir())
    return False


@dataclass(frozen=True, slots=True)
class Print:
    """By what logs are known again: `whole` of all of them; `head` of the first `head_bytes` of the first."""

    whole: str
    head: str
    head_bytes: int
    size: int
    written: float


def key_of(path: Path) -> str:
    """A path as a word that says nothing about it."""
    from hashlib import blake2b

    return blake2b(os.fsencode(os.path.realpath(path)), digest_size=12).hexdigest()


def places_of(folder: Path) -> tuple[str, ...]:
    """The keys of a folder and of those above it, the nearest first."""
    real = Path(os.path.realpath(folder))
    return tuple(key_of(one) for one in (real, *real.parents)[:_ABOVE])


def print_of(logs: Sequence[Path]) -> Print | None:
    """The print of the logs of one run; None where one cannot be read."""
    from hashlib import blake2b

    whole, head, head_bytes, total, written = blake2b(digest_size=16), "", 0, 0, 0.0
    try:
        for number, log in enumerate(logs):
            with log.open("rb") as file:
                stat = os.fstat(file.fileno())
                start = file.read(_EDGE)
                file.seek(max(stat.st_size - _EDGE, len(start)))
                whole.update(b"%d|" % stat.st_size + start + file.read(_EDGE))
            if not number:
                head, head_bytes = digest(start), len(start)
            total += stat.st_size
            written = max(written, stat.st_mtime)
    except (OSError, ValueError):
        return None
    return Print(whole.hexdigest(), head, head_bytes, total, written)


def digest(data: bytes) -> str:
    """A short digest."""
    from hashlib import blake2b

    return blake2b(data, digest_size=16).hexdigest()


def starts_as(log: Path, head: str, head_bytes: int) -> bool:
    """Whether a log begins with the bytes of an earlier one: it was appended to."""
    with suppress(OSError, ValueError), log.open("rb") as file:
        return bool(head_bytes) and digest(file.read(head_bytes)) == head
    return False


def logs_of(names: Sequence[str]) -> list[Path]:
    """The inputs of a case that are files on disk; none where one is not (a pipe has no history)."""
    paths = [Path(name) for name in names]
    return paths if paths and all(os.path.isfile(path) for path in paths) else []  # noqa: PTH113 (never raises)
