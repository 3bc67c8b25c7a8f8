"""Line mode: the same dialogue for screen readers, dumb terminals, logs and scripts. A line is an utterance; lines that
come at once, or between ``` and ```, are one paste."""

import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO

from oomdoc.chat.carry import carry_out
from oomdoc.chat.reply import Effect, Outcome, Reply
from oomdoc.chat.session import Dialogue
from oomdoc.report.blocks_chat import Block
from oomdoc.report.blocks_chat_text import ChatText
from oomdoc.report.out import write

_FENCE = "```"
_TOGETHER = 0.05  # seconds: nobody types two lines within them


class LineMode:
    """Reads utterances, writes replies, carries out requests one after the other. `ask` is the prompt on a terminal."""

    def __init__(self, dialogue: Dialogue, drawer: ChatText, source: TextIO | None = None) -> None:
        self._dialogue = dialogue
        self._drawer = drawer
        self._source = source or sys.stdin
        self._asks = self._source.isatty() and sys.stdout.isatty()
        self._over = False

    def run(self) -> int:
        """Until the end of input or "quit"; returns 0 where a cause is named, else 1."""
        self._show(self._dialogue.open())
        if self._dialogue.journal is not None and self._dialogue.journal.note:
            write(f"note: {self._dialogue.journal.note}\n")
        for utterance in self._utterances():
            self._turn(self._dialogue.say(utterance))
            if self._over:
                break
        diagnosis = self._dialogue.diagnosis
        return 0 if diagnosis.findings or diagnosis.verdict.outcome == "not_oom" else 1

    def _turn(self, reply: Reply) -> None:
        self._show(reply.blocks)
        for effect in reply.effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        if effect.kind == "quit":
            self._over = True
        elif effect.kind == "read":
            self._read(effect)
        elif effect.kind != "watch":  # following a log is the app's; here the new log is given by name
            self._turn(self._dialogue.done(effect, carry_out(self._dialogue, effect)))

    def _read(self, effect: Effect) -> None:
        from oomdoc.chat.folder import is_setting
        from oomdoc.ingest.errors import InputError
        from oomdoc.ingest.read import read_inputs

        logs = [os.path.expanduser(path) for path in effect.paths if not is_setting(path)]  # noqa: PTH111
        configs = [os.path.expanduser(path) for path in effect.paths if is_setting(path)]  # noqa: PTH111
        try:
            case = read_inputs(logs, configs=configs)
        except InputError as error:
            self._turn(self._dialogue.done(effect, Outcome(False, str(error))))
        else:
            self._turn(self._dialogue.take(case, ", ".join(effect.paths)))

    def _show(self, blocks: tuple[Block, ...]) -> None:
        write(self._drawer.render(blocks) + "\n")

    def _utterances(self) -> Iterator[str]:
        while True:
            if self._asks:
                write("> ")
            line = self._source.readline()
            if not line:
                return
            if line.strip() == _FENCE:
                yield "".join(iter(self._fenced, ""))
                continue
            more = self._at_once() if self._asks else ""
            if (line + more).strip():
                yield (line + more).rstrip("\n")

    def _fenced(self) -> str:
        line = self._source.readline()
        return "" if line.strip() == _FENCE else line

    def _at_once(self) -> str:
        """Lines that a paste has put behind the first."""
        found = []
        while select.select([self._source], [], [], _TOGETHER)[0]:
            line = self._source.readline()
            if not line:
                break
            found.append(line)
        return "".join(found)
