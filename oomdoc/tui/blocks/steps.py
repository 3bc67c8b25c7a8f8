"""What to do next: numbered steps, each with its promise, how it is written, and its cost."""

from typing import ClassVar

from oomdoc.report.blocks import StepsBlock
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, prose


class StepsView(BlockView):
    """Remedies in order."""

    KIND: ClassVar[str] = "steps"
    block: StepsBlock

    def lines(self, columns: int) -> list[Line]:
        """Title and promise, the native line, the cost."""
        drawn: list[Line] = [((self.say("report.next"), "head"),)]
        for number, step in enumerate(self.block.steps, 1):
            lead = f"  {number}. "
            promise = f"  [{self.say(f'remedy.{step.promise}')}]" if step.promise else ""
            drawn += prose(step.title + promise, columns, lead, "bold")
            if step.native:
                drawn += prose(step.native, columns, "       ", "key")
            elif step.how:
                drawn += prose(step.how, columns, "     ")
            if step.cost:
                drawn += prose(self.say("remedy.cost", cost=step.cost), columns, "     ", "dim")
        return drawn
