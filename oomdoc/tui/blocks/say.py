"""The doctor's own sentences, and terms it explains with where that stands."""

from typing import ClassVar

from oomdoc.report.blocks import PredictionBlock
from oomdoc.report.blocks_chat import SayBlock, TermBlock
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, prose

_TONES = {"plain": ("", ""), "good": ("✓ ", "good"), "warn": ("! ", "warn"), "sorry": ("? ", "warn")}


class SayView(BlockView):
    """One paragraph a sentence; the tone is a mark first."""

    KIND: ClassVar[str] = "say"
    block: SayBlock

    def lines(self, columns: int) -> list[Line]:
        """Mark and paragraphs."""
        mark, role = _TONES[self.block.tone]
        drawn: list[Line] = []
        for number, sentence in enumerate(self.block.sentences):
            for row in sentence.split("\n"):
                drawn += prose(row, columns, mark if number == 0 and not drawn else " " * len(mark), "", role or None)
        return drawn


class TermView(BlockView):
    """A term, its text, its sources."""

    KIND: ClassVar[str] = "term"
    block: TermBlock

    def lines(self, columns: int) -> list[Line]:
        """Title, text, sources."""
        drawn = list(prose(self.block.title, columns, role="head"))
        for paragraph in self.block.text.strip().split("\n"):
            drawn += prose(paragraph, columns, "  ")
        for source in self.block.sources:
            drawn += prose(source, columns, "  → ", "dim")
        return drawn


class PredictionView(BlockView):
    """What the memory model predicts, and what it had to assume."""

    KIND: ClassVar[str] = "prediction"
    block: PredictionBlock

    def lines(self, columns: int) -> list[Line]:
        """The sentence; opened, the assumptions."""
        drawn = list(prose(self.block.sentence, columns, "≈ ", "", "key"))
        shown = self.block.assumed if self.is_open else self.block.assumed[:2]
        for sentence in shown:
            drawn += prose(sentence, columns, "  • ", "dim")
        rest = len(self.block.assumed) - len(shown)
        if rest:
            drawn.append(((f"  … {self.say('tui.more', count=rest)}", "dim"),))
        return drawn

    @property
    def expandable(self) -> bool:
        """All assumptions."""
        return len(self.block.assumed) > 2
