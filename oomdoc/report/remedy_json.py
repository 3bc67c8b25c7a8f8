"""Remedies as entries of the JSON report: what each alone saves by the memory model, or why that is not known."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.facts.model import Value
from oomdoc.messages import Language, say
from oomdoc.patch.native import native_words
from oomdoc.report.contract import RemedyOut
from oomdoc.report.mask import mask
from oomdoc.report.steps import steps_of

if TYPE_CHECKING:
    from oomdoc.patch.edits import EditPlan
    from oomdoc.patch.way_out import WayOut
    from oomdoc.remedies.advise import Step
    from oomdoc.remedies.solver import Solution

_MOST = 6


def remedies_out(diagnosis: Diagnosis, way: "WayOut | None", language: Language) -> tuple[RemedyOut, ...]:
    """The remedies of the leading causes, then those that only the plans know."""
    if way is None:
        return tuple(_told(diagnosis, language))
    entries = (_entry(diagnosis, way, step, language) for step in _steps(diagnosis, way))
    return tuple(entry for entry in entries if (entry.saves_bytes or 0) >= 0)  # sets what this run does not have


def _told(diagnosis: Diagnosis, language: Language) -> Iterator[RemedyOut]:
    reason = _why_unknown(diagnosis)
    for step in steps_of(diagnosis, language):
        yield RemedyOut(
            id=step.remedy,
            cause=step.cause,
            promise=step.promise,
            title=step.title,
            sets=dict(step.sets),
            native=mask(step.native) if step.native else None,
            cost=step.cost,
            reason=say(language, f"fix.reason_{reason if step.sets else 'by_hand'}"),
        )


def _why_unknown(diagnosis: Diagnosis) -> str:
    from oomdoc.memory.model_facts import exact_architecture

    if diagnosis.verdict.outcome != "oom" or diagnosis.verdict.memory != "gpu":
        return "not_gpu"
    return "no_model" if exact_architecture(diagnosis.case) is None else "undescribed"


def _steps(diagnosis: Diagnosis, way: "WayOut") -> "list[Step]":
    """The causes' own remedies, at the level that the first plan with them takes, then the other parts of plans."""
    from oomdoc.remedies.advise import Step

    levels = {option.remedy.id: option for offer in reversed(way.offers) if offer.plan for option in offer.plan.options}
    found: dict[str, Step] = {}
    for step in way.advice.steps[:_MOST]:
        level = levels.get(step.remedy.id)
        changes = level.changes if level else _level(step, way.advice.solution)
        found[step.remedy.id] = Step(step.remedy, step.cause, changes)
    for name, option in levels.items():
        cause = next(
            (finding.rule.cause for finding in diagnosis.findings if name in finding.rule.remedies),
            diagnosis.findings[0].rule.cause,
        )
        found.setdefault(name, Step(option.remedy, cause, option.changes))
    return list(found.values())


def _level(step: "Step", solution: "Solution | None") -> Mapping[str, Value]:
    """The mildest level of a remedy that is enough alone; the step's own where none is."""
    from oomdoc.remedies.options import options_of

    scale = solution.scale if solution else None
    if solution is None or scale is None or not step.changes:
        return step.changes or step.remedy.sets
    for option in sorted(options_of(step.remedy, scale.facts), key=lambda one: one.cost(1.0)):
        weight = scale.weigh(option.changes)
        if weight is not None and weight.device <= solution.room:
            return option.changes
    return step.changes


def _entry(diagnosis: Diagnosis, way: "WayOut", step: "Step", language: Language) -> RemedyOut:
    solution, changes = way.advice.solution, step.changes
    edits = _edits(way, changes)
    before = solution.before if solution else None
    weight = solution.scale.weigh(changes) if solution and solution.scale and changes else None
    known = solution is not None and before is not None and weight is not None
    reason = "by_hand" if not changes else way.advice.blind or "settings"
    return RemedyOut(
        id=step.remedy.id,
        cause=step.cause,
        promise=step.remedy.promise,
        title=step.remedy.title.told(language),
        sets=dict(changes),
        native=_native(diagnosis, edits, changes),
        diff=mask(edits.diff) if edits is not None and edits.diff else None,
        saves_bytes=before.device - weight.device if before and weight else None,
        peak_after_bytes=weight.device if weight else None,
        fits=weight.device <= solution.room if solution and weight else None,
        cost=step.remedy.cost.told(language) if step.remedy.cost else None,
        reason=None if known else say(language, f"fix.reason_{reason}"),
    )


def _edits(way: "WayOut", changes: Mapping[str, Value]) -> "EditPlan | None":
    if not changes or way.desk is None:
        return None
    made = next((offer.edits for offer in way.offers if offer.changes == changes), None)
    if made is not None:
        return made
    from oomdoc.patch.plan import plan_edits

    return plan_edits(changes, way.desk)


def _native(diagnosis: Diagnosis, edits: "EditPlan | None", changes: Mapping[str, Value]) -> str | None:
    """The options as they will read in the person's files, else in the framework's own words."""
    written = list(dict.fromkeys(made.native for made in edits.made)) if edits is not None else []
    written += [hand.native for hand in edits.by_hand if hand.native] if edits is not None else []
    native = "  ".join(written) or native_words(diagnosis.case, changes)
    return mask(native) if native else None
