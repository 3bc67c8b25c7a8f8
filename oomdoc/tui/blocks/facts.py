"""A table of facts with where each came from; closed, only its first rows."""

from typing import ClassVar

from oomdoc.report.blocks import FactsBlock, Place
from oomdoc.report.layout import clip, pad, width
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, one_line

_CLOSED = 12


class FactsView(BlockView):
    """Everything that was read."""

    KIND: ClassVar[str] = "facts"
    block: FactsBlock

    def lines(self, columns: int) -> list[Line]:
        """Name, value, provenance."""
        rows = self.block.rows if self.is_open else self.block.rows[:_CLOSED]
        named = min(max((width(row.name) for row in rows), default=0), columns // 2)
        drawn: list[Line] = [((self.say("report.facts"), "head"),)]
        for row in rows:
            where = f" {row.place.file}:{row.place.line}" if row.place and row.place.line else ""
            told = one_line(f"{row.value}  ({row.how}{where})")
            name = pad(clip(row.name, named), named)
            drawn.append(((f"  {name}  ", "dim"), (clip(told, max(columns - named - 4, 8)), "")))
        rest = len(self.block.rows) - len(rows)
        if rest:
            drawn.append(((f"  … {self.say('tui.more', count=rest)}", "dim"),))
        return drawn

    @property
    def expandable(self) -> bool:
        """All rows."""
        return len(self.block.rows) > _CLOSED

    def places(self) -> tuple[Place, ...]:
        """Lines the facts were read from."""
        return tuple(row.place for row in self.block.rows if row.place and row.place.line)
