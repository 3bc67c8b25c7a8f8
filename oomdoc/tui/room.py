"""What actions do to the room: panels shown, remarks made, the log opened, the language changed."""

from pathlib import Path

from textual.app import App

from oomdoc.messages import Language, say
from oomdoc.report.blocks import Place
from oomdoc.tui.blocks.said import Told
from oomdoc.tui.blocks.verdict import VerdictView
from oomdoc.tui.doctor import Doctor
from oomdoc.tui.screen.case_panel import CasePanel
from oomdoc.tui.screen.chat import ChatColumn
from oomdoc.tui.screen.gpu_panel import GpuPanel
from oomdoc.tui.screen.keys import KeyLine
from oomdoc.tui.screen.prompt import Prompt
from oomdoc.tui.screen.status import StatusLine
from oomdoc.tui.turns import Turns

_SIDES = ("case", "gpu")


class Room(App[int]):
    """Verbs over the widgets; `DoctorApp` has the wiring."""

    doctor: Doctor
    language: Language
    turns: Turns
    ascii_only: bool
    _needle = ""

    @property
    def chat(self) -> ChatColumn:
        """The column of blocks, whatever screen is on top."""
        return self.screen_stack[0].query_one(ChatColumn)

    @property
    def prompt(self) -> Prompt:
        """The line to type in."""
        return self.screen_stack[0].query_one(Prompt)

    @property
    def status(self) -> StatusLine:
        """The first line."""
        return self.screen_stack[0].query_one(StatusLine)

    def tell(self, key: str, **places: object) -> None:
        """A passing remark."""
        self.notify(say(self.language, key, **places), timeout=3, markup=False)

    def remark(self, key: str, role: str = "dim", **places: object) -> None:
        """A remark that stays in the chat."""
        self.run_worker(self.chat.add([Told(say(self.language, key, **places), role)]))

    def fill_prompt(self, text: str) -> None:
        """Text in the prompt, to be finished by the person."""
        self.hide_sides()
        self.prompt.value = text
        self.prompt.cursor_position = len(text)
        self.prompt.focus()

    def back_to_prompt(self) -> None:
        """The chat and its prompt; from the prompt itself, forget what was pasted and what was searched."""
        self.hide_sides()
        if self.prompt.has_focus:
            self.prompt.drop_attached()
            self.chat.find("")
        self.prompt.focus()

    def show_side(self, side: str) -> None:
        """A panel: focused where it is beside the chat, in place of the chat where the terminal is narrow."""
        screen = self.screen_stack[0]
        on = screen.has_class(f"-{side}")
        self.hide_sides()
        if on:
            self.prompt.focus()
            return
        screen.add_class(f"-{side}")
        if side == "case":
            self.call_after_refresh(screen.query_one(CasePanel).focus)

    def hide_sides(self) -> None:
        """The chat again, where a panel had taken its place."""
        self.screen_stack[0].remove_class(*(f"-{side}" for side in _SIDES))

    def place_wanted(self) -> Place | None:
        """The line quoted by the block in focus, else by the newest verdict."""
        views = [self.chat.chosen, *(one for one in reversed(self.chat.views) if isinstance(one, VerdictView))]
        places = (place for view in views if view is not None for place in view.places())
        return next((place for place in places if place.file and place.line), None)

    def newest_log(self) -> str | None:
        """The log that was read last."""
        case = self.doctor.dialogue.case if self.doctor.dialogue else None
        logs = [read.name for read in case.inputs if read.kind == "log"] if case else []
        return logs[0] if logs else None  # what is added to a case comes before what it had

    def open_log(self, name: str, line: int) -> None:
        """The viewer, at a line of a file or of a paste; a remark where there is nothing to open."""
        from oomdoc.ingest.errors import InputError
        from oomdoc.tui.lines import lines_of, open_lines
        from oomdoc.tui.screen.log_view import LogScreen

        try:
            if (number := _paste_of(name)) is not None:
                text = self.doctor.talk.pasted(number)
                if text is None:
                    self.remark("session.no_paste", "warn")
                    return
                lines = lines_of(text)
            else:
                lines = open_lines(Path(name).expanduser())
        except InputError as error:
            self.remark("tui.unreadable", "warn", path=name, reason=str(error).partition(": ")[2] or error)
        except OSError as error:
            self.remark("tui.unreadable", "warn", path=name, reason=(error.strerror or str(error)).lower())
        else:
            self.push_screen(LogScreen(name, lines, line, self.language, ascii_only=self.ascii_only))

    def read_more(self, paths: tuple[str, ...], *, at_once: bool = False, since: int = 0) -> None:
        """Read files into the case; of one that was followed only what came from byte `since` on."""
        told = say(self.language, "tui.reading", names=", ".join(paths))
        self.turns.submit(told, lambda progress: self.doctor.take(paths, progress, since), at_once=at_once)

    def correct(self, name: str, value: str) -> None:
        """A fact, edited."""
        from oomdoc.tui.values import NotReadable, value_of

        try:
            read = value_of(name, value)
        except NotReadable as error:
            self.remark(f"tui.{error.key}", "warn", name=name, value=value)
            return
        self.turns.submit(say(self.language, "tui.thinking"), lambda _: self.doctor.set_fact(name, read))

    def find(self, needle: str) -> None:
        """Find a text in the blocks; without one, the last again, and without a last, ask for it."""
        self._needle = needle or self._needle
        if not self._needle or (not needle and self.prompt.has_focus and not self.chat.chosen):
            self._needle = ""
            self.fill_prompt("/find ")
        elif self.chat.find(self._needle) is None:
            self.tell("tui.not_found")

    def stop(self) -> bool:
        """Stop what runs."""
        return self.turns.stop()

    def show_help(self) -> None:
        """Help for the widget in focus and all around it, then the actions."""
        from oomdoc.tui.screen.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss()
            return
        focused = self.screen.focused
        around = focused.ancestors_with_self if focused else [self.screen, self]
        keys = [
            key for node in around if isinstance(key := getattr(type(node), "HELP", None), str) and key[:5] == "help."
        ]
        self.push_screen(HelpScreen(self.language, tuple(dict.fromkeys(keys)), ascii_only=self.ascii_only))

    def speak(self, language: Language) -> None:
        """Another language from here on; what is on the screen stays as it was said."""
        self.language = self.doctor.language = language
        if self.doctor.dialogue is not None:
            self.doctor.dialogue.language = language
        self.chat.language = language
        self.prompt.speak(language)
        screen = self.screen_stack[0]
        for panel in (screen.query_one(CasePanel), screen.query_one(GpuPanel), screen.query_one(KeyLine)):
            panel.speak(language)
        self.tell("tui.language")

    def leave(self) -> None:
        """Stop what runs and go."""
        self.turns.stop()
        self.exit(0)


def can_open(name: str | None) -> bool:
    """Whether a name in a case stands for something the viewer can show."""
    return bool(name) and (_paste_of(name or "") is not None or Path(name or "").expanduser().is_file())


def _paste_of(name: str) -> int | None:
    """The number of a paste by the name it has in a case: "<paste 2>" -> 2."""
    number = name.removeprefix("<paste ").removesuffix(">")
    return int(number) if name.startswith("<paste ") and number.isdigit() else None
