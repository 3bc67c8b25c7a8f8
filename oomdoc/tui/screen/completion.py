"""The list above the prompt: commands that the typed beginning may become, with what they do."""

from textual.content import Content
from textual.widget import Widget

from oomdoc.messages import Language, say
from oomdoc.report.layout import clip, pad
from oomdoc.tui.actions import Action, completions
from oomdoc.tui.ink import Line, content

_ROWS = 8


class CompletionList(Widget):
    """Hidden while there is nothing to complete."""

    def __init__(self, language: Language, *, ascii_only: bool = False) -> None:
        super().__init__(id="completion")
        self.language = language
        self._ascii_only = ascii_only
        self._entries: list[Action] = []
        self._at = 0
        self._typed = ""

    def offer(self, typed: str) -> bool:
        """Show what `typed` may become; False where that is nothing, or it is typed to the end."""
        entries = list(completions(typed))
        if len(entries) == 1 and f"/{entries[0].slash}" == typed:
            entries = []
        self._entries, self._at, self._typed = entries, 0, typed
        self.display = bool(entries)
        self.styles.height = min(len(entries), _ROWS)
        self.refresh(layout=True)
        return self.display

    def move(self, by: int) -> None:
        """Choose the entry above or below."""
        if self._entries:
            self._at = (self._at + by) % len(self._entries)
            self.refresh()

    def chosen_for(self, typed: str) -> Action | None:
        """The chosen command; where the list has moved on from what was typed, the first that it may become."""
        if self._entries and self._typed == typed:
            return self._entries[self._at]
        return next(completions(typed), None)

    def render(self) -> Content:
        """A window of the entries around the chosen one."""
        room = self.content_size.width or 80
        first = min(max(self._at - _ROWS + 1, 0), max(len(self._entries) - _ROWS, 0))
        drawn: list[Line] = []
        for place, one in enumerate(self._entries[first : first + _ROWS], first):
            argument = f" <{say(self.language, f'argument.{one.argument}')}>" if one.argument else ""
            name = pad(f"/{one.slash}{argument}", 22)
            mark, role = ("▸ ", "key") if place == self._at else ("  ", "")
            drawn.append(((mark, "key"), (name, role), (clip(one.label(self.language), max(room - 25, 4)), "dim")))
        return content(drawn, self._ascii_only)
