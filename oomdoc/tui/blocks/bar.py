"""A memory bar: how one card is divided, each part with a glyph, a word and a figure, so that no colour is needed."""

from typing import ClassVar

from oomdoc.report.blocks import BarBlock
from oomdoc.report.layout import pad, shares, width
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.figures import size
from oomdoc.tui.ink import Line, prose

_GLYPHS = {"allocated": "█", "slack": "▓", "others": "▒", "outside": "░", "free": "·"}
_CYCLE = "█▓▒░#=+-"


class BarView(BlockView):
    """The bar, its legend below."""

    KIND: ClassVar[str] = "bar"
    block: BarBlock

    def lines(self, columns: int) -> list[Line]:
        """Title, bar, legend in as many columns as fit."""
        block = self.block
        drawn = list(prose(f"{block.title} ({size(block.total_bytes)})", columns, role="head"))
        looks = [look_of(segment.kind, place) for place, segment in enumerate(block.segments)]
        cells = shares([segment.bytes for segment in block.segments], block.total_bytes, columns - 2)
        bar = [(glyph * count, role) for (glyph, role), count in zip(looks, cells, strict=True) if count]
        drawn.append((("[", "dim"), *bar, (" " * (columns - 2 - sum(cells)) + "]", "dim")))
        entries = [
            (glyph, role, f" {segment.label} {size(segment.bytes)}")
            for (glyph, role), segment in zip(looks, block.segments, strict=True)
        ]
        if block.requested_bytes is not None:
            entries.append((">", "bad", f" {self.say('bar.requested')} {size(block.requested_bytes)}"))
        return drawn + legend(entries, columns)


def look_of(kind: str, place: int) -> tuple[str, str]:
    """Glyph and role of a segment; kinds without a glyph of their own take turns."""
    if kind in _GLYPHS:
        return _GLYPHS[kind], f"bar-{kind}"
    roles = ("bar-allocated", "bar-slack", "bar-others", "bar-outside")
    return _CYCLE[place % len(_CYCLE)], roles[place % len(roles)]


def legend(entries: list[tuple[str, str, str]], columns: int) -> list[Line]:
    """Glyph, its role and its label, in as many columns as fit."""
    room = max((width(glyph + text) for glyph, _, text in entries), default=0) + 3
    across = max(columns // room, 1)
    drawn: list[Line] = []
    for start in range(0, len(entries), across):
        spans: list[tuple[str, str]] = [(" ", "")]
        for glyph, role, text in entries[start : start + across]:
            spans += [(glyph, role), (pad(text, room - 1), "")]
        drawn.append(tuple(spans))
    return drawn
