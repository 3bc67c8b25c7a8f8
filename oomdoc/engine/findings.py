"""Rules over a case: which fire, with which sum of evidence, ranked."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

from oomdoc.engine.conditions import Values
from oomdoc.engine.rule import Rule, Sign
from oomdoc.facts.case import Case
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value

Standing: TypeAlias = Literal["confirmed", "likely", "possible"]

LIKELY = 0.70
POSSIBLE = 0.04
CONFIRMED = 0.93
UNDECIDED_PENALTY = 1.2  # log-odds a rule loses while what it presupposes is unknown
GUESS = 0.25  # signs of no more than this say only what is common: "the input does not say why" goes before
_GUESSED: Final = 2
_ENOUGH: Final = 2
NO_INFORMATION = "insufficient-information"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with the sum that made it: `held` and `against` are the signs that counted, strongest first."""

    rule: Rule
    score: float
    probability: float
    standing: Standing
    held: tuple[Sign, ...]
    against: tuple[Sign, ...]
    undecided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Where one rule stands: fired (True), quiet (False) or undecided (None), with the facts that would decide."""

    rule: Rule
    fires: bool | None
    score: float
    held: tuple[Sign, ...]
    against: tuple[Sign, ...]
    undecided: tuple[str, ...]


def values_of(case: Case) -> dict[str, Value]:
    """The most trusted value of every stated fact."""
    return {fact.name: fact.value for name in case.names() if (fact := case.fact(name))}


def judge(rule: Rule, values: Values, said: Sequence[Sign] = ()) -> Judgement:
    """Evaluate one rule over the values of a case; `said` are signs from outside the rule, which hold."""
    fires = rule.when.test(values)
    if fires is False:
        return Judgement(rule, False, rule.prior, (), (), ())
    held: list[Sign] = []
    against: list[Sign] = []
    score = rule.prior
    for sign in (*rule.signs, *said) if said else rule.signs:
        if sign.condition.test(values):
            score += sign.weight
            (held if sign.weight >= 0 else against).append(sign)
    held.sort(key=lambda sign: -sign.weight)
    against.sort(key=lambda sign: sign.weight)
    undecided = rule.when.undecided_by(values) if fires is None else ()
    return Judgement(rule, fires, score, tuple(held), tuple(against), undecided)


def sigmoid(score: float) -> float:
    """Log-odds to probability."""
    return 1.0 / (1.0 + math.exp(-max(min(score, 30.0), -30.0)))


def rank(judgements: Iterable[Judgement]) -> tuple[Finding, ...]:
    """Findings from judgements, the most probable first; quiet rules and the improbable are left out."""
    best: dict[str, Finding] = {}
    for judgement in judgements:
        finding = finding_of(judgement)
        if finding is None:
            continue
        known = best.get(finding.rule.cause)
        if known is None or finding.probability > known.probability:
            best[finding.rule.cause] = finding
    ordered = sorted(best.values(), key=_order)
    grounded = sum(_place(finding) == 0 for finding in ordered)
    # What is merely common fills up where signs lead to few causes; beside them it would only distract.
    return tuple(finding for finding in ordered if _place(finding) < _GUESSED or grounded < _ENOUGH)


def _place(finding: Finding) -> int:
    if finding.rule.cause == NO_INFORMATION:
        return 1
    return _GUESSED if sum(sign.weight for sign in finding.held) <= GUESS else 0


def _order(finding: Finding) -> tuple[int, float, str]:
    """The most probable first; "the input does not say why" after every cause that has more than a guess's sign."""
    return _place(finding), -finding.probability, finding.rule.id


def finding_of(judgement: Judgement) -> Finding | None:
    """A judgement as a finding; None where the rule is quiet, has no sign of its own, or is improbable."""
    if judgement.fires is False:
        return None
    score = judgement.score - (UNDECIDED_PENALTY if judgement.fires is None else 0.0)
    if not judgement.held:  # a prior alone is no finding
        return None
    probability = sigmoid(score)
    if probability < POSSIBLE:
        return None
    decisive = any(sign.decisive for sign in judgement.held) and judgement.fires is True
    standing: Standing = "possible"
    if decisive and probability >= CONFIRMED:
        standing = "confirmed"
    elif judgement.fires is True and probability >= LIKELY:
        standing = "likely"
    return Finding(
        rule=judgement.rule,
        score=score,
        probability=round(probability, 3),
        standing=standing,
        held=judgement.held,
        against=judgement.against,
        undecided=judgement.undecided,
    )


def find(case: Case, rules: Iterable[Rule]) -> tuple[Finding, ...]:
    """Ranked findings of a case."""
    values = values_of(case)
    return rank(judge(rule, values) for rule in rules)
