"""F1: what the widget in focus does, then every action with its keys and its slash command, from the registry."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from oomdoc.messages import Language, say
from oomdoc.report.layout import pad
from oomdoc.tui.actions import ACTIONS, key_text
from oomdoc.tui.ink import Line, content, prose

_COLUMNS = 68


class HelpScreen(ModalScreen[None]):
    """One scroll of text."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,f1", "dismiss", show=False)]

    def __init__(self, language: Language, help_keys: tuple[str, ...], *, ascii_only: bool = False) -> None:
        super().__init__(id="help")
        self.language = language
        self._keys = help_keys
        self._ascii_only = ascii_only

    def compose(self) -> ComposeResult:
        """The text in a frame."""
        with VerticalScroll(id="help-frame") as frame:
            frame.border_title = say(self.language, "tui.help")
            frame.border_subtitle = "Esc"
            yield Static(content(self.lines(min(_COLUMNS, max(self.app.size.width - 8, 20))), self._ascii_only))

    def on_mount(self) -> None:
        """Scrolled by the keyboard at once."""
        self.query_one("#help-frame").focus()

    def lines(self, columns: int) -> list[Line]:
        """The widgets' own help, then the actions by area."""
        drawn: list[Line] = []
        for key in self._keys:
            for paragraph in say(self.language, key).split("\n"):
                drawn += prose(paragraph, columns)
            drawn.append((("", ""),))
        area = ""
        for one in ACTIONS:
            if one.area != area:
                area = one.area
                drawn.append(((say(self.language, f"area.{area}"), "head"),))
            keys = " ".join(key_text(key, self._ascii_only) for key in one.keys)
            typed = f"/{one.slash}" if one.slash else ""
            label = one.label(self.language)
            drawn.append(((f"  {pad(keys, 18)}", "key"), (pad(typed, 11), "bold"), (label, "")))
        return drawn
