"""Lines of an input as they come, with a limit on the waiting; no thread, so that leaving never waits for a key."""

import codecs
import io
import os
import select
from typing import TextIO

_PIECE = 1 << 16


class Lines:
    """Reads a descriptor itself, past Python's buffer, in which a waiting line could not be seen."""

    def __init__(self, source: TextIO) -> None:
        self._source = source
        self._handle = _handle(source)
        encoding = getattr(source, "encoding", None) or "utf-8"
        encoding = "utf-8" if encoding.lower() in {"ascii", "us-ascii", "ansi_x3.4-1968"} else encoding
        self._decode = codecs.getincrementaldecoder(encoding)(errors="replace").decode
        self._rest = ""
        self._waiting: list[str] = []
        self._ended = False

    def get(self, timeout: float | None = None) -> str | None:
        """The next line with its break, "" at the end, None where none came within `timeout` seconds."""
        if self._handle is None:
            return self._source.readline()
        while not self._waiting:
            if self._ended:
                rest, self._rest = self._rest, ""
                return rest
            if not select.select([self._handle], [], [], timeout)[0]:
                return None
            self._read(self._handle)
        return self._waiting.pop()

    def _read(self, handle: int) -> None:
        try:
            data = os.read(handle, _PIECE)
        except OSError:  # the terminal went away
            data = b""
        self._ended = not data
        text = self._rest + self._decode(data, final=not data)
        lines = text.split("\n")
        self._rest = lines.pop()
        self._waiting = [f"{line}\n" for line in reversed(lines)]


def _handle(source: TextIO) -> int | None:
    if os.name == "nt":  # select takes sockets only
        return None
    try:
        return source.fileno()
    except (AttributeError, OSError, ValueError, io.UnsupportedOperation):
        return None
