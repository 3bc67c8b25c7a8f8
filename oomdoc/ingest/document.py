"""Cleaned lines of what was read: the shape every log reader takes. Making them from bytes is `text.py`'s work."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Line:
    """One line without colour codes, overprinted progress, collector prefixes and trailing blanks.

    `number` counts physical lines of the file from 1; `rank` and `process` come from the prefix (`[rank3]:`).
    """

    number: int
    text: str
    rank: int | None = None
    process: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class Document:
    """Consecutive cleaned lines of one file, or of one process of it; gaps are where a huge file was skipped."""

    file: str
    lines: tuple[Line, ...]
    complete: bool = True
    encoding: str = "utf-8"
    total_lines: int = 0
    total_bytes: int = 0
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def text(self) -> str:
        """All lines joined by newlines; offsets in it are turned back into lines by `at`."""
        return "\n".join(line.text for line in self.lines)

    @cached_property
    def _starts(self) -> list[int]:
        starts, offset = [], 0
        for line in self.lines:
            starts.append(offset)
            offset += len(line.text) + 1
        return starts

    def index_at(self, offset: int) -> int:
        """Index into `lines` of the line that holds this offset of `text`."""
        return max(bisect_right(self._starts, offset) - 1, 0)

    def at(self, offset: int) -> Line:
        """The line that holds this offset of `text`."""
        return self.lines[self.index_at(offset)]

    def start_of(self, index: int) -> int:
        """Offset in `text` of the line at an index."""
        return self._starts[index]

    @cached_property
    def streams(self) -> tuple["Document", ...]:
        """One document per process, interleaved output taken apart; unprefixed lines form a stream of their own."""
        keys: dict[tuple[int | None, str | None], list[Line]] = {}
        for line in self.lines:
            keys.setdefault((line.rank, line.process), []).append(line)
        if len(keys) == 1:
            return (self,)
        return tuple(
            Document(self.file, tuple(lines), self.complete, self.encoding, self.total_lines, self.total_bytes)
            for lines in keys.values()
        )


def plain(text: str, file: str = "<text>") -> Document:
    """A document of text that is already clean (tests, settings pasted by hand)."""
    lines = tuple(Line(number, line.rstrip()) for number, line in enumerate(text.splitlines(), 1))
    return Document(file, lines, total_lines=len(lines), total_bytes=len(text.encode()))


def numbered(lines: Iterable[Line]) -> dict[int, Line]:
    """Lines by their number in the file."""
    return {line.number: line for line in lines}
