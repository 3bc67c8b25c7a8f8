"""After the fix: what became of the changes that were tried, and what that says about the causes they treat.

Weights and sentences are data (`knowledge/aftermath.yaml`); a cause is treated by the remedies that its rule names.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal, TypeAlias

from oomdoc.engine.attempt import Attempt, Effect, State, effects, seen
from oomdoc.engine.conditions import Condition
from oomdoc.engine.findings import Finding, Judgement, finding_of
from oomdoc.engine.rule import Rule, Sign
from oomdoc.engine.verdict import Verdict
from oomdoc.facts import base
from oomdoc.facts.case import Case
from oomdoc.facts.lazy import dataclass
from oomdoc.messages import Language, say

Became: TypeAlias = Literal[
    "failed",
    "further",
    "elsewhere",
    "passed",
    "going",
    "other",
    "not_in_force",
    "doubtful",
    "passed_without",
    "unclear",
]
# What settles an attempt; the others leave it open for the next log.
SETTLED: tuple[Became, ...] = ("failed", "further", "elsewhere", "passed")
_FAILED = ("failed", "further")
_LANGUAGES: tuple[Language, ...] = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Followed:
    """One attempt and what became of it; `now` says that this case told it, not an earlier log or the person."""

    attempt: Attempt
    became: str
    seen: State
    effects: tuple[Effect, ...] = ()
    now: bool = True
    step: int | None = None
    doubt: tuple[str, str] | None = None  # English and Chinese: the failed allocation is that of the settings before


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Everything that was tried before this run, the oldest first."""

    followed: tuple[Followed, ...] = ()

    @property
    def spent(self) -> frozenset[str]:
        """The remedies that were tried and did not suffice."""
        return frozenset(name for one in self.followed if one.became in _FAILED for name in one.attempt.remedies)

    @property
    def latest(self) -> Followed | None:
        """The change that this run was to prove."""
        return next((one for one in reversed(self.followed) if one.now), None)


@dataclass(frozen=True, slots=True)
class Told:
    """The signs of an aftermath, by rule path."""

    signs: Mapping[str, tuple[Sign, ...]] = field(default_factory=dict)

    def of(self, rule: Rule) -> tuple[Sign, ...]:
        """What was tried against the cause of a rule."""
        return self.signs.get(rule.path, ())


def follow(case: Case, verdict: Verdict, attempts: Sequence[Attempt]) -> Aftermath:
    """What became of each attempt: by this case, or by what is known already."""
    return Aftermath(tuple(_follow(case, verdict, attempt) for attempt in attempts))


def told(aftermath: Aftermath, rules: Sequence[Rule], verdict: Verdict) -> Told:
    """The attempts that are settled as signs for the rules whose remedies they were; another memory's are another
    matter."""
    signs: dict[str, tuple[Sign, ...]] = {}
    for one in aftermath.followed:
        if one.became not in (*_FAILED, "passed") or one.attempt.memory != verdict.memory:
            continue
        if verdict.phase not in (one.attempt.phase, "unknown") and one.attempt.phase != "unknown":
            continue
        for rule in rules:
            share = _share(rule, one.attempt)
            if share:
                signs[rule.path] = (*signs.get(rule.path, ()), _sign(_key(one), one, share))
    return Told(signs)


def confirmed(aftermath: Aftermath, rules: Sequence[Rule]) -> tuple[Finding, ...]:
    """The causes of the failure that a passed run speaks for, by the odds they had and what the run adds."""
    one = aftermath.latest
    if one is None or one.became != "passed":
        return ()
    before = dict(one.attempt.causes)
    found: dict[str, Finding] = {}
    for rule in rules:
        was, share = before.get(rule.cause), _share(rule, one.attempt)
        if was is None or not share or not 0 < was < 1:
            continue
        odds = round(math.log(was / (1 - was)), 1)
        earlier = _sign("earlier", one, 1.0, odds, was=round(100 * was))
        held = [sign for sign in (_sign(_key(one), one, share), earlier) if sign.weight >= 0]
        held.sort(key=lambda sign: -sign.weight)
        against = [sign for sign in (earlier,) if sign.weight < 0]
        score = sum(sign.weight for sign in (*held, *against))
        started = replace(rule, prior=0.0)  # how often it is the cause is in the odds it had
        finding = finding_of(Judgement(started, True, score, tuple(held), tuple(against), ()))
        known = found.get(rule.cause)
        if finding and (known is None or finding.probability > known.probability):
            found[rule.cause] = finding
    return tuple(sorted(found.values(), key=lambda finding: (-finding.probability, finding.rule.id)))


