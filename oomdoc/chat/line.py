"""Line mode: the same dialogue for screen readers, dumb terminals, logs and scripts. A line is an utterance; lines that
come at once, or between ``` and ```, are one paste."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from oomdoc.chat.carry import carry_out
from oomdoc.chat.follow import Follower, News
from oomdoc.chat.new_part import read_since
from oomdoc.chat.reply import Effect, Outcome, Reply
from oomdoc.chat.session import Dialogue
from oomdoc.chat.start import split_paths
from oomdoc.chat.stdin import Lines
from oomdoc.messages import say, spoken_in
from oomdoc.report.blocks_chat import Block, SayBlock, Tone
from oomdoc.report.blocks_chat_text import ChatText
from oomdoc.report.out import write

_FENCE = "```"
_TOGETHER = 0.05  # seconds: nobody types two lines within them
_LOOK = 0.5  # seconds between two looks at a followed log
_MOST_PASTED = 64 << 20  # characters of one paste; what follows is the next


class LineMode:
    """Reads utterances, writes replies, carries out requests one after the other, and follows a log in between.

    `asks` prints a prompt; `python` is the environment of the training.
    """

    def __init__(
        self, dialogue: Dialogue, drawer: ChatText, source: TextIO | None = None, *, python: str | None = None,
        adapts: bool = False,
    ) -> None:  # fmt: skip
        self._dialogue = dialogue
        self._drawer = drawer
        self._source = source or sys.stdin
        self._python = python
        self._adapts = adapts
        self._asks = self._source.isatty() and sys.stdout.isatty()
        self._over = False
        self._lines = Lines(self._source)
        self._follower: Follower | None = None
        self._to_the_end = False

    def run(self, blocks: Sequence[Block] | None = None, watch: str | None = None) -> int:
        """Show what the conversation begins with (its greeting, unless given) and talk until the input ends or "quit".

        A log that is to be watched from the start is followed on after the end of input, until its run fails.
        Returns 0 where a cause is named, else 1.
        """
        self._show(self._dialogue.open() if blocks is None else blocks)
        if watch is not None:
            self._to_the_end = True
            self._follow(watch)
        for utterance in self._utterances():
            self._listen(utterance)
            self._turn(self._dialogue.say(utterance))
            if self._over:
                break
        diagnosis = self._dialogue.diagnosis
        return 0 if diagnosis.findings or diagnosis.verdict.outcome == "not_oom" else 1

    def _listen(self, utterance: str) -> None:
        """Answer in the language that is spoken, where none was chosen."""
        if self._adapts and (language := spoken_in(utterance)):
            self._dialogue.language = language
            self._drawer.speak(language)

    def _turn(self, reply: Reply) -> None:
        self._show(reply.blocks)
        for effect in reply.effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        if effect.kind == "quit":
            self._over = True
        elif effect.kind == "read":
            self._read(effect)
        elif effect.kind == "watch":
            self._follow(effect.paths[0])
        else:
            self._turn(self._dialogue.done(effect, self._outcome(effect)))

    def _outcome(self, effect: Effect) -> Outcome:
        stages: list[str] = []

        def stage(name: str, _: float) -> None:
            if self._asks and name not in stages:  # a person waits; a script needs no progress
                stages.append(name)
                write(f"  {name} ...\n")

        try:
            return carry_out(self._dialogue, effect, stage, self._python)
        except KeyboardInterrupt:  # the work is stopped, not the conversation
            return Outcome(None)

    def _read(self, effect: Effect, since: int = 0) -> None:
        from oomdoc.ingest.errors import InputError
        from oomdoc.ingest.read import read_inputs

        logs, configs = split_paths(effect.paths)
        try:
            case = read_since(logs[0], since) if since else read_inputs(logs, configs=configs)
        except InputError as error:
            self._turn(self._dialogue.done(effect, Outcome(False, str(error))))
        else:
            self._turn(self._dialogue.take(case, ", ".join(effect.paths)))

    def _show(self, blocks: Sequence[Block]) -> None:
        write(self._drawer.render(blocks) + "\n")

    def _remark(self, key: str, tone: Tone = "plain", **places: object) -> None:
        self._show((SayBlock((say(self._dialogue.language, key, **places),), tone),))

    # -- a log that is followed --------------------------------------------------------------------------------------

    def _follow(self, path: str) -> None:
        if not Path(path).is_file():
            self._remark("tui.no_log", "warn")
            return
        self._follower = Follower(path, self._dialogue.language)
        self._remark("tui.watching", path=path)

    def _look(self) -> None:
        if self._follower is None:
            return
        for news in self._follower.step(time.monotonic()):
            self._heard(news)

    def _heard(self, news: News) -> None:
        if news.kind == "grown":
            return
        if self._asks:
            write("\n")
        if news.kind == "trouble":
            self._show((SayBlock((news.told,), "warn"),))
        elif news.kind == "finished":
            self._remark("session.watch_finished", "good", path=news.path)
            self._follower = None
        else:
            self._remark("tui.watch_crash", "warn", path=news.path)
            self._follower = None
            self._read(Effect("read", (news.path,)), news.since)
        if self._asks:
            write("> ")

    # -- what the person says ----------------------------------------------------------------------------------------

    def _line(self) -> str:
        """The next line, looking at the followed log while there is none."""
        while True:
            line = self._lines.get(_LOOK if self._follower is not None else None)
            if line is not None:
                return line
            self._look()

    def _utterances(self) -> Iterator[str]:
        while True:
            if self._asks:
                write("> ")
            line = self._line()
            if not line:
                self._watch_on()
                return
            if line.strip() == _FENCE:
                yield "".join(iter(self._fenced, ""))
                continue
            whole = line + (self._at_once() if self._asks else "")
            if whole.strip():
                yield whole.rstrip("\n")

    def _watch_on(self) -> None:
        """Nobody speaks any more: a log that was to be watched is followed until its run fails."""
        if self._follower is not None and not self._to_the_end:
            self._remark("session.watch_ends", path=self._follower.path)
        while self._to_the_end and self._follower is not None:
            time.sleep(_LOOK)
            self._look()

    def _fenced(self) -> str:
        line = self._line()
        return "" if line.strip() == _FENCE else line

    def _at_once(self) -> str:
        """Lines that a paste has put behind the first."""
        found: list[str] = []
        size = 0
        while size < _MOST_PASTED and (line := self._lines.get(_TOGETHER)):
            found.append(line)
            size += len(line)
        return "".join(found)
