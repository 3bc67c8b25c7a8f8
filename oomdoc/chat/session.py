"""The dialogue over a case that grows: utterance in, typed blocks and requests out. It draws and runs nothing."""

from collections.abc import Mapping
from pathlib import Path

from oomdoc.chat import greeting, paste
from oomdoc.chat.folder import Found, look_around
from oomdoc.chat.handlers import HANDLERS, taken
from oomdoc.chat.journal import Journal
from oomdoc.chat.keep import kept
from oomdoc.chat.outcomes import ended
from oomdoc.chat.plans import Plan
from oomdoc.chat.remember import INTERRUPTIBLE, Cases, Doing, prints_of, snapshot
from oomdoc.chat.reply import Effect, Outcome, Reply, Turn
from oomdoc.chat.state import State
from oomdoc.chat.understand import Understood, understand
from oomdoc.chat.voice import saying
from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.question import Question
from oomdoc.facts.case import Case
from oomdoc.facts.model import Value
from oomdoc.messages import Language, say
from oomdoc.report.blocks_chat import Block, SayBlock

_ROW = 120  # characters of an utterance in the history
_PASTES = 4  # texts kept for the log viewer where there is no journal


class Dialogue:
    """One conversation. Every method returns at once but `open` without a case, which reads the folder's inputs:
    pass `case` (read elsewhere, with progress) where that may take long. `found` is filled without reading.

    With a journal that was resumed, `open` brings facts, wishes and plans back and returns the turns to show again.
    """

    def __init__(
        self,
        case: Case | None = None,
        *,
        language: Language = "en",
        journal: Journal | None = None,
        folder: Path | None = None,
    ) -> None:
        self.journal = journal
        self.folder = folder
        self.found: Found = look_around(folder) if folder is not None else Found()
        self._state = State(language, case or Case(), folder, self.found)
        self._given = case is not None
        self._cases = Cases()
        self._doing: Doing | None = None
        self._pastes: dict[int, str] = {}

    @property
    def language(self) -> Language:
        """The language of the answers."""
        return self._state.language

    @language.setter
    def language(self, language: Language) -> None:
        self._state.language = language

    def open(self) -> tuple[Block, ...]:
        """The greeting: what was found and taken, the verdict, the leading cause, the first question; or the
        conversation so far, where one is taken up again."""
        if self.journal is not None and self.journal.resumed:
            from oomdoc.chat.resume import take_up

            shown = take_up(self, self._state, self._cases, self.journal)
            if shown is not None:
                self._given = True
                return shown
        if not self._given and self.found:
            self._state.replace(self._read_found())
            self._given = True
        blocks = greeting.opening(self._state)
        inputs = [read.name for read in self._state.raw.inputs]
        self._write("open", "", {"inputs": inputs, "blocks": kept(blocks)})
        return blocks

    def say(self, utterance: str) -> Reply:
        """One turn; pure apart from the journal, which holds the utterance before this returns."""
        utterance = utterance.encode("utf-8", "replace").decode()  # halves of surrogate pairs: no file can hold them
        state = self._state
        pending = state.pending.term if state.pending else None
        understood = understand(utterance, pending=pending, known=state.values, topic=state.topic)
        turn = HANDLERS[understood.intent](state, understood, utterance)
        if understood.argument == "/save" and not (self.journal is not None and self.journal.is_on_disk):
            turn = (SayBlock((say(self.language, "session.not_saved"),), "sorry"),), ()
        return self._reply(understood, utterance, turn)

    def _reply(self, understood: Understood, utterance: str, turn: Turn) -> Reply:
        blocks, effects = turn
        if understood.guess:
            blocks = (saying(self.language, "read_as", phrase=understood.guess), *blocks)
        facts = dict(understood.facts)
        detail: dict[str, object] = {}
        if understood.intent == "paste" and not understood.paths:
            facts = self._pasted_facts()
            detail["paste"] = self._state.pastes
            if self.journal is None:
                self._pastes[self._state.pastes] = utterance
                self._pastes.pop(self._state.pastes - _PASTES, None)
        line = " ".join(utterance[: _ROW * 20].split())
        self._state.rows.append((line if len(line) <= _ROW else line[: _ROW - 1] + "…", understood.intent))
        del self._state.rows[:-200]  # the journal has them all; memory stays flat over thousands of turns
        self._doing = next((Doing.of(effect) for effect in effects if effect.kind in INTERRUPTIBLE), None)
        detail |= {"intent": understood.intent, "facts": _plain(facts), "blocks": kept(blocks)}
        self._write("say", utterance, detail)
        return Reply(understood.intent, facts, list(understood.drops), list(understood.terms), blocks, effects)

    def take(self, case: Case, name: str = "") -> Reply:
        """Add what the caller has read (the `read` effect, a dropped file, a watched log) to the case."""
        name = name or ", ".join(read.name for read in case.inputs)
        blocks = taken(self._state, case, name)
        facts = paste.stated(case)
        self._state.prints.update(prints_of(case, self.folder))
        self._doing = None
        self._write("take", name, {"facts": _plain(facts), "blocks": kept(blocks)})
        return Reply("paste", facts, blocks=blocks)

    def set_fact(self, name: str, value: Value) -> Reply:
        """A fact edited in the case panel; value None: known to be unset."""
        understood = Understood("correct", facts={name: value})
        blocks, effects = HANDLERS["correct"](self._state, understood, name)
        self._state.rows.append((f"{name} = {value}", "correct"))
        detail = {"value": _plain({name: value})[name], "blocks": kept(blocks)}
        self._write("fact", name, detail)
        return Reply("correct", {name: value}, blocks=blocks, effects=effects)

    def done(self, effect: Effect, outcome: Outcome) -> Reply:
        """Tell how a requested effect ended."""
        state = self._state
        blocks, effects = ended(state, effect, outcome)
        if outcome.ok and effect.kind in ("apply", "undo"):
            state.entry = outcome.entry if effect.kind == "apply" else None
            state.prints.update(prints_of(state.raw, self.folder))  # what we wrote ourselves is no news
        if effect.kind == "record":
            state.rethink()
        self._doing = None
        detail = {"kind": effect.kind, "ok": outcome.ok, "plan": effect.plan, "blocks": kept(blocks)}
        self._write("done", outcome.sentence, detail)
        return Reply("next", blocks=blocks, effects=effects)

    def pasted(self, number: int) -> str | None:
        """The text of the paste of a number, as the log viewer shows it; without a journal only the newest few."""
        return self.journal.pasted(number) if self.journal is not None else self._pastes.get(number)

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
    def entry(self) -> str | None:
        """The id of the written change that `undo` takes back."""
        return self._state.entry

    @property
    def note(self) -> str:
        """What the journal of written changes calls the change that is asked for now."""
        return self._doing.note if self._doing else ""

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

    def _pasted_facts(self) -> dict[str, Value]:
        name = f"<paste {self._state.pastes}>"
        return paste.stated(self._state.raw.model_copy(update={"facts": tuple(
            fact for fact in self._state.raw.facts if fact.source.file == name
        )}))  # fmt: skip

    def _write(self, kind: str, said: str, detail: Mapping[str, object]) -> None:
        if self.journal is None:
            return
        values, fresh = snapshot(self._state, self._cases, self.folder)
        values["doing"] = self._doing.as_values() if self._doing else None
        self.journal.write(kind, said, detail, values, fresh)


def _plain(facts: dict[str, Value]) -> dict[str, object]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}
