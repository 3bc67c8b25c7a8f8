"""The log itself, at the quoted line. Lines are read when they are shown, so its size does not matter."""

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from oomdoc.messages import Language, say
from oomdoc.report.layout import clip, width
from oomdoc.tui.figures import size
from oomdoc.tui.ink import Line, pictured
from oomdoc.tui.lines import FileLines
from oomdoc.tui.rows import strip_of

_TELL_EVERY = 64


class LogLines(ScrollView, can_focus=True):
    """The lines, numbered; one of them is marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup,b", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(1)", show=False),
        Binding("left", "shift(-8)", show=False),
        Binding("right", "shift(8)", show=False),
    ]

    class Moved(Message):
        """Another line is marked."""

    def __init__(self, lines: FileLines, marked: int, *, ascii_only: bool = False) -> None:
        super().__init__(id="log-lines")
        self.lines = lines
        self.marked = marked
        self.needle = ""
        self._ascii_only = ascii_only

    def fit(self) -> None:
        """Make room for the lines known by now."""
        self.virtual_size = Size(self.size.width, max(self.lines.count, 1))
        self.refresh()

    def go(self, number: int) -> None:
        """Mark a line and show it with the lines around it."""
        self.marked = min(max(number, 1), max(self.lines.count, 1))
        height = max(self.size.height, 1)
        top = self.scroll_offset.y
        if not top < self.marked <= top + height:
            self.scroll_to(y=max(self.marked - 1 - height // 2, 0), animate=False, force=True)
        self.refresh()
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        """One line with its number."""
        number = y + round(self.scroll_offset.y) + 1
        room = self.scrollable_content_region.width
        text = self.lines.line(number)
        if text is None:
            return strip_of(self, (("", ""),), room)
        digits = max(len(str(self.lines.count)), 4)
        mark = "▸" if number == self.marked else " "
        shown = pictured(text)[round(self.scroll_offset.x) + self._shifted :]
        body = clip(shown, max(room - digits - 3, 4))
        role = "bold" if number == self.marked else ""
        line: Line = ((f"{mark}{number:>{digits}} ", "key" if number == self.marked else "dim"), (body, role))
        return strip_of(self, line, room, ascii_only=self._ascii_only, needle=self.needle)

    _shifted = 0

    def action_move(self, by: int) -> None:
        """Mark the next line."""
        self.go(self.marked + by)

    def action_page(self, by: int) -> None:
        """A screenful on."""
        self.go(self.marked + by * max(self.size.height - 2, 1))

    def action_edge(self, end: int) -> None:
        """The first or the last line known."""
        self.go(self.lines.count if end else 1)

    def action_shift(self, by: int) -> None:
        """See more of long lines."""
        self._shifted = max(self._shifted + by, 0)
        self.refresh()


class LogScreen(Screen[None]):
    """The viewer: title, lines, a search line."""

    HELP: ClassVar[str] = "help.log"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", show=False),
        Binding("slash", "search", show=False),
        Binding("n", "again(1)", show=False),
        Binding("N", "again(-1)", show=False),
        Binding("m", "quoted", show=False),
    ]

    def __init__(self, name: str, lines: FileLines, line: int, language: Language, *, ascii_only: bool = False) -> None:
        super().__init__(id="log")
        self.name_shown = name
        self.quoted = max(line, 1)
        self.language = language
        self._lines = lines
        self._view = LogLines(self._lines, self.quoted, ascii_only=ascii_only)
        self._title = Static("", id="log-title", markup=False)
        self._reached = False

    def compose(self) -> ComposeResult:
        """Title, lines, search, keys."""
        yield self._title
        yield self._view
        yield Input(placeholder=say(self.language, "tui.log_search"), id="log-search")
        yield Static(say(self.language, "tui.log_keys"), id="log-keys", markup=False)

    def on_mount(self) -> None:
        """Lines come when the index reaches them."""
        self.query_one("#log-search").display = False
        self._view.focus()
        self.index()

    def on_unmount(self) -> None:
        """Nothing is kept open."""
        self._lines.close()

    class Indexed(Message):
        """The index has grown."""

        def __init__(self, done: bool) -> None:
            super().__init__()
            self.done = done

    @work(thread=True, exclusive=True, group="log-index")
    def index(self) -> None:
        """Index the file, telling now and then how far it is."""
        worker = get_current_worker()
        steps = 0
        try:
            while not worker.is_cancelled and self._lines.extend():
                steps += 1
                if steps == 1 or steps % _TELL_EVERY == 0 or (not self._reached and self._lines.count >= self.quoted):
                    self.post_message(self.Indexed(done=False))
        except (OSError, ValueError):  # the file went away, or the screen was left
            return
        self.post_message(self.Indexed(done=True))

    def on_log_screen_indexed(self, event: Indexed) -> None:
        """Grow, and go to the quoted line once it is there."""
        self._view.fit()
        if not self._reached and (self._lines.count >= self.quoted or event.done):
            self._reached = True
            self.call_after_refresh(self._view.go, self.quoted)
        self._tell()

    def on_log_lines_moved(self) -> None:
        """The title says where we are."""
        self._tell()

    def _tell(self, more: str = "") -> None:
        known = self._lines.share
        share = "  …" if known is None else f"  {int(100 * known)} %" if known < 1 else ""
        whole = size(self._lines.size)
        told = say(self.language, "tui.log_title", line=self._view.marked, count=self._lines.count, size=whole)
        room = max(self.size.width - width(told + share + more) - 6, 8)
        self._title.update(f"{clip(pictured(self.name_shown), room)}  {told}{share}{more}")

    def action_leave(self) -> None:
        """Close the search, else the viewer."""
        search = self.query_one("#log-search", Input)
        if search.display:
            search.display = False
            self._view.focus()
        else:
            self.dismiss()

    def action_search(self) -> None:
        """Open the search line."""
        search = self.query_one("#log-search", Input)
        search.display = True
        search.focus()

    def action_quoted(self) -> None:
        """Back to the quoted line."""
        self._view.go(self.quoted)

    def action_again(self, by: int) -> None:
        """The next or the previous hit."""
        if self._view.needle:
            self.search(self._view.needle, by < 0)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search from the marked line on."""
        event.stop()
        event.input.display = False
        self._view.needle = event.value
        self._view.focus()
        if event.value:
            self.search(event.value, back=False)

    class Hit(Message):
        """The search has ended at a line, or nowhere."""

        def __init__(self, line: int | None) -> None:
            super().__init__()
            self.line = line

    @work(thread=True, exclusive=True, group="log-search")
    def search(self, text: str, back: bool) -> None:
        """Search the file."""
        try:
            self.post_message(self.Hit(self._lines.find(text.lower().encode(), self._view.marked, back=back)))
        except (OSError, ValueError):
            return

    def on_log_screen_hit(self, event: Hit) -> None:
        """Go there, or say that there is none."""
        if event.line is None:
            self._tell(f"  {say(self.language, 'tui.not_found')}")
        else:
            self._view.go(event.line)
