"""The whole judgement of one case; the CLI, the reports and the chat are readers of this one value."""

from collections.abc import Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from oomdoc.engine import findings as ranking
from oomdoc.engine.conditions import Condition
from oomdoc.engine.question import Question, questions
from oomdoc.engine.rule import Rule, Sign, rules
from oomdoc.engine.testimony import Testified, testify
from oomdoc.engine.verdict import Verdict, facts_of, judge
from oomdoc.facts.case import Case
from oomdoc.facts.derive import derive
from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.cards import card_facts
from oomdoc.memory.model_facts import model_facts

if TYPE_CHECKING:
    from oomdoc.engine.aftermath import Aftermath, Told
    from oomdoc.engine.attempt import Attempt


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything the engine concluded, and the case with all derived facts that it concluded it from."""

    case: Case
    verdict: Verdict
    findings: tuple[ranking.Finding, ...]
    judgements: tuple[ranking.Judgement, ...]
    questions: tuple[Question, ...]
    testified: Testified = field(default_factory=Testified)
    aftermath: "Aftermath | None" = None

    @property
    def spent(self) -> frozenset[str]:
        """The remedies that were tried before this run and did not suffice."""
        return self.aftermath.spent if self.aftermath is not None else frozenset()

    @property
    def names_cause(self) -> bool:
        """Whether a cause is named: one leads that is not "the input does not say why", or it is another failure."""
        if self.verdict.outcome == "not_oom" and not self.verdict.finished:
            return True
        return bool(self.findings) and self.findings[0].rule.cause != ranking.NO_INFORMATION


def diagnose_case(case: Case, base: tuple[Rule, ...] | None = None, *, attempts: "Sequence[Attempt]" = ()) -> Diagnosis:
    """Judge a case by the rule base (or the rules given), and by what was tried before this run."""
    verdict = judge(case)
    case = case.with_facts(facts_of(verdict, case))
    case = case.with_facts(card_facts(case))
    case = derive(case.with_facts(model_facts(case)))
    if verdict.phase == "unknown" and isinstance(phase := case.value("run.phase"), str):
        verdict = replace(verdict, phase=phase)
    aftermath, tried = _tried(case, verdict, attempts, base) if attempts else (None, None)
    if verdict.outcome == "unclear":
        return Diagnosis(case, verdict, (), (), (), aftermath=aftermath)
    if verdict.finished:
        found = _confirmed(aftermath, base)
        summed = tuple(ranking.Judgement(one.rule, True, one.score, one.held, one.against, ()) for one in found)
        return Diagnosis(case, verdict, found, summed, (), aftermath=aftermath)
    values = ranking.values_of(case)
    testified = testify(case)
    judgements = tuple(
        ranking.judge(rule, values, (*_said(testified, rule.cause), *(tried.of(rule) if tried else ())))
        for rule in (rules() if base is None else base)
    )
    found = ranking.rank(judgements)
    asked = questions(judgements, values) if not found or found[0].standing != "confirmed" else ()
    return Diagnosis(case, verdict, found, judgements, asked, testified, aftermath)


def _tried(
    case: Case, verdict: Verdict, attempts: "Sequence[Attempt]", base: tuple[Rule, ...] | None
) -> "tuple[Aftermath, Told]":
    from oomdoc.engine.aftermath import follow, told  # few runs have a history

    aftermath = follow(case, verdict, attempts)
    return aftermath, told(aftermath, rules() if base is None else base, verdict)


def _confirmed(aftermath: "Aftermath | None", base: tuple[Rule, ...] | None) -> tuple[ranking.Finding, ...]:
    if aftermath is None:
        return ()
    from oomdoc.engine.aftermath import confirmed

    return confirmed(aftermath, rules() if base is None else base)


def _said(testified: Testified, cause: str) -> tuple[Sign, ...]:
    """The memory model's word for a cause as a sign like any other."""
    one = testified.of(cause)
    if one is None:
        return ()
    text = {"en": one.sentence_en, "zh": one.sentence_zh}
    return (Sign(Condition(lambda _: True, ()), one.weight, text, facts=("oom.tried_to_allocate_bytes",)),)
