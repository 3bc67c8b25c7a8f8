"""Why a cause leads: the sum of evidence, term by term, each with the line behind it."""

from typing import ClassVar

from oomdoc.report.blocks import Place
from oomdoc.report.blocks_chat import SumBlock
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, prose, quoted


class SumView(BlockView):
    """Weights in a column, their total below."""

    KIND: ClassVar[str] = "sum"
    block: SumBlock

    def lines(self, columns: int) -> list[Line]:
        """Title, terms, total."""
        drawn = list(prose(self.block.title, columns, role="head"))
        for reason in self.block.rows:
            lead = f"  {reason.weight:+5.1f}  "
            role = "good" if reason.weight > 0 else "warn" if reason.weight < 0 else "dim"
            drawn += prose(reason.sentence, columns, lead, "", role)
            if self.is_open and reason.place:
                drawn += quoted(reason.place, columns, " " * len(lead))
        total = f"  {self.block.total:+5.1f}  "
        drawn.append(((f"  {'─' * (min(columns, 40) - 2)}", "dim"),))
        drawn += prose(f"{self.block.cause}  {100 * self.block.probability:.0f} %", columns, total, "bold", "bold")
        return drawn

    @property
    def expandable(self) -> bool:
        """The lines behind the terms."""
        return any(reason.place for reason in self.block.rows)

    def places(self) -> tuple[Place, ...]:
        """Lines behind the terms."""
        return tuple(reason.place for reason in self.block.rows if reason.place and reason.place.line is not None)
