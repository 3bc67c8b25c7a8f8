"""What every block is on the screen: text that wraps to its width, can be selected, expanded, copied and searched."""

from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from oomdoc.messages import Language, say
from oomdoc.report.blocks import Place
from oomdoc.tui.ink import Line, content, folded, plain

_COPIED_COLUMNS = 100


class BlockView(Widget, can_focus=True):
    """Draws one block. Subclasses give `lines`; the rest (height, focus, copy, search) is here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "more", show=False),
        Binding("c", "app.perform('chat.copy')", show=False),
        Binding("l", "app.perform('case.log')", show=False),
        Binding("n", "app.perform('chat.find')", show=False),
        Binding("up,k", "app.perform('chat.previous')", show=False),
        Binding("down,j", "app.perform('chat.following')", show=False),
    ]
    HELP: ClassVar[str] = "help.block"
    KIND: ClassVar[str] = "block"

    def __init__(self, block: Any, language: Language, *, ascii_only: bool = False) -> None:
        super().__init__(classes=f"block -{self.KIND}")
        self.block = block
        self.language = language
        self.ascii_only = ascii_only
        self.is_open = False
        self.needle = ""
        self._drawn: tuple[tuple[int, bool], list[Line]] | None = None

    class Typed(Message):
        """A character that is no key of the block: the person goes on typing."""

        def __init__(self, character: str) -> None:
            super().__init__()
            self.character = character

    def on_key(self, event: events.Key) -> None:
        """After a click on a block, typing still goes to the prompt."""
        if event.is_printable and event.character and event.key not in self._bindings.key_to_bindings:
            event.stop()
            self.post_message(self.Typed(event.character))

    def say(self, key: str, **places: object) -> str:
        """A sentence of the interface in the block's language."""
        return say(self.language, key, **places)

    def lines(self, columns: int) -> list[Line]:
        """The block drawn in a number of columns."""
        raise NotImplementedError

    def drawn(self, columns: int) -> list[Line]:
        """The lines, none wider than the columns."""
        return list(folded(self.lines(max(columns, 12)), max(columns, 4)))

    def places(self) -> tuple[Place, ...]:
        """Lines of files this block quotes, the most important first."""
        return ()

    @property
    def expandable(self) -> bool:
        """Whether there is more to show than what is shown closed."""
        return False

    def toggle(self) -> None:
        """Show more, or less."""
        if self.expandable:
            self.is_open = not self.is_open
            self.redraw()

    def action_more(self) -> None:
        """Enter."""
        self.toggle()

    def copy_text(self) -> str:
        """The whole block as plain text."""
        was, self.is_open = self.is_open, True
        try:
            return plain(self.drawn(_COPIED_COLUMNS)) + "\n"
        finally:
            self.is_open = was

    def matches(self, needle: str) -> bool:
        """Whether the block holds a text, whatever its case."""
        return needle.lower() in self.copy_text().lower()

    def mark(self, needle: str) -> None:
        """Show a text reversed wherever it stands; the empty text clears."""
        if needle != self.needle:
            self.needle = needle
            self.refresh()

    def redraw(self) -> None:
        """Draw again after a change of the block."""
        self._drawn = None
        self.refresh(layout=True)

    def _cached(self, columns: int) -> list[Line]:
        key = (columns, self.is_open)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, self.drawn(columns))
        return self._drawn[1]

    def render(self) -> Content:
        """The content at the current width."""
        return content(self._cached(self.content_size.width or 80), self.ascii_only, self.needle)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many rows as lines; they are wrapped here, so Textual need not."""
        del container, viewport
        return max(len(self._cached(width)), 1)