def _follow(case: Case, verdict: Verdict, attempt: Attempt) -> Followed:
    if attempt.outcome is not None:
        return Followed(attempt, attempt.outcome, attempt.seen, now=False)
    found = effects(attempt, case)
    force, step = seen(found), _step(case)
    became, doubt = _became(verdict, attempt, force, step), None
    if became in _FAILED:
        from oomdoc.engine.residue import residue

        left = residue(attempt, case)
        if left is not None:
            became, doubt = "doubtful", (left.sentence_en, left.sentence_zh)
    return Followed(attempt, became, force, found, step=step, doubt=doubt)


def _became(verdict: Verdict, attempt: Attempt, force: State, step: int | None) -> Became:
    if verdict.finished:
        return "passed_without" if force == "not_in_force" else "passed"
    if verdict.outcome == "not_oom":
        return "other"
    if force == "not_in_force":
        return "not_in_force"
    before = attempt.step
    if verdict.outcome == "unclear":
        return "going" if step is not None and before is not None and step > before else "unclear"
    if verdict.memory != attempt.memory:
        return "elsewhere"
    if "unknown" not in (verdict.phase, attempt.phase) and verdict.phase != attempt.phase:
        return "elsewhere"
    clearly = _data()["further"]
    if step is not None and before is not None and step > before * clearly["times"] + clearly["least"]:
        return "further"
    return "failed"


def _step(case: Case) -> int | None:
    value = case.value("run.step")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _share(rule: Rule, attempt: Attempt) -> float:
    """How much an attempt says about a rule's cause: all where it is the first remedy, a part where another."""
    if rule.remedies[:1] and rule.remedies[0] in attempt.remedies:
        return 1.0
    return float(_data()["beside"]) if set(rule.remedies) & set(attempt.remedies) else 0.0


def _key(one: Followed) -> str:
    if one.attempt.told_by == "person":
        return f"{'passed' if one.became == 'passed' else 'failed'}_told"
    return f"{one.became}_unseen" if one.seen == "untold" and f"{one.became}_unseen" in _data()["terms"] else one.became


def _sign(key: str, one: Followed, share: float, weight: float | None = None, **places: Any) -> Sign:
    term = _data()["terms"][key]
    texts: dict[str, str] = {language: _text(term[language], one, language, places) for language in _LANGUAGES}
    weight = round(float(term["weight"]) * share, 1) if weight is None else weight
    decisive = bool(term.get("decisive")) and share == 1
    named = () if key == "earlier" or not one.now else tuple(one.attempt.sets)[:1]
    return Sign(Condition(lambda _: True, ()), weight, texts, decisive, named)


def _text(sentence: str, one: Followed, language: Language, places: Mapping[str, Any]) -> str:
    """A sentence of the base with what was tried; braces of options would be taken for places of facts."""
    phase = "" if one.attempt.phase == "unknown" else say(language, f"phase.{one.attempt.phase}")
    changes = one.attempt.changes.replace("{", "(").replace("}", ")")
    filled = sentence.format(changes=changes, phase=phase, step=one.step, before=one.attempt.step, **places)
    return " ".join(filled.split())


def _data() -> Mapping[str, Any]:
    found: Mapping[str, Any] = base.section("aftermath")["aftermath.yaml"]
    return found
