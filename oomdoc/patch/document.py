"""A file of the person as it was read: exact bytes, encoding, byte order mark; and text that stands in no file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oomdoc.ingest.encoding import detect
from oomdoc.messages import reason, said
from oomdoc.patch.errors import PatchError

_MARKS: Final = {
    "utf-8": b"\xef\xbb\xbf",
    "utf-16-le": b"\xff\xfe",
    "utf-16-be": b"\xfe\xff",
    "utf-32-le": b"\xff\xfe\0\0",
    "utf-32-be": b"\0\0\xfe\xff",
}
_LIMIT: Final = 4 << 20  # a configuration is small; a larger file is data


@dataclass(frozen=True, slots=True)
class Original:
    """One document before any change. `path` is None for a command that stands in a log; `text` has no mark."""

    name: str
    text: str
    path: Path | None = None
    codec: str = "utf-8"
    mark: bytes = b""
    digest: str = ""

    def encoded(self, text: str) -> bytes:
        """Another text as bytes of this file. Raises PatchError where its encoding lacks a character."""
        try:
            return self.mark + text.encode(self.codec)
        except UnicodeEncodeError:
            raise PatchError("encoding", file=self.name, encoding=self.codec) from None


def digest(data: bytes) -> str:
    """The fingerprint by which a changed file is recognised."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def load(name: str) -> Original:
    """Read a file for patching. Raises PatchError where it cannot be read or not be written back byte for byte."""
    path = Path(name)
    try:
        data = path.read_bytes() if path.stat().st_size <= _LIMIT else b""
    except OSError as error:
        raise PatchError("unreadable", file=name, reason=reason(error)) from None
    if not data:
        raise PatchError("unreadable", file=name, reason=said("patch.no_configuration"))
    return decoded(name, data, path)


def decoded(name: str, data: bytes, path: Path | None = None) -> Original:
    """A document of bytes; raises PatchError where decoding loses a byte."""
    codec = detect(data)
    mark = _MARKS.get(codec, b"")
    mark = mark if mark and data.startswith(mark) else b""
    try:
        text = data[len(mark) :].decode(codec)
    except (UnicodeDecodeError, LookupError):
        raise PatchError("encoding", file=name, encoding=codec) from None
    original = Original(name, text, path, codec, mark, digest(data))
    if original.encoded(text) != data:
        raise PatchError("encoding", file=name, encoding=codec)
    return original
