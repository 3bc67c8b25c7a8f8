"""The dialogue over a case that grows: utterance in, typed blocks and requests out. It draws and runs nothing."""

from collections.abc import Mapping
from pathlib import Path

from oomdoc.chat import greeting, paste
from oomdoc.chat.folder import Found, look_around
from oomdoc.chat.handlers import HANDLERS, taken
from oomdoc.chat.journal import Journal
from oomdoc.chat.outcomes import ended
from oomdoc.chat.plans import Plan
from oomdoc.chat.reply import Effect, Outcome, Reply, Turn
from oomdoc.chat.state import State
from oomdoc.chat.understand import Understood, understand
from oomdoc.chat.voice import saying
from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.question import Question
from oomdoc.facts.case import Case
from oomdoc.facts.model import Value
from oomdoc.messages import Language
from oomdoc.report.blocks_chat import Block

_ROW = 120  # characters of an utterance in the history


class Dialogue:
    """One conversation. Every method returns at once but `open` without a case, which reads the folder's inputs:
    pass `case` (read elsewhere, with progress) where that may take long. `found` is filled without reading.

    With a journal that was resumed, `open` first takes its turns again, so that facts, wishes and plans are back.
    """

    def __init__(
        self,
        case: Case | None = None,
        *,
        language: Language = "en",
        journal: Journal | None = None,
        folder: Path | None = None,
    ) -> None:
        self.language: Language = language
        self.journal = journal
        self.folder = folder
        self.found: Found = look_around(folder) if folder is not None else Found()
        self._state = State(language, case or Case(), folder, self.found)
        self._given = case is not None
        self._journalling = True

    def open(self) -> tuple[Block, ...]:
        """The greeting: what was found and taken, the verdict, the leading cause, the first question."""
        if not self._given and self.found:
            self._state.replace(self._read_found())
            self._given = True
        turns = self._again()
        if turns:
            count = saying(self.language, "resumed", count=turns)
            return (count, *greeting.opening(self._state))
        self._write("open", "", {"inputs": [read.name for read in self._state.raw.inputs]})
        return greeting.opening(self._state)

    def say(self, utterance: str) -> Reply:
        """One turn; pure apart from the journal, which holds the utterance before this returns."""
        state = self._state
        pending = state.pending.term if state.pending else None
        understood = understand(utterance, pending=pending, known=state.values, topic=state.topic)
        return self._reply(understood, utterance, HANDLERS[understood.intent](state, understood, utterance))

    def _reply(self, understood: Understood, utterance: str, turn: Turn) -> Reply:
        blocks, effects = turn
        facts = dict(understood.facts)
        if understood.intent == "paste" and not understood.paths:
            facts = self._pasted_facts()
        self._write(
            "say", utterance, {"intent": understood.intent, "facts": _plain(facts), "reply": self._told(blocks)}
        )
        line = " ".join(utterance.split())
        self._state.rows.append((line if len(line) <= _ROW else line[: _ROW - 1] + "…", understood.intent))
        del self._state.rows[:-200]  # the journal has them all; memory stays flat over thousands of turns
        return Reply(understood.intent, facts, list(understood.drops), list(understood.terms), blocks, effects)

    def take(self, case: Case, name: str = "") -> Reply:
        """Add what the caller has read (the `read` effect, a dropped file, a watched log) to the case."""
        blocks = taken(self._state, case, name or ", ".join(read.name for read in case.inputs))
        facts = paste.stated(case)
        self._write("take", name, {"facts": _plain(facts)})
        return Reply("paste", facts, blocks=blocks)

    def set_fact(self, name: str, value: Value) -> Reply:
        """A fact edited in the case panel; value None: known to be unset."""
        understood = Understood("correct", facts={name: value})
        turn = HANDLERS["correct"](self._state, understood, name)
        self._write("fact", name, {"value": _plain({name: value})[name]})
        self._state.rows.append((f"{name} = {value}", "correct"))
        return Reply("correct", {name: value}, blocks=turn[0], effects=turn[1])

    def done(self, effect: Effect, outcome: Outcome) -> Reply:
        """Tell how a requested effect ended."""
        blocks, effects = ended(self._state, effect, outcome)
        detail = {"kind": effect.kind, "ok": outcome.ok, "plan": effect.plan, "reply": self._told(blocks)}
        self._write("done", outcome.sentence, detail)
        return Reply("next", blocks=blocks, effects=effects)

    @property
    def case(self) -> Case:
        """Everything known, derived facts included."""
        return self._state.diagnosis.case

    @property
    def diagnosis(self) -> Diagnosis:
        """The judgement of the case as it is now."""
        return self._state.diagnosis

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The plans shown last, in their numbering."""
        return self._state.plans

    @property
    def question(self) -> Question | None:
        """The question that waits for an answer."""
        return self._state.pending

    @property
    def files(self) -> tuple[Path, ...]:
        """The person's files in which a plan would be written."""
        from oomdoc.chat.plans import files_of

        return files_of(self._state.raw, self.folder, self.found.scripts)

    @property
    def turns(self) -> tuple[tuple[str, str], ...]:
        """What was said and the intent it had, oldest first."""
        return tuple(self._state.rows)

    def _read_found(self) -> Case:
        from oomdoc.ingest.errors import InputError
        from oomdoc.ingest.read import read_inputs

        logs = [str(path) for path in self.found.logs]
        configs = [str(path) for path in (*self.found.configs, *self.found.scripts)]
        try:
            return read_inputs(logs, configs=configs)
        except InputError:
            return Case()

    def _again(self) -> int:
        """Take the journal's turns again, silently; returns how many there were."""
        if self.journal is None or not self.journal.resumed:
            return 0
        turns = [turn for turn in self.journal.turns() if turn.kind != "open"]
        self._journalling = False
        try:
            self._state.next_question()
            for turn in turns:
                if turn.kind == "say":
                    self.say(turn.said)
                elif turn.kind == "fact":
                    self.set_fact(turn.said, turn.detail.get("value"))
                elif turn.kind == "done" and turn.detail.get("ok"):
                    plan = turn.detail.get("plan")
                    self.done(Effect(turn.detail["kind"], plan=plan), Outcome(True, turn.said))
        finally:
            self._journalling = True
        return len(turns)

    def _pasted_facts(self) -> dict[str, Value]:
        name = f"<paste {self._state.pastes}>"
        return paste.stated(self._state.raw.model_copy(update={"facts": tuple(
            fact for fact in self._state.raw.facts if fact.source.file == name
        )}))  # fmt: skip

    def _told(self, blocks: tuple[Block, ...]) -> str:
        """A reply as the plain text that an export shows; only what is journalled is drawn."""
        if self.journal is None or not self._journalling:
            return ""
        from oomdoc.report.blocks_chat_text import ChatText

        return ChatText(self.language, ascii_only=False).render(blocks)

    def _write(self, kind: str, said: str, detail: Mapping[str, object]) -> None:
        if self.journal is not None and self._journalling:
            self.journal.write(kind, said, detail)


def _plain(facts: dict[str, Value]) -> dict[str, object]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}
