"""The question to the person: why it is asked, and choices that keys pick."""

from typing import ClassVar

from textual import events
from textual.message import Message

from oomdoc.report.blocks import QuestionBlock
from oomdoc.report.layout import pack
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.ink import Line, prose

_MOST = 9


class QuestionView(BlockView):
    """One question; 1 to 9 choose when it has the focus, alt+1 to alt+9 from anywhere, 0 is "I don't know"."""

    HELP: ClassVar[str] = "help.question"
    KIND: ClassVar[str] = "question"
    block: QuestionBlock

    class Chosen(Message):
        """A choice was taken; `answer` is said as if it had been typed."""

        def __init__(self, answer: str) -> None:
            super().__init__()
            self.answer = answer

    def choices(self) -> tuple[str, ...]:
        """The answers that a key can give; the last is "I don't know"."""
        from oomdoc.facts.vocabulary import term  # imported here: pydantic costs 65 ms

        declared = term(self.block.fact)
        given = self.block.choices[:_MOST]
        if not given and declared is not None and declared.type == "bool":
            given = (self.say("tui.yes"), self.say("tui.no"))
        return (*given, self.say("tui.dont_know"))

    def lines(self, columns: int) -> list[Line]:
        """The question, why, and the keys."""
        drawn = list(prose(self.block.ask, columns, "? ", "bold", "warn"))
        if self.block.why:
            drawn += prose(self.block.why, columns, "  ", "dim")
        choices = self.choices()
        entries = [f"[{number}] {choice}" for number, choice in enumerate(choices[:-1], 1)]
        for row in pack([*entries, f"[0] {choices[-1]}"], columns, "  "):
            drawn.append(((row, "key"),))
        return drawn

    def choose(self, number: int) -> None:
        """Take a choice by its number; one that does not exist is nothing."""
        choices = self.choices()
        if number == 0 or 0 < number < len(choices):
            self.post_message(self.Chosen(choices[number - 1]))

    def on_key(self, event: events.Key) -> None:
        """A digit chooses."""
        if event.character and event.character in "0123456789":
            event.stop()
            event.prevent_default()
            self.choose(int(event.character))
