"""What the person said, and what the program did by itself: lines that open a turn."""

from dataclasses import dataclass
from typing import ClassVar

from oomdoc.report.blocks_chat import SaidBlock
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.figures import size
from oomdoc.tui.ink import Line, prose

_SHOWN_LINES = 6
_SHOWN_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the program's own: what it took, what it does; `role` is one of the ink's."""

    text: str
    role: str = "dim"


class SaidView(BlockView):
    """The person's turn."""

    KIND: ClassVar[str] = "said"
    block: SaidBlock

    def lines(self, columns: int) -> list[Line]:
        """The text, cut where it is long."""
        text = self.block.text if self.is_open else self.block.text[:_SHOWN_CHARS]
        rows = text.split("\n")
        shown = rows if self.is_open else rows[:_SHOWN_LINES]
        drawn: list[Line] = []
        for number, row in enumerate(shown):
            drawn += prose(row, columns, "  " if number else "❯ ", "bold", "key") if row.strip() else [(("", ""),)]
        if self.expandable:
            told = self.say("tui.pasted", lines=self.block.lines, size=size(self.block.chars))
            drawn.append(((f"  … {told}", "dim"),))
        return drawn

    @property
    def expandable(self) -> bool:
        """Long pastes are shown by their beginning."""
        return self.block.lines > _SHOWN_LINES or self.block.chars > _SHOWN_CHARS

    def copy_text(self) -> str:
        """The text itself, without marks."""
        return self.block.text


class ToldView(BlockView):
    """A remark of the program."""

    KIND: ClassVar[str] = "told"
    block: Told

    def lines(self, columns: int) -> list[Line]:
        """The sentences, line by line."""
        return [line for row in self.block.text.split("\n") for line in prose(row, columns, "  ", self.block.role)]
