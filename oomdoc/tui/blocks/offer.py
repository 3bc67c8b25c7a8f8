"""What can be said next, and what was said so far."""

from typing import ClassVar

from textual import events

from oomdoc.report.blocks_chat import HistoryBlock, OfferBlock
from oomdoc.report.layout import clip
from oomdoc.tui.blocks.question import QuestionView
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, one_line, prose


class OfferView(BlockView):
    """Utterances that will be understood; a digit says one when the block has the focus."""

    HELP: ClassVar[str] = "help.offer"
    KIND: ClassVar[str] = "offer"
    block: OfferBlock

    def lines(self, columns: int) -> list[Line]:
        """Title and utterances."""
        drawn = list(prose(self.block.title, columns, role="dim"))
        for number, utterance in enumerate(self.block.utterances, 1):
            drawn += prose(utterance, columns, f"  [{number}] ", "", "key")
        return drawn

    def on_key(self, event: events.Key) -> None:
        """A digit says it."""
        if event.character and event.character in "123456789":
            event.stop()
            event.prevent_default()
            self.choose(int(event.character))

    def choose(self, number: int) -> None:
        """Say an utterance by its number; one that is not there is nothing."""
        if 0 < number <= len(self.block.utterances):
            self.post_message(QuestionView.Chosen(self.block.utterances[number - 1]))


class HistoryView(BlockView):
    """The turns so far."""

    KIND: ClassVar[str] = "history"
    block: HistoryBlock

    def lines(self, columns: int) -> list[Line]:
        """What was said, what came of it."""
        drawn = list(prose(self.block.title, columns, role="head"))
        for said, came in self.block.rows:
            drawn.append((("❯ ", "key"), (clip(one_line(said), columns - 2), "bold")))
            drawn += prose(came, columns, "  ", "dim")
        return drawn
