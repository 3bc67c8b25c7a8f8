"""The last line: the keys that matter, from the registry; each can be clicked."""

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from oomdoc.messages import Language
from oomdoc.report.layout import width
from oomdoc.tui.actions import ACTIONS, key_text
from oomdoc.tui.ink import Line, content


class KeyLine(Widget):
    """As many keys as fit, the most needed first."""

    class Pressed(Message):
        """A key of the line was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, language: Language, *, ascii_only: bool = False) -> None:
        super().__init__(id="keys")
        self.language = language
        self._ascii_only = ascii_only
        self._spots: list[tuple[int, int, str]] = []

    def speak(self, language: Language) -> None:
        """Another language from here on."""
        self.language = language
        self.refresh()

    def render(self) -> Content:
        """Key and label, key and label."""
        room, used = self.content_size.width or 80, 0
        spans: list[tuple[str, str]] = []
        self._spots = []
        shown = sorted((one for one in ACTIONS if one.footer), key=lambda one: one.footer)
        for one in shown:
            key = key_text(one.keys[-1] if one.keys[0] == "ctrl+y" else one.keys[0], self._ascii_only)
            label = f" {one.label(self.language)}  "
            size = width(key + label)
            if used + size - 2 > room:
                break
            spans += [(key, "key"), (label, "dim")]
            self._spots.append((used, used + size, one.name))
            used += size
        line: Line = tuple(spans)
        return content([line], self._ascii_only)

    def on_click(self, event: events.Click) -> None:
        """A click does what the key does."""
        for start, end, name in self._spots:
            if start <= event.x < end:
                self.post_message(self.Pressed(name))
