"""Blocks that are sentences: what could not be told, remarks on the input, plain answers."""

from collections.abc import Sequence
from typing import ClassVar

from oomdoc.report.blocks import NotesBlock, UntoldBlock
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, prose


class UntoldView(BlockView):
    """What could not be told, and why."""

    KIND: ClassVar[str] = "untold"
    block: UntoldBlock

    def lines(self, columns: int) -> list[Line]:
        """A heading and bullets."""
        return [((self.say("report.untold"), "head"),), *_bullets(self.block.sentences, columns)]


class NotesView(BlockView):
    """Remarks on the input."""

    KIND: ClassVar[str] = "notes"
    block: NotesBlock

    def lines(self, columns: int) -> list[Line]:
        """Bullets."""
        return _bullets(self.block.sentences, columns, "dim")


def _bullets(sentences: Sequence[str], columns: int, role: str = "") -> list[Line]:
    return [line for sentence in sentences for line in prose(sentence, columns, "  • ", role, "dim")]
