"""What the actions of the registry do; one method an action, named after it."""

from pathlib import Path
from typing import TYPE_CHECKING

from oomdoc.messages import Language
from oomdoc.report.blocks import Place
from oomdoc.tui import themes
from oomdoc.tui.actions import action
from oomdoc.tui.room import can_open

if TYPE_CHECKING:
    from oomdoc.tui.app import DoctorApp


class Performer:
    """Acts on the app. `argument` is what followed a slash command, empty from a key."""

    def __init__(self, app: "DoctorApp") -> None:
        self._app = app

    def perform(self, name: str, argument: str = "") -> None:
        """Do an action: say its utterance, or call its method."""
        one = action(name)
        if one.utterance is not None:
            self._app.say_to_doctor(f"{one.utterance} {argument}".strip(), shown=f"/{one.slash} {argument}".strip())
            return
        getattr(self, name.replace(".", "_"))(argument)

    def case_facts(self, _: str) -> None:
        """The facts, in their panel or in place of the chat."""
        self._app.show_side("case")

    def case_gpu(self, _: str) -> None:
        """The cards."""
        self._app.show_side("gpu")

    def case_log(self, argument: str) -> None:
        """The log at a line: given, quoted by the block in focus, or of the newest verdict."""
        place = self._app.place_wanted()
        if argument.isdigit():
            place = Place(place.file if place else self._app.newest_log(), int(argument))
        elif argument:
            place = Place(argument, 1)
        if place is None and (newest := self._app.newest_log()):
            place = Place(newest, 1)
        if place is None or not place.file or not can_open(place.file):
            self._app.remark("tui.no_log", "warn")
            return
        self._app.open_log(place.file, place.line or 1)

    def case_read(self, argument: str) -> None:
        """Read one more file."""
        if not argument:
            self._app.fill_prompt("/read ")
        else:
            self._app.read_more((argument,))

    def case_watch(self, argument: str) -> None:
        """Follow a log from now on."""
        path = argument or self._app.newest_log()
        if not path or not Path(path).is_file():
            self._app.remark("tui.no_log", "warn")
        else:
            self._app.follow_log(path)

    def case_correct(self, argument: str) -> None:
        """Correct a fact: `/correct train.max_length 2048`; without one, choose it in the panel."""
        name, _, value = argument.replace("=", " ").partition(" ")
        if not value.strip():
            self._app.show_side("case")
        else:
            self._app.correct(name, value.strip())

    def chat_previous(self, _: str) -> None:
        """To the block above."""
        self._app.chat.step(-1)

    def chat_following(self, _: str) -> None:
        """To the block below."""
        self._app.chat.step(1)

    def chat_prompt(self, _: str) -> None:
        """Back to the prompt; there, forget what was pasted."""
        self._app.back_to_prompt()

    def chat_page_up(self, _: str) -> None:
        """A screenful up."""
        self._app.chat.scroll_page_up(animate=False)

    def chat_page_down(self, _: str) -> None:
        """A screenful down."""
        self._app.chat.scroll_page_down(animate=False)

    def chat_copy(self, _: str) -> None:
        """The selection, else the block in focus, else the newest answer."""
        selected = self._app.screen.get_selected_text()
        view = self._app.chat.chosen or next(iter(reversed(self._app.chat.views)), None)
        text = selected or (view.copy_text() if view else "")
        if text:
            self._app.copy_to_clipboard(text)
            self._app.tell("tui.copied", lines=text.count("\n") + (not text.endswith("\n")))

    def chat_expand(self, _: str) -> None:
        """More of the block in focus, else of the newest that has more."""
        chat = self._app.chat
        view = chat.chosen or next((one for one in reversed(chat.views) if one.expandable), None)
        if view:
            view.toggle()

    def chat_find(self, argument: str) -> None:
        """Find a text in the blocks; the key again finds the next."""
        self._app.find(argument)

    def chat_stop(self, _: str) -> None:
        """Stop what runs; where nothing does, copy a selection or say how to leave."""
        if self._app.stop():
            return
        if self._app.screen.get_selected_text():
            self.chat_copy("")
        else:
            self._app.tell("tui.how_to_quit")

    def chat_clear(self, _: str) -> None:
        """Take the blocks off the screen; the case stays."""
        self._app.run_worker(self._app.chat.clear(), exclusive=False)

    def view_palette(self, _: str) -> None:
        """All actions."""
        self._app.action_command_palette()

    def view_theme(self, argument: str) -> None:
        """A theme by name, or the next one."""
        self._app.theme = argument if argument in themes.NAMES else themes.following(self._app.theme)
        self._app.tell("tui.theme", name=self._app.theme)

    def view_language(self, argument: str) -> None:
        """The other language, or the one given."""
        other: Language = "en" if self._app.language == "zh" else "zh"
        given: dict[str, Language] = {"zh": "zh", "en": "en"}
        self._app.speak(given.get(argument[:2].lower(), other))

    def view_help(self, _: str) -> None:
        """F1."""
        self._app.show_help()

    def view_quit(self, _: str) -> None:
        """Leave."""
        self._app.leave()
