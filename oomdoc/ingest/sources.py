"""Where bytes come from: files, folders of rank logs, pipes, gzip. What cannot be read is refused in one line."""

import io
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.ingest.encoding import detect
from oomdoc.ingest.errors import InputError
from oomdoc.messages import reason

_LOG_NAMES: Final = lazy(
    r"\.(?:log|out|err|txt|stdout|stderr|gz|jsonl?|o\d+|e\d+)$|^(?:stdout|stderr|log|nohup)", re.IGNORECASE
)
_MOST_FILES: Final = 512
_RANK_NAMES: Final = (
    lazy(r"rank[_.-]?(\d{1,5})", re.IGNORECASE),
    lazy(r"(?:worker|node|proc|process|gpu|task|std(?:out|err))[_.-](\d{1,5})(?:\D|$)", re.IGNORECASE),
    lazy(r"(?:^|[/\\])(\d{1,5})[/\\](?:std(?:out|err)|error)[\w.]*$", re.IGNORECASE),
    lazy(r"(?:^|[/\\])(\d{1,5})\.(?:log|out|err|txt)$", re.IGNORECASE),
)
_MAGIC: Final = (
    (b"\x7fELF", "ELF program or library"),
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"PK\x03\x04", "zip archive (also .pt, .docx, .xlsx)"),
    (b"%PDF", "PDF document"),
    (b"\xfd7zXZ", "xz archive"),
    (b"BZh", "bzip2 archive"),
    (b"7z\xbc\xaf", "7z archive"),
    (b"\x28\xb5\x2f\xfd", "zstd archive"),
    (b"GGUF", "GGUF model"),
    (b"\x93NUMPY", "NumPy array"),
    (b"\x89HDF", "HDF5 file"),
    (b"SQLite format 3", "SQLite database"),
    (b"MZ", "Windows program"),
    (b"RIFF", "RIFF media"),
)
_PICKLE: Final = lazy(rb"\A\x80[\x02-\x05](?:[\x95}\](c\x8a]|.{0,8}q\x00)", re.DOTALL)
_SAFETENSORS: Final = lazy(rb"\A.{3}\x00{0,5}.{0,5}\{\"", re.DOTALL)
_CONTROL: Final = bytes(code for code in range(32) if code not in {7, 8, 9, 10, 11, 12, 13, 27, 0})


@dataclass(frozen=True, slots=True)
class Origin:
    """One thing to read: a path, or standard input where `path` is None. `size` 0 is unknown."""

    name: str
    path: Path | None
    size: int = 0
    rank: int | None = None


def origins(name: str) -> list[Origin]:
    """What a name on the command line stands for, a folder being its logs; raises InputError."""
    if name == "-":
        return [Origin("<stdin>", None)]
    path = Path(name)
    try:
        mode = path.stat()
    except FileNotFoundError:
        raise InputError.of(name, "missing") from None
    except (OSError, ValueError) as error:
        raise InputError.because(name, reason(error)) from None
    if stat.S_ISDIR(mode.st_mode):
        return _folder(path, name)
    if stat.S_ISREG(mode.st_mode) or stat.S_ISFIFO(mode.st_mode):
        return [Origin(name, path, mode.st_size if stat.S_ISREG(mode.st_mode) else 0)]
    if path.resolve() == Path(os.devnull):
        raise InputError.of(name, "empty")
    if re.match(r"/(?:dev|proc)/", str(path)) and stat.S_ISCHR(mode.st_mode) and path.resolve().name != "stdin":
        raise InputError.of(name, "device")
    return [Origin(name, path)]


