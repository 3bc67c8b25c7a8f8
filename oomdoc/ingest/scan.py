"""Finds the places of a log of any size that are worth reading, in one pass and constant memory.

Kept are the start, the end, the surroundings of a few literals (the first ones of each rank and the last ones), and a
short piece every so often, so that memory figures printed at each step keep their trend.
"""

import codecs
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import field
from functools import cache
from io import FileIO
from itertools import accumulate, chain
from pathlib import Path
from typing import BinaryIO, Final

from oomdoc.facts import base
from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.ingest.breaks import Counter
from oomdoc.ingest.encoding import detect
from oomdoc.ingest.sources import chunks

CHUNK: Final = 1 << 20
HEAD: Final = 128 << 10
TAIL: Final = 256 << 10
_BEFORE: Final = 8 << 10
_AFTER: Final = 32 << 10
_LONGEST_WINDOW: Final = 256 << 10
_FIRST_OF_RANK: Final = 2
_LAST: Final = 3
_MOST_BYTES: Final = 2 << 20
_MOST_RANKS: Final = 4096
# From here on only every so-manieth place is looked at: a log that prints the message on each line stays affordable.
_MOST_HITS: Final = 200_000
_SAMPLE: Final = 2 << 10
_MOST_SAMPLES: Final = 96
_CARRIED: Final = 64 << 10
_RANK: Final = lazy(rb"rank[ _:]?(\d{1,5})|^ {0,3}(\d{1,4}): |default(\d{1,4})\]|pid=(\d+)")

Progress = Callable[[int], None]


@dataclass(slots=True)
class Window:
    """Whole lines from an offset on; `above` line breaks stand before them since the start of chunk `chunk`."""

    offset: int
    data: bytes
    above: int
    chunk: int


@dataclass(slots=True)
class Scanned:
    """What was kept, in the order of the file, not overlapping."""

    fragments: list[tuple[int, bytes]]
    codec: str  # of the fragments
    encoding: str  # of the file
    total_lines: int
    total_bytes: int
    notes: list[str] = field(default_factory=list)


@cache
def literals() -> tuple[bytes, ...]:
    """What leads to interesting places."""
    return tuple(str(word).encode() for word in base.section("logs")["scan.yaml"]["literals"])


def scan_file(path: Path, size: int, encoding: str, progress: Progress | None = None) -> Scanned:
    """The first `size` bytes of a plain file whose encoding keeps ASCII; a second process counts lines meanwhile."""
    counter = Counter(path, size, CHUNK)
    try:
        with path.open("rb", buffering=0) as file:
            return _Scan(encoding, encoding, progress, counter.result).run(_first(file, size))
    finally:
        counter.stop()


def _first(file: FileIO, size: int) -> Iterator[bytes]:
    while size > 0 and (piece := file.read(min(CHUNK, size))):
        yield piece
        size -= len(piece)


def scan(stream: BinaryIO, head: bytes, progress: Progress | None = None) -> Scanned:
    """Read a stream to its end. `head` was read from it already; its encoding is told from it."""
    encoding = detect(head)
    pieces = chain((head[at : at + CHUNK] for at in range(0, len(head), CHUNK)), chunks(stream, CHUNK))
    if encoding.startswith(("utf-16", "utf-32")):
        return _Scan("utf-8", encoding, progress).run(_transcoded(pieces, encoding))
    return _Scan(encoding, encoding, progress).run(pieces)


def _transcoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    first = True
    for piece in pieces:
        text = decoder.decode(piece)
        yield (text.removeprefix("\ufeff") if first else text).encode("utf-8", errors="replace")
        first = False


