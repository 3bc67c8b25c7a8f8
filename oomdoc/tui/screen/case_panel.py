"""What is known about the run: facts with their origin. Enter on one puts a correction of it into the prompt."""

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from oomdoc.messages import Language, say
from oomdoc.report.layout import clip, pad, width
from oomdoc.tui.figures import show_fact
from oomdoc.tui.ink import Line, one_line
from oomdoc.tui.rows import strip_of

if TYPE_CHECKING:
    from oomdoc.facts.case import Case
    from oomdoc.facts.fact import Fact

# What a person can correct comes first; the message's own figures and what follows from them come last.
_ORDER = "train lora quant image parallel eval inference model hardware framework env run".split()


class CasePanel(ScrollView, can_focus=True):
    """The facts in force, one a row."""

    HELP: ClassVar[str] = "help.case"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("enter,e", "correct", show=False),
        Binding("l", "line", show=False),
    ]

    class Correct(Message):
        """A fact is to be corrected."""

        def __init__(self, fact: "Fact") -> None:
            super().__init__()
            self.fact = fact

    class Jump(Message):
        """The line a fact was read from is wanted."""

        def __init__(self, fact: "Fact") -> None:
            super().__init__()
            self.fact = fact

    def __init__(self, language: Language, *, ascii_only: bool = False) -> None:
        super().__init__(id="case", classes="panel")
        self.language = language
        self._ascii_only = ascii_only
        self._rows: list[Fact | str] = []
        self._at = 0
        self._origins = 0  # columns of the widest origin, so that values end in one column
        self.border_title = say(language, "tui.case")

    def show(self, case: "Case") -> None:
        """Draw a case."""
        facts = [fact for name in case.names() if (fact := case.fact(name)) is not None]
        before = self.fact
        self._rows = []
        for fact in sorted(facts, key=_place):
            area = fact.name.partition(".")[0]
            if area not in self._rows:
                self._rows.append(area)
            self._rows.append(fact)
        kept = (
            i for i, row in enumerate(self._rows) if not isinstance(row, str) and before and row.name == before.name
        )
        self._at = next(kept, 1 if self._rows else 0)
        self.on_resize()
        self._measure()
        self.border_subtitle = say(self.language, "tui.known", count=len(facts))
        self.refresh()

    def _measure(self) -> None:
        hows = {row.source.how for row in self._rows if not isinstance(row, str)}
        self._origins = max((width(say(self.language, f"how.{how}")) for how in hows), default=0)

    def speak(self, language: Language) -> None:
        """Another language from here on."""
        self.language = language
        self.border_title = say(language, "tui.case")
        self.border_subtitle = say(language, "tui.known", count=sum(not isinstance(row, str) for row in self._rows))
        self._measure()
        self.refresh()

    @property
    def fact(self) -> "Fact | None":
        """The chosen fact."""
        row = self._rows[self._at] if self._at < len(self._rows) else None
        return None if isinstance(row, str) else row

    def render_line(self, y: int) -> Strip:
        """One row: an area, or a fact's name, value and origin."""
        place = y + self.scroll_offset.y
        room = self.scrollable_content_region.width
        line: Line = (("", ""),)
        if place < len(self._rows):
            row = self._rows[place]
            chosen = place == self._at and self.has_focus
            line = ((row, "head"),) if isinstance(row, str) else self._row(row, room, chosen)
        elif place == 0:
            line = ((clip(say(self.language, "tui.no_facts"), room), "dim"),)
        return strip_of(self, line, room, ascii_only=self._ascii_only)

    def _row(self, fact: "Fact", room: int, chosen: bool) -> Line:
        how = pad(say(self.language, f"how.{fact.source.how}"), self._origins)
        name = " " + clip(fact.name.partition(".")[2], room * 3 // 5)
        rest = max(room - width(name) - width(how) - 2, 4)
        value = clip(one_line(show_fact(fact)), rest)
        gap = " " * max(room - width(name) - width(value) - width(how) - 1, 1)
        if chosen:
            return ((f"{name}{gap}{value} {how}", "found"),)
        return ((name, ""), (gap, ""), (value, "bold"), (f" {how}", "dim"))

    def on_focus(self) -> None:
        """The chosen row shows."""
        self.refresh()

    def on_blur(self) -> None:
        """The chosen row hides."""
        self.refresh()

    def on_resize(self) -> None:
        """Rows follow the width."""
        self.virtual_size = Size(self.scrollable_content_region.width, max(len(self._rows), 1))

    def action_move(self, by: int) -> None:
        """Choose another row; areas are stepped over."""
        step = 1 if by > 0 else -1
        at = min(max(self._at + by, 0), max(len(self._rows) - 1, 0))
        while 0 <= at < len(self._rows) and isinstance(self._rows[at], str):
            at += step
        if 0 <= at < len(self._rows):
            self._at = at
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if not top <= self._at < top + height:
            self.scroll_to(y=self._at - 1 if self._at < top else self._at - height + 1, animate=False)
        self.refresh()

    def action_correct(self) -> None:
        """Correct the chosen fact."""
        if self.fact:
            self.post_message(self.Correct(self.fact))

    def action_line(self) -> None:
        """Show the line it was read from."""
        if self.fact:
            self.post_message(self.Jump(self.fact))


def _place(fact: "Fact") -> tuple[int, str]:
    area = fact.name.partition(".")[0]
    return (_ORDER.index(area) if area in _ORDER else len(_ORDER), fact.name)