def _folder(path: Path, name: str) -> list[Origin]:
    found: list[Origin] = []
    try:
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(sub for sub in folders if not sub.startswith("."))
            for file in sorted(files):
                if _LOG_NAMES.search(file) and len(found) < _MOST_FILES:
                    whole = Path(folder, file)
                    if whole.is_file() and whole.stat().st_size:
                        relative = whole.relative_to(path).as_posix()
                        found.append(Origin(str(whole), whole, whole.stat().st_size, rank_of(relative)))
    except OSError as error:
        raise InputError.because(name, reason(error)) from None
    if not found:
        raise InputError.of(name, "no_logs")
    # In a folder with rank logs, what else lies there (requirements.txt, notes) is no rank's output but still text.
    return sorted(found, key=lambda origin: (origin.rank is None, origin.rank or 0, origin.name))


def rank_of(name: str) -> int | None:
    """The rank that a file name tells: rank_3.log, worker-3.out, 3/stderr.log."""
    for pattern in _RANK_NAMES:
        if match := pattern.search(name):
            return int(match[1])
    return None


def open_origin(origin: Origin) -> BinaryIO:
    """The bytes of an origin, gzip undone; raises InputError for what is not text."""
    if origin.path is None and sys.stdin is None:
        raise InputError.of(origin.name, "closed")
    try:
        raw: BinaryIO = sys.stdin.buffer if origin.path is None else origin.path.open("rb")
    except OSError as error:
        raise InputError.because(origin.name, reason(error)) from None
    try:
        head = _peek(raw)
        if head.data.startswith(b"\x1f\x8b"):
            import gzip  # imported here: costs 2 ms

            head = _peek(gzip.GzipFile(fileobj=head, mode="rb"))  # type: ignore[arg-type]
        refuse_binary(origin.name, head.data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError.because(origin.name, reason(error)) from None
    except InputError:
        if origin.path is not None:
            raw.close()
        raise
    return head  # type: ignore[return-value]


def plain(origin: Origin) -> bool:
    """A regular file that is not compressed."""
    if origin.path is None or not origin.path.is_file():
        return False
    with origin.path.open("rb") as file:
        return file.read(2) != b"\x1f\x8b"


def refuse_binary(name: str, head: bytes) -> None:
    """Raise InputError where the first bytes are those of a known binary kind, or of none that is text."""
    if not head:
        raise InputError.of(name, "empty")
    for magic, kind in _MAGIC:
        if head.startswith(magic) and not (
            len(magic) < 5 and head[:256].isascii() and head[:256].decode("ascii").isprintable()
        ):
            raise InputError.of(name, "binary_kind", kind=kind)
    if _PICKLE.match(head):
        raise InputError.of(name, "pickle")
    if len(head) > 10 and head[8:10] == b'{"' and head[4:8] == bytes(4):
        raise InputError.of(name, "binary_kind", kind="safetensors")
    if detect(head).startswith(("utf-16", "utf-32")):
        return
    controls = len(head) - len(head.translate(None, _CONTROL))
    if controls > max(8, len(head) * 0.05):  # random bytes have 9 %, text none
        raise InputError.of(name, "binary")
    if head.count(0) > len(head) * 0.3 and head.count(0) < len(head):
        raise InputError.of(name, "binary")


class _Peeked(io.RawIOBase):
    """A stream whose first bytes were read ahead: `data` holds them, reading starts with them."""

    def __init__(self, raw: BinaryIO, data: bytes) -> None:
        self._raw, self.data, self._at = raw, data, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._at < len(self.data):
            piece = self.data[self._at : self._at + len(buffer)]
            buffer[: len(piece)] = piece
            self._at += len(piece)
            return len(piece)
        if hasattr(self._raw, "readinto"):
            return int(self._raw.readinto(buffer) or 0)
        piece = self._raw.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if self._raw is not getattr(sys.stdin, "buffer", None):
            self._raw.close()
        super().close()


def _peek(raw: BinaryIO, size: int = 1 << 16) -> _Peeked:
    data = b""
    while len(data) < size and (piece := raw.read(size - len(data))):
        data += piece
    return _Peeked(raw, data)


def chunks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The stream in pieces of at most `size` bytes."""
    while piece := stream.read(size):
        yield piece
