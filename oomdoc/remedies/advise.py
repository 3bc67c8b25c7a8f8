"""From a diagnosis to the way out: plans by the memory model where it can speak, else the causes' remedies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.engine.findings import values_of
from oomdoc.engine.testimony import solved
from oomdoc.facts import base
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.memory.architecture import Architecture, ArchitectureError
from oomdoc.memory.catalog import resolve
from oomdoc.memory.model_facts import exact_architecture
from oomdoc.memory.platform import capacity as card_capacity
from oomdoc.memory.predict import architecture_of
from oomdoc.memory.settings import SettingsError
from oomdoc.remedies.options import Limits, options_of, same
from oomdoc.remedies.remedy import Need, Remedy, remedies
from oomdoc.remedies.solver import HEADROOM, Plan, Solution, solve

Blind: TypeAlias = Literal["not_gpu", "no_model", "no_capacity", "settings", "undescribed"]
_NEAR = 0.3  # of the leading cause's probability: below, a cause's remedies are not offered
_MOST = 4
_SPENT = -1.0  # fondness of a remedy that was tried in vain: its steps cost half as much again
_TIED = 0.85  # of the leading cause's probability
_SITUATION = {"hardware.platform", "run.kind", "oom.ecosystem", "train.method", "model.image_input"}


@dataclass(frozen=True, slots=True)
class Step:
    """One remedy of a cause, with the change of facts it means here (empty: done by hand)."""

    remedy: Remedy
    cause: str
    changes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Advice:
    """`solution` is None where the memory model cannot speak, for the reason `blind`; `steps` follow the causes."""

    solution: Solution | None
    steps: tuple[Step, ...]
    blind: Blind | None = None
    solved: Mapping[str, Value] | None = None  # facts that the failed allocation itself told
    spent: frozenset[str] = frozenset()  # remedies that were tried and did not suffice: what they alone make comes last


def advise(
    diagnosis: Diagnosis,
    *,
    limits: Limits | None = None,
    headroom: float = HEADROOM,
    chosen: Mapping[str, Value] | None = None,
    weigh: bool = True,
) -> Advice:
    """Plans and steps for a diagnosis; never raises for what a case holds. Without `weigh` the causes' steps only."""
    facts = values_of(diagnosis.case)
    limits = limits or Limits()
    steps = tuple(_steps(diagnosis, facts, limits))
    if diagnosis.verdict.outcome != "oom" or diagnosis.verdict.memory != "gpu":
        return Advice(None, steps, "not_gpu", spent=diagnosis.spent)
    model = model_of(diagnosis, facts)
    if model is None:
        return Advice(None, steps, "no_model", spent=diagnosis.spent)
    if not weigh:
        return Advice(None, steps, "undescribed", spent=diagnosis.spent)
    size = capacity_of(facts)
    if not size:
        return Advice(None, steps, "no_capacity", spent=diagnosis.spent)
    solved = solved_facts(diagnosis, facts)
    try:
        found = solve(
            {**facts, **solved}, model, size,
            limits=limits, headroom=headroom, fond=_fond(diagnosis), chosen=chosen,
        )  # fmt: skip
    except (ArchitectureError, SettingsError):
        return Advice(None, steps, "settings", spent=diagnosis.spent)
    if not found.before:
        return Advice(None, steps, "settings", solved, diagnosis.spent)
    if diagnosis.spent:
        others = solve(
            {**facts, **solved}, model, size,
            limits=_without(limits, diagnosis.spent), headroom=headroom, fond=_fond(diagnosis), chosen=chosen,
        )  # fmt: skip
        found = _after(found, others, diagnosis.spent)
    return Advice(found, steps, None, solved, diagnosis.spent)


def repeats(names: Iterable[str], spent: frozenset[str]) -> bool:
    """Whether a plan of these remedies is no more than what was tried already."""
    known = set(names)
    return bool(known) and known <= spent


def _without(limits: Limits, spent: frozenset[str]) -> Limits:
    """The same wishes, and what the spent remedies turn stays as it is."""
    known = remedies()
    turned = [fact for name in spent if name in known for fact in (*known[name].sets, *known[name].levels)]
    return replace(limits, keep=(*limits.keep, *turned))


def _after(solution: Solution, others: Solution, spent: frozenset[str]) -> Solution:
    """The plans that leave alone what was tried in vain, then those that use it too, then those that only repeat it."""

    def again(plan: Plan) -> bool:
        return repeats((option.remedy.id for option in plan.options), spent)

    rest = [plan for plan in solution.plans if all(plan.changes != other.changes for other in others.plans)]
    plans = (*others.plans, *sorted(rest, key=again))[:_MOST]
    single = solution.single if solution.single is not None and not again(solution.single) else others.single
    return replace(solution, plans=plans, single=single)


def model_of(diagnosis: Diagnosis, facts: Mapping[str, Value]) -> Architecture | None:
    """The architecture of the run: the catalog's, a config's, a relative's, or one of its size."""
    found = exact_architecture(diagnosis.case)
    if found is not None:
        return found
    try:
        return architecture_of(facts)
    except (ArchitectureError, SettingsError, OSError):
        return _shaped(facts)


