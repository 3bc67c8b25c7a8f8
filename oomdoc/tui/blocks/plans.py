"""The plans that fit, as a numbered list: what each changes, its promise, its price, what it leaves free."""

from typing import ClassVar

from textual import events

from oomdoc.report.blocks_chat import PlanRow, PlansBlock
from oomdoc.tui.blocks.question import QuestionView
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.figures import size
from oomdoc.tui.ink import Line, prose


class PlansView(BlockView):
    """Digits ask for the change of a plan when the block has the focus."""

    HELP: ClassVar[str] = "help.plans"
    KIND: ClassVar[str] = "plans"
    block: PlansBlock

    def lines(self, columns: int) -> list[Line]:
        """Title, plans, what was kept to."""
        drawn = list(prose(self.block.title, columns, role="head"))
        for row in self.block.rows:
            drawn += self._row(row, columns)
        for wish in self.block.excluded:
            drawn += prose(wish, columns, "  • ", "dim")
        return drawn

    def _row(self, row: PlanRow, columns: int) -> list[Line]:
        mark, role = ("✓", "good") if row.fits else ("✗", "bad") if row.fits is False else ("?", "dim")
        drawn = list(prose(row.title, columns, f"{mark} {row.number}. ", "bold", role))
        indent = " " * 5
        for change in row.changes:
            drawn += prose(change, columns, indent, "key")
        told = self.say("tui.plan_peak", peak=size(row.peak_bytes))
        if row.spare_bytes is not None:
            key = "tui.plan_spare" if row.spare_bytes >= 0 else "tui.plan_missing"
            told += self.say(key, bytes=size(abs(row.spare_bytes)))
        promise = self.say(f"remedy.{row.promise}") if row.promise else ""
        drawn += prose("  ·  ".join(part for part in (told, promise, row.cost) if part), columns, indent, "dim")
        return drawn

    def on_key(self, event: events.Key) -> None:
        """A plan's number shows its change."""
        numbers = {str(row.number) for row in self.block.rows}
        if event.character in numbers:
            event.stop()
            event.prevent_default()
            self.post_message(QuestionView.Chosen(self.say("tui.plan_wanted", number=event.character)))
