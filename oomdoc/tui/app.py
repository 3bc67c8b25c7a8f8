"""The app: puts the widgets together and carries what workers post to them. It knows no block, no rule and no file."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.driver import Driver
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from oomdoc.ingest.gpu import GpuReading, read_gpus
from oomdoc.messages import Language, say, spoken_in
from oomdoc.report.blocks_chat import SaidBlock
from oomdoc.tui import themes
from oomdoc.tui.actions import action, bindings, slash_of
from oomdoc.tui.blocks.progress import Progress, ProgressView
from oomdoc.tui.blocks.question import QuestionView
from oomdoc.tui.blocks.said import Told
from oomdoc.tui.blocks.view import BlockView
from oomdoc.tui.doctor import Doctor
from oomdoc.tui.figures import show_fact, size
from oomdoc.tui.news import Answered, Failed, Followed, GpuRead, Progressed
from oomdoc.tui.palette import Actions
from oomdoc.tui.perform import Performer
from oomdoc.tui.room import Room, can_open
from oomdoc.tui.screen.case_panel import CasePanel
from oomdoc.tui.screen.chat import ChatColumn
from oomdoc.tui.screen.completion import CompletionList
from oomdoc.tui.screen.gpu_panel import GpuPanel
from oomdoc.tui.screen.keys import KeyLine
from oomdoc.tui.screen.prompt import Prompt
from oomdoc.tui.screen.status import StatusLine
from oomdoc.tui.turns import Turns

_HERE: Final = Path(__file__).parent
_WIDTHS: Final = [(0, "-tiny"), (40, "-narrow"), (100, "-wide"), (120, "-wider"), (170, "-very-wide")]
_HEIGHTS: Final = [(0, "-low"), (12, "-tall")]
_GPU_SECONDS: Final = 2.0
_GPU_SECONDS_WITHOUT: Final = 30.0
_PATIENCE: Final = 0.6  # seconds of work before it is shown as progress


class DoctorApp(Room):
    """`oomdoc`, the room."""

    CSS_PATH: ClassVar[Any] = [
        _HERE / name
        for name in (
            "app.tcss", "blocks/view.tcss", "screen/chat.tcss", "screen/prompt.tcss", "screen/case_panel.tcss",
            "screen/gpu_panel.tcss", "screen/log_view.tcss", "screen/help.tcss",
        )
    ]  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(),
        *(Binding(f"alt+{number}", f"choose({number})", show=False, priority=True) for number in range(10)),
    ]
    COMMANDS: ClassVar[Any] = {Actions}
    HORIZONTAL_BREAKPOINTS = _WIDTHS
    VERTICAL_BREAKPOINTS = _HEIGHTS
    TITLE = "oomdoc"
    ENABLE_COMMAND_PALETTE = True
    HELP = "help.room"

    def __init__(
        self,
        doctor: Doctor,
        *,
        watched: str | None = None,
        ended: Callable[[], bool] | None = None,
        cards: Callable[[], GpuReading] = read_gpus,
        theme: str | None = None,
        ascii_only: bool = False,
        place: str = "",
        adapts: bool = False,
    ) -> None:
        super().__init__(driver_class=_driver())
        self.doctor = doctor
        self.language: Language = doctor.language
        self.ascii_only = ascii_only
        self._adapts = adapts
        self.performer = Performer(self)
        self.turns = Turns(self)
        self._place = place or str(doctor.folder)
        self._watched = watched
        self._ended = ended
        self._told_crash = False
        self._follows = ""
        self._cards = cards
        self._progress: ProgressView | None = None
        self._share: float | None = None
        self._stage = ""
        self.set_class(ascii_only, "-ascii")
        for one in themes.THEMES:
            self.register_theme(one)
        self.theme = theme or themes.first_theme()

    def compose(self) -> ComposeResult:
        """Status, chat beside the panels, prompt, keys."""
        language, plain = self.language, self.ascii_only
        yield StatusLine(self._place, ascii_only=plain)
        with Horizontal(id="body"):
            yield ChatColumn(language, ascii_only=plain)
            with Vertical(id="side"):
                yield CasePanel(language, ascii_only=plain)
                yield GpuPanel(language, ascii_only=plain)
        yield CompletionList(language, ascii_only=plain)
        yield Static("", id="attached", markup=False)
        yield Prompt(language)
        yield KeyLine(language, ascii_only=plain)

    def on_mount(self) -> None:
        """Draw first; everything that takes time starts after the first frame."""
        self.prompt.focus()
        self.status.state = say(self.language, "tui.opening")
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.turns.submit(say(self.language, "tui.opening"), self.doctor.open)
        self._read_cards()
        self.set_interval(0.2, self._tick)
        if self._watched:
            self.follow_log(self._watched)

    # -- what workers post ------------------------------------------------------------------------------------------

    async def on_answered(self, event: Answered) -> None:
        """Blocks of a turn, the case, and what the dialogue asks to have done."""
        await self._end_progress()
        turn = event.turn
        await self.chat.add(turn.blocks, from_top=not turn.to_end)
        if turn.case is not None:
            self.query_one(CasePanel).show(turn.case)
        for effect in turn.effects:
            self._carry_out(effect)
        self._rest()

    async def on_failed(self, event: Failed) -> None:
        """One line of what went wrong; a stopped work says so."""
        await self._end_progress()
        told = event.sentence or say(self.language, "tui.stopped")
        await self.chat.add([Told(told, "bad" if event.sentence else "dim")])
        self._rest()

    def _rest(self) -> None:
        self.turns.finished()
        if not self.turns.busy:
            status = self.status
            following = say(self.language, "session.follows", path=self._follows)
            status.busy, status.state = False, following if self._follows else say(self.language, "tui.ready")

    def on_progressed(self, event: Progressed) -> None:
        """How far the work is."""
        self._share, self._stage = event.share, event.what

    async def _tick(self) -> None:
        work = self.turns.now
        if work is None:
            return
        seconds = time.monotonic() - self.turns.started
        status = self.status
        status.busy, status.state = True, work.told
        if seconds < _PATIENCE:
            return
        told = f"{work.told}: {self._stage}" if self._stage else work.told
        progress = Progress(told, self._share, int(seconds))
        if self._progress is None:
            await self.chat.add([progress])
            self._progress = cast("ProgressView", self.chat.views[-1])
        elif self._progress.block != progress:
            self._progress.show(progress)

    async def _end_progress(self) -> None:
        self._share, self._stage = None, ""
        if self._progress is not None:
            await self._progress.remove()
            self._progress = None

    def _read_cards(self) -> None:
        self.run_worker(self._ask_cards, thread=True, exclusive=True, group="gpu", exit_on_error=False)

    def _ask_cards(self) -> None:
        try:
            reading = self._cards()
        except Exception as error:
            reading = GpuReading(problem=str(error) or type(error).__name__)
        self.post_message(GpuRead(reading))

    def on_gpu_read(self, event: GpuRead) -> None:
        """The cards' next moment; without cards it is asked rarely."""
        self.query_one(GpuPanel).show(event.reading)
        self.set_timer(_GPU_SECONDS if event.reading.gpus else _GPU_SECONDS_WITHOUT, self._read_cards)

    def follow_log(self, path: str, *, is_told: bool = False) -> None:
        """Follow a log from now on, and say so unless it was said already."""
        from oomdoc.chat.follow import Follower, News, follow

        ended = self._ended
        follower = Follower(path, self.language, from_start=ended is not None)

        def post(news: News) -> None:
            self.post_message(Followed(news.kind, news.path, news.told, news.since))

        def run() -> None:
            worker = get_current_worker()
            follow(follower, post, lambda: worker.is_cancelled, ended or (lambda: False))

        self._told_crash, self._follows = False, path if ended is None else ""
        if not is_told:
            self.remark("tui.watching" if ended is None else "tui.watching_input", path=path)
        self.run_worker(run, thread=True, exclusive=True, group="follow", exit_on_error=False)

    def on_followed(self, event: Followed) -> None:
        """Growth goes to the status line; trouble is said; a crash is examined."""
        if event.kind == "end":
            if not self._told_crash:
                self.remark("tui.input_ended")
                self.read_more((event.path,))
        elif event.kind == "crash":
            self._told_crash = True
            self.remark("tui.watch_crash", "bad", path=event.path)
            self.bell()
            self.read_more((event.path,), since=event.since)
        elif event.kind == "finished":
            self._told_crash = True  # the end of a pipe brings nothing new then
            self.remark("session.watch_finished", "good", path=event.path)
        elif event.kind == "trouble":
            self.run_worker(self.chat.add([Told(event.told, "warn")]))
            self.bell()
        elif event.kind == "grown" and not self.turns.busy:
            told = say(self.language, "tui.watch_grown", path=event.path, size=size(int(event.told)))
            self.status.state = told

    # -- what the person does ----------------------------------------------------------------------------------------

    def on_prompt_said(self, event: Prompt.Said) -> None:
        """A slash command of ours is performed; everything else is said to the doctor."""
        known = slash_of(event.text)
        if known is not None:
            self.perform(known[0].name, known[1])
        else:
            self.say_to_doctor(event.text)

    def say_to_doctor(self, text: str, shown: str | None = None) -> None:
        """One utterance; shown at once, answered when its turn comes; in its language, where none was chosen."""
        if self._adapts and spoken_in(text) not in (None, self.language):
            self.speak("zh")
        self.run_worker(self.chat.add([SaidBlock.of(shown or text)]))
        self.turns.submit(say(self.language, "tui.thinking"), lambda _: self.doctor.say(text))

    def on_block_view_typed(self, event: BlockView.Typed) -> None:
        """Typing goes to the prompt, wherever the last click went."""
        self.prompt.focus()
        self.prompt.insert_text_at_cursor(event.character)

    def on_question_view_chosen(self, event: QuestionView.Chosen) -> None:
        """A choice is an answer."""
        self.prompt.focus()
        self.say_to_doctor(event.answer)

    def action_choose(self, number: int) -> None:
        """Answer the newest question, or say one of the offers, by a key."""
        if choosable := self.chat.choosable:
            choosable.choose(number)

    def action_perform(self, name: str) -> None:
        """A key of the registry."""
        if len(self.screen_stack) == 1 or action(name).area == "view" or name == "chat.stop":
            self.perform(name)

    def perform(self, name: str, argument: str = "") -> None:
        """Do an action of the registry."""
        self.performer.perform(name, argument)

    def on_key_line_pressed(self, event: KeyLine.Pressed) -> None:
        """A click on the key line."""
        self.perform(event.name)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Completions follow what is typed."""
        if event.input is self.prompt:
            self.prompt.offer(event.value if self.query_one(CompletionList).offer(event.value) else None)

    def on_prompt_completed(self, event: Prompt.Completed) -> None:
        """Keys of the completion list."""
        entries = self.query_one(CompletionList)
        if event.key in {"up", "down"}:
            entries.move(-1 if event.key == "up" else 1)
            return
        chosen = entries.chosen_for(event.typed or self.prompt.value)
        entries.offer("")
        self.prompt.offer(None)
        if event.key == "escape" or chosen is None:
            return
        if event.key == "enter" and not chosen.argument:
            self.perform(chosen.name)
        else:
            self.fill_prompt(f"/{chosen.slash} ")

    def on_prompt_attached(self, event: Prompt.Attached) -> None:
        """What waits to be said is shown above the prompt."""
        mark = self.query_one("#attached", Static)
        mark.update(Content(event.told))
        mark.display = bool(event.told)

    def on_case_panel_correct(self, event: CasePanel.Correct) -> None:
        """The prompt is filled with the correction; its value is typed over."""
        self.fill_prompt(f"/correct {event.fact.name} {show_fact(event.fact)}")

    def on_case_panel_jump(self, event: CasePanel.Jump) -> None:
        """The line a fact was read from."""
        source = event.fact.source
        if source.file and source.line and can_open(source.file):
            self.open_log(source.file, source.line)
        else:
            self.tell("tui.no_line")

    def _carry_out(self, effect: Any) -> None:
        """What the dialogue asked for."""
        from oomdoc.tui.effects import carry_out

        carry_out(self, effect)


def _driver() -> type[Driver] | None:
    """Our way of reading a terminal, where there is one; None leaves the choice to Textual."""
    if sys.platform == "win32" or os.environ.get("TEXTUAL_DRIVER"):
        return None
    from oomdoc.tui.driver import PasteDriver

    return PasteDriver
