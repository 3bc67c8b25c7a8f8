"""Variants of the run as bars on one scale, before and after; whether each fits is a word, a mark and then a colour."""

from typing import ClassVar

from oomdoc.report.blocks_chat import CompareBlock, CompareRow
from oomdoc.report.layout import shares, width
from oomdoc.tui.blocks.bar import legend, look_of
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.figures import size
from oomdoc.tui.ink import Line, prose

_FITS = {True: ("✓", "good", "tui.fits"), False: ("✗", "bad", "tui.short"), None: ("?", "dim", "")}


class CompareView(BlockView):
    """One bar a variant, a mark where the card ends."""

    KIND: ClassVar[str] = "compare"
    block: CompareBlock

    def lines(self, columns: int) -> list[Line]:
        """Title, the variants, one legend, the sentence; opened, what was assumed."""
        drawn = list(prose(self.block.title, columns, role="head"))
        for row in self.block.rows:
            drawn += self._row(row, columns)
        drawn += self._legend(columns)
        if self.block.sentence:
            drawn += prose(self.block.sentence, columns, "  ", "bold")
        if self.is_open:
            for sentence in self.block.assumed:
                drawn += prose(sentence, columns, "  • ", "dim")
        elif self.block.assumed:
            drawn.append(((f"  {self.say('tui.assumed', count=len(self.block.assumed))}", "dim"),))
        return drawn

    def _row(self, row: CompareRow, columns: int) -> list[Line]:
        mark, role, key = _FITS[row.fits]
        told = f"  {size(row.device_bytes)}  ({size(row.low_bytes)} – {size(row.high_bytes)})"
        said = f"  {self.say(key)}" if key else ""
        head = list(prose(row.label, max(columns - width(told + said), 12), f"{mark} ", "bold", role))
        first = (*head[0], (told, ""), (said, role))
        if sum(width(text) for text, _ in first) > columns:
            head.append(((f" {told}", ""), (said, role)))
        else:
            head[0] = first
        return [*head, self._bar(row, columns)]

    def _bar(self, row: CompareRow, columns: int) -> Line:
        room = columns - 4
        scale = max(self.block.scale_bytes, row.device_bytes, row.capacity_bytes or 0, 1)
        looks = [look_of(segment.kind, place) for place, segment in enumerate(row.segments)]
        cells = shares([segment.bytes for segment in row.segments], scale, room)
        spans = [(glyph * count, role) for (glyph, role), count in zip(looks, cells, strict=True) if count]
        used = sum(cells)
        end = min(round((row.capacity_bytes or scale) * room / scale), room)
        if used < end:
            spans += [("·" * (end - used), "bar-free"), ("│", "bold")]
        elif row.capacity_bytes and row.fits is False:
            spans = _cut(spans, end)
        return (("  ", ""), *spans)

    def _legend(self, columns: int) -> list[Line]:
        seen: dict[str, tuple[str, str]] = {}
        for row in self.block.rows:
            for place, segment in enumerate(row.segments):
                seen.setdefault(segment.label, look_of(segment.kind, place))
        return legend([(glyph, role, f" {label}") for label, (glyph, role) in seen.items()], columns)

    @property
    def expandable(self) -> bool:
        """What was assumed."""
        return bool(self.block.assumed)


def _cut(spans: list[tuple[str, str]], at: int) -> list[tuple[str, str]]:
    """The bar with a mark where the card ends."""
    drawn: list[tuple[str, str]] = []
    used = 0
    for text, role in spans:
        if used < at <= used + len(text):
            drawn += [(text[: at - used], role), ("│", "bold"), (text[at - used :], role)]
        else:
            drawn.append((text, role))
        used += len(text)
    return drawn
