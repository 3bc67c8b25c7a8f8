"""The first line: the program, the folder, what it is doing."""

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from oomdoc.report.layout import clip, width
from oomdoc.tui.ink import content, one_line


class StatusLine(Widget):
    """One line; state is a glyph and a word."""

    state: reactive[str] = reactive("")
    busy: reactive[bool] = reactive(False)

    def __init__(self, place: str, *, ascii_only: bool = False) -> None:
        super().__init__(id="status")
        self._place = one_line(place)
        self._ascii_only = ascii_only

    def render(self) -> Content:
        """Name, folder, state at the right."""
        room = self.content_size.width or 80
        mark = "● " if self.busy else ""
        state = clip(one_line(self.state), max(room - 10, 4))
        place = clip(self._place, max(room - width(mark + state) - 12, 1))
        gap = max(room - width(f"oomdoc  {place}") - width(mark + state) - 1, 1)
        line = (("oomdoc", "bold"), (f"  {place}", "dim"), (" " * gap, ""), (mark, "warn"), (state, ""))
        return content([line], self._ascii_only)