class _Scan:
    def __init__(
        self, encoding: str, said: str, progress: Progress | None, counted: Callable[[], list[int]] | None = None
    ) -> None:
        self.counted = counted  # gives the line breaks of each chunk where another process counts them
        self.encoding, self.said, self.progress = encoding, said, progress
        self.windows: list[Window] = []
        self.last: deque[Window] = deque(maxlen=_LAST)
        self.samples: list[Window] = []
        self.stride = 4 * CHUNK
        self.next_sample = HEAD
        self.ranks: dict[bytes, int] = {}
        self.kept = 0
        self.left_out = 0
        self.hits = 0
        self.open: Window | None = None  # a window whose end lies in a later chunk
        self.open_until = 0
        self.open_first = False
        self.covered = HEAD

    def run(self, pieces: Iterator[bytes]) -> Scanned:
        """All of the stream."""
        words = literals()
        overlap = max(map(len, words)) - 1
        head = bytearray()
        last: deque[bytes] = deque()
        last_bytes = 0
        carried = b""
        offset = 0  # of the first byte of `piece`
        breaks: list[int] = []
        for chunk, piece in enumerate(pieces):
            block = carried + piece
            begin = offset - len(carried)
            if len(head) < HEAD:
                head += piece[: HEAD - len(head)]
            self._search(block, begin, len(carried), overlap, chunk, words)
            if offset + len(piece) > self.next_sample:
                self._sample(block, begin, len(carried), chunk)
            if self.counted is None:
                breaks.append(piece.count(b"\n"))
            offset += len(piece)
            carried = block[-_CARRIED:]
            last.append(piece)
            last_bytes += len(piece)
            while last_bytes - len(last[0]) >= TAIL:
                last_bytes -= len(last.popleft())
            if self.progress:
                self.progress(offset)
        if self.open:
            self._close()
        tail = b"".join(last)[-TAIL:]
        unfinished = 1 if tail and not tail.endswith(b"\n") else 0
        if self.counted is not None:
            breaks = self.counted()
        return self._result(bytes(head), tail, offset, breaks, unfinished)

    def _search(self, block: bytes, begin: int, fresh: int, overlap: int, chunk: int, words: tuple[bytes, ...]) -> None:
        """Windows around the literals of the new part of a block, `fresh` being where it starts."""
        start = max(fresh - overlap, 0)
        places = {word: block.find(word, start) for word in words}
        while (at := min((place for place in places.values() if place >= 0), default=-1)) >= 0:
            if begin + at >= HEAD:
                self._place(block, begin, at, fresh, chunk)
            self.hits += 1
            newline = block.find(b"\n", at)
            done = at + _AFTER if self.hits > _MOST_HITS else newline if newline > at else len(block)
            for word, place in places.items():
                if 0 <= place < done:
                    places[word] = block.find(word, done)
        if self.open:
            self._continue(block, begin)

    def _place(self, block: bytes, begin: int, at: int, fresh: int, chunk: int) -> None:
        """Open a window at an interesting place, or let the open one reach further."""
        row = block.rfind(b"\n", 0, at) + 1
        match = _RANK.search(block, row, min(at + 60, row + 160))
        rank = match[0] if match else b""
        seen = self.ranks.get(rank, 0)
        if len(self.ranks) < _MOST_RANKS or rank in self.ranks:
            self.ranks[rank] = seen + 1
        first = seen < _FIRST_OF_RANK and self.kept < _MOST_BYTES
        here = begin + at
        if self.open and here < self.open_until:
            self.open_first = self.open_first or first
            if here < self.open.offset + _LONGEST_WINDOW:
                self.open_until = here + _AFTER
            return
        if self.open:
            self._continue(block, begin)
        if self.open:
            self._close()
        low = max(at - _BEFORE, self.covered - begin, 0)
        aligned = begin + low in (0, self.covered)
        low = low if aligned else block.find(b"\n", low, at) + 1 or row
        above = block.count(b"\n", fresh, low) or -block.count(b"\n", low, fresh)
        self.open = Window(begin + low, b"", above, chunk)
        self.open_first, self.open_until = first, here + _AFTER

    def _continue(self, block: bytes, begin: int) -> None:
        """Take what the open window wants of a block; close it at the end of a line."""
        window = self.open
        if window is None:
            return
        stop = self.open_until - begin
        newline = block.find(b"\n", max(stop, 0)) if stop < len(block) else -1
        have = window.offset + len(window.data) - begin
        window.data += block[max(have, 0) : newline + 1 if newline >= 0 else len(block)]
        if newline >= 0 or len(window.data) > 2 * _LONGEST_WINDOW:
            self._close()

    def _close(self) -> None:
        window = self.open
        if window is None:
            return
        self.covered = window.offset + len(window.data)
        self.kept += len(window.data) if self.open_first else 0
        self.left_out += not self.open_first
        (self.windows if self.open_first else self.last).append(window)
        self.open = None

    def _sample(self, block: bytes, begin: int, fresh: int, chunk: int) -> None:
        self.next_sample = begin + len(block) + self.stride
        row = block.find(b"\n", fresh) + 1
        end = block.rfind(b"\n", row, row + _SAMPLE) + 1
        if row and end > row:
            self.samples.append(Window(begin + row, block[row:end], block.count(b"\n", fresh, row), chunk))
        if len(self.samples) > _MOST_SAMPLES:
            self.samples = self.samples[::2]
            self.stride *= 2

    def _result(self, head: bytes, tail: bytes, size: int, breaks: list[int], unfinished: int) -> Scanned:
        kept = [Window(0, head[: head.rfind(b"\n") + 1] or head, 0, 0)]
        before = [0, *accumulate(breaks)]
        cut = tail.find(b"\n") + 1 if len(tail) < size else 0
        end = Window(size - len(tail) + cut, tail[cut:], before[-1] - tail.count(b"\n", cut), 0)
        kept += sorted([*self.windows, *self.last, *self.samples, end], key=lambda window: window.offset)
        fragments: list[tuple[int, bytes]] = []
        done = 0
        for window in kept:
            skip = max(done - window.offset, 0)
            if skip >= len(window.data):
                continue
            fragments.append(
                (1 + before[window.chunk] + window.above + window.data.count(b"\n", 0, skip), window.data[skip:])
            )
            done = window.offset + len(window.data)
        read = sum(len(data) for _, data in fragments)
        notes = [f"read closely: {read} of {size} bytes, around what looks like an error and at both ends"]
        if self.left_out > _LAST:
            notes.append(f"{self.left_out - _LAST} further places that look like errors were not read")
        return Scanned(fragments, self.encoding, self.said, before[-1] + unfinished, size, notes)
