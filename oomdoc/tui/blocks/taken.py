"""What was understood of an utterance: facts, so that a misreading is seen at once."""

from typing import ClassVar

from oomdoc.report.blocks import Place
from oomdoc.report.blocks_chat import TakenBlock
from oomdoc.report.layout import clip, pad, width
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, one_line, prose


class TakenView(BlockView):
    """Name and value, one a row."""

    KIND: ClassVar[str] = "taken"
    block: TakenBlock

    def lines(self, columns: int) -> list[Line]:
        """Title and rows."""
        rows = self.block.rows
        named = min(max((width(row.name) for row in rows), default=0), columns // 2)
        drawn = list(prose(self.block.title, columns, "✓ ", "", "good"))
        for row in rows:
            name = pad(clip(row.name, named), named)
            how = f"  {row.how}" if row.how else ""
            value = clip(one_line(row.value), max(columns - named - width(how) - 4, 4))
            drawn.append(((f"  {name}  ", "dim"), (value, "bold"), (how, "dim")))
        return drawn

    def places(self) -> tuple[Place, ...]:
        """Lines the facts were read from."""
        return tuple(row.place for row in self.block.rows if row.place and row.place.line)