def _shaped(facts: Mapping[str, Value]) -> Architecture | None:
    """The catalog's model of a trainer's own family that has the stated width and depth."""
    width, depth, family = facts.get("model.hidden_size"), facts.get("model.layers"), facts.get("framework.name")
    for document in base.section("models").values() if width and depth and isinstance(family, str) else ():
        if str(family).lower() not in str(document["family"]).lower():
            continue
        for name, record in document["models"].items():
            shape = record.get("shape", {})
            if (shape.get("hidden"), shape.get("layers")) == (width, depth):
                return resolve(name)
    return None


def capacity_of(facts: Mapping[str, Value]) -> int:
    """Bytes of one card: measured, printed, or by its name; 0 where unknown."""
    for name in ("hardware.gpu_total_bytes", "oom.gpu_total_bytes"):
        value = facts.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return card_capacity(str(facts.get("hardware.gpu_name") or "")) or 0


def solved_facts(diagnosis: Diagnosis, facts: Mapping[str, Value]) -> dict[str, Value]:
    """What the failed allocation tells about the run beyond `facts`."""
    return solved(diagnosis.testified.testimonies, facts)


def _fond(diagnosis: Diagnosis) -> dict[str, float]:
    fond: dict[str, float] = {}
    for finding in diagnosis.findings:
        for remedy in finding.rule.remedies:
            fond[remedy] = max(fond.get(remedy, 0.0), finding.probability)
    return {**fond, **dict.fromkeys(diagnosis.spent, _SPENT)}


def _steps(diagnosis: Diagnosis, facts: Mapping[str, Value], limits: Limits) -> Sequence[Step]:
    known = remedies()
    if not diagnosis.findings or diagnosis.verdict.finished:
        return ()
    top = diagnosis.findings[0].probability
    ranked: list[tuple[tuple[bool, int, int], Step]] = []
    pace = _pace([finding.probability for finding in diagnosis.findings])
    for cause, finding in enumerate(diagnosis.findings[:3]):
        if finding.probability < _NEAR * top:
            break
        named = [known[name] for name in finding.rule.remedies if name in known]
        found = [step for remedy in named if (step := _step(remedy, finding.rule.cause, facts, limits))]
        found.sort(key=lambda step: (_unknown(step.remedy, facts), *_aim(step.remedy, facts)))
        # Some of the leading cause, then one of each other that is near, then the rest: a cause may be mistaken.
        late = cause > 0 and finding.rule.family == "not-memory"  # what to ask stands behind what to do
        ranked.extend(((late, place // pace if cause == 0 else place, cause), step) for place, step in enumerate(found))
    steps: dict[str, Step] = {}
    for _, step in sorted(ranked, key=lambda entry: entry[0]):
        steps.setdefault(step.remedy.id, step)
    return tuple(sorted(steps.values(), key=lambda step: step.remedy.id in diagnosis.spent))


def _pace(probabilities: Sequence[float]) -> int:
    """How many remedies of the leading cause come first: one where another is about as likely."""
    first, second = (*probabilities, 0.0)[:2]
    return 2 if second < _TIED * first else 1


def _aim(remedy: Remedy, facts: Mapping[str, Value]) -> tuple[bool, bool]:
    """(not made for just this kind of machine or run, may be for another kind): what is to the point sorts first."""
    needs = [need for need in remedy.needs if need.fact in _SITUATION]
    made = any(need.required and need.fact != "run.kind" and need.met(facts) for need in needs)
    return not made, any(need.fact not in facts and not _common(need) for need in needs)


def _common(need: Need) -> bool:
    """Whether a need is met more often than not where nothing is said: runs that name no training are mostly none."""
    return need.fact == "run.kind" and need.is_ != "train"


def _step(remedy: Remedy, cause: str, facts: Mapping[str, Value], limits: Limits) -> Step | None:
    """A cause's remedy in this run; None where it cannot apply, is so already, or is ruled out."""
    if not remedy.sets:
        need = remedy.unmet(facts)
        if need is not None and (need.fact in facts or need.fact == "hardware.platform"):
            return None  # what only one kind of machine has is offered where it is that kind
        return Step(remedy, cause, {})
    if any(name in limits.keep for name in remedy.sets):
        return None
    if _unknown(remedy, facts):
        return Step(remedy, cause, {})  # whether it applies is not known: told, not written
    if remedy.unmet(facts) is not None:
        return None
    options = options_of(remedy, facts)
    if options:
        return next((Step(remedy, cause, option.changes) for option in options if limits.allows(option, facts)), None)
    stated = all(facts.get(name) is not None for name in remedy.sets)
    if (stated and remedy.weight is not None) or all(same(facts, name, value) for name, value in remedy.sets.items()):
        return None
    possible = limits.possible is None or all(limits.possible(name, value) for name, value in remedy.sets.items())
    return Step(remedy, cause, remedy.sets if possible else {})


def _unknown(remedy: Remedy, facts: Mapping[str, Value]) -> bool:
    """Whether a need cannot be judged because its fact is not known."""
    need = remedy.unmet(facts)
    return need is not None and need.fact not in facts
