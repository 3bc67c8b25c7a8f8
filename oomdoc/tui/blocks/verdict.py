"""The verdict: one line that stands alone, the figures, and the line of the log that says so."""

from typing import ClassVar

from oomdoc.report.blocks import Place, VerdictBlock
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, prose, quoted

_MARKS = {"oom": ("✗ ", "bad"), "not_oom": ("✓ ", "good")}


class VerdictView(BlockView):
    """What happened."""

    KIND: ClassVar[str] = "verdict"
    block: VerdictBlock

    def lines(self, columns: int) -> list[Line]:
        """Mark, headline, sentence, quote."""
        mark, role = _MARKS.get(self.block.outcome, ("? ", "warn"))
        drawn = list(prose(self.block.headline, columns, mark, role, role))
        if self.block.sentence:
            drawn += prose(self.block.sentence, columns, "  ")
        if self.block.place:
            drawn += quoted(self.block.place, columns, "  ")
            if self.is_open and self.block.place.quote:
                drawn += prose(self.block.place.quote, columns, "    ", "quote")
        return drawn

    @property
    def expandable(self) -> bool:
        """The quoted line in full."""
        return bool(self.block.place and self.block.place.quote)

    def places(self) -> tuple[Place, ...]:
        """The failing message."""
        return (self.block.place,) if self.block.place else ()
