"""Lines of a file of any size by their number: a sparse index of line breaks, grown block by block, never the text.

What is compressed or has characters of two bytes is unpacked into a nameless file first, a block at a time too.
"""

import codecs
import os
import zlib
from bisect import bisect_left
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

BLOCK: Final = 1 << 20
_CACHED_BLOCKS: Final = 8
_LONGEST: Final = 4_000
_MOST_PART: Final = 1 << 16
_MOST_UNPACKED: Final = 4 << 30  # bytes on the disk; a log that unpacks to more is shown up to there
_HEAD: Final = 1 << 12


class FileLines:
    """A growing index over a file that may grow itself. `extend` does one bounded step; reading a line seeks.

    Lines count "\\n" from 1, as every report does. Not thread-safe for `extend`: one thread indexes.
    """

    def __init__(self, path: Path, *, file: BinaryIO | None = None, encoding: str = "utf-8") -> None:
        self._file = file or path.open("rb", buffering=0)
        self.encoding = encoding
        self._breaks: list[int] = [0]  # line breaks before block i
        self._indexed = 0
        self._blocks: OrderedDict[int, list[int]] = OrderedDict()
        self._ends_open = False

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes of the file now."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def share(self) -> float | None:
        """How much of the file has been indexed, 0 to 1; None where that cannot be told."""
        whole = self.size
        return min(self._indexed / whole, 1.0) if whole else 1.0

    @property
    def indexed(self) -> int:
        """Bytes indexed so far."""
        return self._indexed

    @property
    def count(self) -> int:
        """Lines known so far."""
        return self._breaks[-1] + (1 if self._ends_open else 0)

    def extend(self) -> bool:
        """Index one more block; False where all that is there has been seen."""
        block = self._indexed // BLOCK
        data = os.pread(self._file.fileno(), BLOCK, block * BLOCK)
        end = block * BLOCK + len(data)
        if end <= self._indexed:
            return False
        breaks = self._breaks[block] + data.count(b"\n")
        if block + 1 < len(self._breaks):
            self._breaks[block + 1] = breaks
        else:
            self._breaks.append(breaks)
        self._blocks.pop(block, None)
        self._indexed = end
        self._ends_open = not data.endswith(b"\n")
        return True

    def line(self, number: int) -> str | None:
        """The text of a line, None beyond what is indexed. Very long lines are cut at 4,000 characters."""
        if number < 1 or number > self.count:
            return None
        start = self._start_of(number)
        data = os.pread(self._file.fileno(), _MOST_PART, start)
        end = data.find(b"\n")
        raw = data if end < 0 else data[:end]
        text = raw.decode(self.encoding, "replace").rstrip("\r")
        return text.rpartition("\r")[2][:_LONGEST]  # what an overprinted progress line shows at its end

    def find(self, needle: bytes, start: int, *, back: bool = False, blocks: int = 1 << 20) -> int | None:
        """The number of the next line after (or before) line `start` that holds a text, compared in lower case."""
        number = start
        block = self._block_of(max(start, 1))
        for _ in range(blocks):
            if not 0 <= block < len(self._breaks) - 1:
                return None
            found = self._find_in(block, needle, number, back)
            if found is not None:
                return found
            block += -1 if back else 1
        return None

    def _find_in(self, block: int, needle: bytes, number: int, back: bool) -> int | None:
        # The next block's beginning belongs to a line that this block may hold half of.
        data = os.pread(self._file.fileno(), BLOCK + len(needle) - 1, block * BLOCK).lower()
        at = data.rfind(needle) if back else data.find(needle)
        while at >= 0:
            line = self._breaks[block] + data.count(b"\n", 0, at) + 1
            if line < number if back else line > number:
                return line
            at = data.rfind(needle, 0, at) if back else data.find(needle, at + 1)
        return None

    def _block_of(self, number: int) -> int:
        """The block that holds the start of a line: the last with fewer breaks before it than `number - 1`, or 0."""
        return max(bisect_left(self._breaks, number - 1, hi=len(self._breaks) - 1) - 1, 0) if number > 1 else 0

    def _start_of(self, number: int) -> int:
        if number == 1:
            return 0
        block = self._block_of(number)
        while block + 1 < len(self._breaks) - 1 and self._breaks[block + 1] < number - 1:
            block += 1
        offsets = self._offsets(block)
        return offsets[number - 2 - self._breaks[block]] + 1

    def _offsets(self, block: int) -> list[int]:
        kept = self._blocks.get(block)
        if kept is None:
            data = os.pread(self._file.fileno(), min(BLOCK, self._indexed - block * BLOCK), block * BLOCK)
            kept, at = [], data.find(b"\n")
            while at >= 0:
                kept.append(block * BLOCK + at)
                at = data.find(b"\n", at + 1)
            self._blocks[block] = kept
            while len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        return kept


class UnpackedLines(FileLines):
    """Lines of a stream that has no places to seek to: `extend` unpacks one more piece, then indexes it."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        super().__init__(Path(), file=TemporaryFile(buffering=0))  # noqa: SIM115 (closed by `close`)
        self._stream = stream
        codec = "cp1252" if encoding == "latin-1" else encoding
        self._decoder = codecs.getincrementaldecoder(codec)(errors="replace")
        self._begun = self._ended = False

    @property
    def share(self) -> float | None:
        """Unknown until the end."""
        return 1.0 if self._ended else None

    def extend(self) -> bool:
        """Unpack and index one more block; False at the end, or where the rest is damaged or too much."""
        if not self._ended:
            try:
                data = self._stream.read(BLOCK)
                self._ended = not data or self.size > _MOST_UNPACKED
                text = self._decoder.decode(data or b"", final=not data)
                if not self._begun:
                    self._begun, text = True, text.removeprefix("\ufeff")
                self._file.seek(0, os.SEEK_END)
                self._file.write(text.encode("utf-8", "replace"))
            except (OSError, EOFError, zlib.error, ValueError):
                self._ended = True
        return super().extend() or not self._ended

    def close(self) -> None:
        """Close all of it; the unpacked text is gone with that."""
        self._stream.close()
        super().close()


def open_lines(path: Path) -> FileLines:
    """The lines of whatever the reader of logs can read. Raises OSError or InputError."""
    from oomdoc.ingest.encoding import SAMPLE, detect
    from oomdoc.ingest.sources import Origin, open_origin

    size = path.stat().st_size
    if not size:
        return FileLines(path)
    with path.open("rb") as plain:
        head = plain.read(_HEAD)
    stream = open_origin(Origin(str(path), path, size))
    start = stream.read(_HEAD)
    encoding = detect(start + (stream.read(SAMPLE) or b""))
    stream.close()
    if start[: len(head)] == head[: len(start)] and not encoding.startswith(("utf-16", "utf-32")):
        return FileLines(path, encoding="cp1252" if encoding == "latin-1" else encoding)
    return UnpackedLines(open_origin(Origin(str(path), path, size)), encoding)


def lines_of(text: str) -> FileLines:
    """The lines of a text that is no file, such as a paste."""
    file = TemporaryFile(buffering=0)  # noqa: SIM115 (closed by the lines)
    file.write(text.encode("utf-8", "replace"))
    return FileLines(Path(), file=file)
