"""The state of one conversation: the case as read and told, the wishes, the plans, what was asked. It draws nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oomdoc.chat.folder import Found
from oomdoc.chat.measure import Measure, measure_of
from oomdoc.chat.plans import Plan
from oomdoc.engine.diagnosis import Diagnosis, diagnose_case
from oomdoc.engine.findings import values_of
from oomdoc.engine.question import Question, questions
from oomdoc.facts.case import Case
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.model import Value
from oomdoc.history.known import known_attempts
from oomdoc.messages import Language
from oomdoc.remedies.advise import solved_facts

_ENOUGH = 0.93  # probability of the leading cause from which no question is worth the person's time
_ASKED = 12
_WORTH_ASKING = 0.02  # bits below which an answer moves no plan
_NEEDED = ("model.name", "hardware.gpu_name")  # without these nothing can be predicted


@dataclass
class State:
    """`topic` is the setting spoken of last, `shown` the plan whose diff was shown, `before` what undo goes back to;
    `by_hand` is the plan shown where none of it can be written, `partly` the written one of which a part is left to the
    person, `entry` names the written change that undo takes back,
    `prints` are the files as they were when they were read."""

    language: Language
    raw: Case = field(default_factory=Case)
    folder: Path | None = None
    found: Found = field(default_factory=Found)
    plans: tuple[Plan, ...] = ()
    skipped: set[str] = field(default_factory=set)
    pinned: dict[str, Value] = field(default_factory=dict)
    ruled_out: list[str] = field(default_factory=list)
    most_gpus: int | None = None
    topic: str | None = None
    shown: int | None = None
    applied: int | None = None
    by_hand: int | None = None
    partly: int | None = None
    entry: str | None = None
    prints: dict[str, str] = field(default_factory=dict)
    pastes: int = 0
    rows: list[tuple[str, str]] = field(default_factory=list)
    before: list[tuple[Case, str]] = field(default_factory=list)
    pending: Question | None = None
    _diagnosis: Diagnosis | None = None
    _measure: Measure | None = None

    @property
    def diagnosis(self) -> Diagnosis:
        """The judgement of the case as it is now."""
        if self._diagnosis is None:
            self._diagnosis = diagnose_case(self.raw, attempts=known_attempts(self.raw, asked=self.entry is not None))
        return self._diagnosis

    @property
    def values(self) -> dict[str, Value]:
        """The most trusted values, derived ones included."""
        return values_of(self.diagnosis.case)

    @property
    def run(self) -> dict[str, Value]:
        """The values that predictions start from: also what the size of the failed allocation gives away."""
        values = self.values
        return {**values, **solved_facts(self.diagnosis, values)}

    @property
    def measure(self) -> Measure:
        """Weighs changes of this run; made once for each state of the case."""
        if self._measure is None:
            self._measure = measure_of(self.diagnosis, self.run)
        return self._measure

    @property
    def keep(self) -> list[str]:
        """Facts that plans must leave alone."""
        return [*self.pinned, *self.ruled_out]

    def rethink(self) -> None:
        """Judge anew: something is known that is not in the case."""
        self._diagnosis = self._measure = None

    def replace(self, case: Case) -> None:
        """Another case, nothing concluded yet."""
        self.raw = case
        self._diagnosis = self._measure = None
        self.plans = ()
        self.shown = None

    def answer(self, facts: Mapping[str, Value], said: str) -> None:
        """Facts by the person's word; an earlier word on the same fact no longer counts."""
        self.before.append((self.raw, ", ".join(facts)))
        del self.before[:-20]
        kept = tuple(fact for fact in self.raw.facts if not (fact.name in facts and fact.source.how is How.ANSWERED))
        implied = _implied(facts)
        kept = tuple(fact for fact in kept if fact.name not in implied)
        source = Source(how=How.ANSWERED, quote=said[:200])
        told = tuple(Fact(name=name, value=value, source=source) for name, value in facts.items())
        self.replace(
            Case.model_construct(
                facts=(*told, *kept), events=self.raw.events, series=self.raw.series, inputs=self.raw.inputs
            )
        )

    def _reread(self) -> None:
        """The settings as their files have them now: a log of a new run does not belong to what was read before."""
        from oomdoc.ingest.errors import InputError
        from oomdoc.ingest.read import read_inputs

        names = [read.name for read in self.raw.inputs if read.kind == "config" and Path(read.name).is_file()]
        if not names:
            return
        try:
            fresh = read_inputs([], configs=names)
        except InputError:
            return
        kept = tuple(fact for fact in self.raw.facts if fact.source.file not in names)
        self.replace(
            Case.model_construct(
                facts=(*fresh.facts, *kept), events=self.raw.events, series=self.raw.series, inputs=self.raw.inputs
            )
        )

    def forget(self, names: Sequence[str]) -> None:
        """Facts by the person's word that shall no longer count; what was read stays."""
        self.before.append((self.raw, ", ".join(names)))
        del self.before[:-20]
        kept = [fact for fact in self.raw.facts if fact.name not in names or fact.source.how is not How.ANSWERED]
        self.replace(
            Case.model_construct(
                facts=tuple(kept), events=self.raw.events, series=self.raw.series, inputs=self.raw.inputs
            )
        )

    def add(self, case: Case) -> None:
        """What was read on top of the case: of equally trusted facts the newer wins."""
        if self.entry is not None and (case.events or _finished(case)):  # of a run after the change that was written
            self._reread()
        self.replace(
            Case.model_construct(
                facts=(*case.facts, *self.raw.facts),
                events=case.events or (() if _finished(case) else self.raw.events),
                series=case.series or self.raw.series,
                inputs=(*case.inputs, *self.raw.inputs),
            )
        )

    def next_question(self) -> Question | None:
        """The most informative question that was not asked yet; None where no answer would change the advice."""
        diagnosis = self.diagnosis
        self.pending = None
        if diagnosis.verdict.outcome != "oom":
            return None
        lead = diagnosis.findings[0] if diagnosis.findings else None
        if lead is not None and lead.probability >= _ENOUGH:
            return None
        for question in questions(diagnosis.judgements, self.values, _ASKED):
            if question.gain < _WORTH_ASKING:
                break
            if question.term.name not in self.skipped and question.term.name not in self.values:
                self.pending = question
                return question
        return None


def _finished(case: Case) -> bool:
    """Whether what was read tells of a run that reached its end: the failure before it is over."""
    return any(fact.name == "run.finished" and fact.value is True for fact in case.facts)


def _implied(facts: Mapping[str, Value]) -> frozenset[str]:
    """Facts that no longer hold when another card is told."""
    gone = {"hardware.gpu_total_bytes"} if "hardware.gpu_name" in facts else set()
    return frozenset(gone - set(facts))
