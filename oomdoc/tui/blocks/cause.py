"""A cause: its standing, the signs with the lines they were read from, the mechanism."""

from typing import ClassVar

from oomdoc.report.blocks import CauseBlock, Place, Reason
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, prose, quoted

_CLOSED_REASONS = 3
_STANDING = {"confirmed": ("●", "bad"), "likely": ("●", "warn"), "possible": ("○", "dim")}


class CauseView(BlockView):
    """One ranked cause; the leading one starts open."""

    KIND: ClassVar[str] = "cause"
    block: CauseBlock

    def lines(self, columns: int) -> list[Line]:
        """Title with standing, the strongest signs; opened, every sign with its weight and the mechanism."""
        block = self.block
        mark, role = _STANDING.get(block.standing, ("○", "dim"))
        standing = self.say(
            "report.standing_with",
            standing=self.say(f"standing.{block.standing}"),
            percent=round(100 * block.probability),
        )
        drawn = list(prose(block.title, columns, f"{mark} ", "bold", role))
        drawn.append((("  ", ""), (standing, role), (f"  {block.cause}", "dim")))
        for number, reason in enumerate(block.reasons if self.is_open else block.reasons[:_CLOSED_REASONS], 1):
            drawn += self._reason(reason, columns, f"  {number}. ")
        against = self.say("report.against")
        colon = self.say("mark.colon")
        for reason in block.against if self.is_open else block.against[:1]:
            drawn += prose(f"{against}{colon}{reason.sentence}{self._weight(reason)}", columns, "  − ", "warn")
        if self.is_open:
            drawn += prose(block.explain, columns, "  ")
            if block.looks_like:
                drawn += prose(f"{self.say('report.looks_like')}{colon}{block.looks_like}", columns, "  ", "dim")
            for reference in getattr(block, "references", ()):
                drawn += prose(reference, columns, "  ", "dim")
        return drawn

    def _reason(self, reason: Reason, columns: int, first: str) -> list[Line]:
        drawn = list(prose(reason.sentence + self._weight(reason), columns, first))
        if reason.place:
            drawn += quoted(reason.place, columns, " " * len(first))
        return drawn

    def _weight(self, reason: Reason) -> str:
        return f"  [{reason.weight:+.1f}]" if self.is_open else ""

    @property
    def expandable(self) -> bool:
        """Weights, all signs, the mechanism."""
        return True

    def places(self) -> tuple[Place, ...]:
        """Lines behind the signs."""
        return tuple(reason.place for reason in self.block.reasons if reason.place and reason.place.line is not None)
