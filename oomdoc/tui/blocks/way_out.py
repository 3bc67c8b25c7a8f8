"""The way out of a report, as the text report writes it."""

from typing import Any, ClassVar

from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, pictured


class WayOutView(BlockView):
    """Plans with figures and diffs; the conversation has its own blocks for them."""

    KIND: ClassVar[str] = "way-out"
    block: Any

    def lines(self, columns: int) -> list[Line]:
        """The report's lines."""
        from oomdoc.report.text import TextReport

        drawn = TextReport(self.language, columns, ascii_only=self.ascii_only).render([self.block])
        return [((pictured(row), ""),) for row in drawn.rstrip("\n").split("\n")]
