"""Lines of a file of any size by their number: a sparse index of line breaks, grown block by block, never the text."""

import os
from bisect import bisect_left
from collections import OrderedDict
from pathlib import Path
from typing import Final

BLOCK: Final = 1 << 20
_CACHED_BLOCKS: Final = 8
_LONGEST: Final = 4_000
_MOST_PART: Final = 1 << 16


class FileLines:
    """A growing index over a file that may grow itself. `extend` does one bounded step; reading a line seeks.

    Lines count "\\n" from 1, as every report does. Not thread-safe for `extend`: one thread indexes.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        start = self._file.read(4)
        self.encoding = (
            "utf-16-le" if start[:2] == b"\xff\xfe" else "utf-16-be" if start[:2] == b"\xfe\xff" else "utf-8"
        )
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
        if self.encoding != "utf-8":
            raw = raw.replace(b"\x00", b"")  # ASCII of UTF-16; other scripts show as what they are: not decoded
        text = raw.decode("utf-8", "replace").rstrip("\r")
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
