"""The whole way out of one failure: plans with the edits that write them, for command line, chat and reports."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.facts.case import Case
from oomdoc.facts.fact import How
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.facts.units import show
from oomdoc.patch.edits import EditPlan
from oomdoc.patch.native import native_words, speakable
from oomdoc.remedies.advise import Advice, Step, advise
from oomdoc.remedies.options import Limits
from oomdoc.remedies.solver import HEADROOM, Plan, Solution

if TYPE_CHECKING:
    from oomdoc.patch.document import Original
    from oomdoc.patch.plan import Desk

_ENDS = 400_000  # bytes of a log at each end that tell the program and its command
_MOST = 4


@dataclass(frozen=True, slots=True)
class Offer:
    """One numbered way out: the facts it changes, its weighed plan where there is one, and the edits; without a
    document the framework's own `words` for the changes."""

    number: int
    changes: Mapping[str, Value]
    edits: EditPlan
    plan: Plan | None = None
    steps: tuple[Step, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WayOut:
    """Everything that `oomdoc fix` shows. `single` is the number of the offer that is the least single change; `desk`
    holds the documents, for the edits of other changes; `repairs` is what options that did not arrive were to set."""

    advice: Advice
    offers: tuple[Offer, ...]
    single: int | None = None
    desk: "Desk | None" = None
    repairs: Mapping[str, Value] = field(default_factory=dict)


def way_out(
    diagnosis: Diagnosis,
    documents: "Sequence[Original]",
    *,
    log: str = "",
    limits: Limits | None = None,
    headroom: float = HEADROOM,
    chosen: Mapping[str, Value] | None = None,
    weigh: bool = True,
) -> WayOut:
    """Plans for a diagnosis and their edits in the person's documents (see `documents_of`); without `weigh` those of
    the causes' steps, no peak predicted."""
    from oomdoc.patch.plan import Desk, plan_edits, sayable

    desk = Desk.of(documents, log, diagnosis.case.facts)
    limits = limits or Limits()
    if limits.possible is None:
        limits = replace(limits, possible=sayable(desk))
    mended, chosen = desk.repairs(), dict(chosen or {})
    wanted = {**mended, **chosen}
    advice = advise(diagnosis, limits=limits, headroom=headroom, chosen=wanted, weigh=weigh)
    if advice.solution is not None and not advice.solution.plans and not _enough(advice.solution):
        freely = advise(diagnosis, limits=replace(limits, possible=None), headroom=headroom, chosen=wanted, weigh=weigh)
        advice = freely if freely.solution is not None and freely.solution.plans else advice  # then it is done by hand
    first = _repairs(advice, desk, mended, chosen)
    found = [
        replace(offer, edits=plan_edits(_without_repairs(offer.changes, mended, chosen), desk))
        for offer in _offers(advice, wanted, len(first) + 1)
    ]
    offers = (*first, *found)
    if not offers and chosen:
        offers = (Offer(1, chosen, plan_edits(chosen, desk)),)
    return WayOut(advice, offers, _single(advice, offers), desk, mended)


def _enough(solution: Solution) -> bool:
    """Whether what was chosen or mended suffices by itself."""
    weight = solution.scale.weigh({}) if solution.scale else None
    return weight is not None and weight.device <= solution.room


def _repairs(advice: Advice, desk: "Desk", mended: Mapping[str, Value], chosen: Mapping[str, Value]) -> list[Offer]:
    """What was meant, as a plan of its own: first, unless it is known not to be enough and others are."""
    from oomdoc.patch.plan import plan_edits

    edits = plan_edits(chosen, desk)
    if not edits.mended:
        return []
    solution, plan = advice.solution, None
    if solution is not None and solution.before is not None and solution.scale is not None:
        weight = solution.scale.weigh({})
        if solution.plans and not _enough(solution):
            return []
        if weight is not None:
            changes = {**mended, **chosen}
            plan = Plan((), changes, weight, solution.before.device - weight.device, 0.0, 1.0, 0)
    return [Offer(1, {**mended, **chosen}, edits, plan)]


def _without_repairs(
    changes: Mapping[str, Value], mended: Mapping[str, Value], chosen: Mapping[str, Value]
) -> Mapping[str, Value]:
    """The changes that are to be written beside the repairs, which every plan makes."""
    return {name: value for name, value in changes.items() if name in chosen or mended.get(name) != value}


def outline(diagnosis: Diagnosis) -> WayOut:
    """The same plans in the framework's own words, where no file is at hand: nothing is read, nothing is edited."""
    advice = advise(diagnosis, limits=Limits(possible=speakable(diagnosis.case)))
    if advice.solution is not None and not advice.solution.plans:
        freely = advise(diagnosis)
        advice = freely if freely.solution is not None and freely.solution.plans else advice
    offers = [replace(offer, words=tuple(_words(diagnosis.case, offer.changes))) for offer in _offers(advice, {}, 1)]
    return WayOut(advice, tuple(offers), _single(advice, offers))


def _words(case: Case, changes: Mapping[str, Value]) -> Iterator[str]:
    for name, value in changes.items():
        yield native_words(case, {name: value}) or f"{name} = {show(name, value)}"


def _offers(advice: Advice, chosen: Mapping[str, Value], start: int) -> Iterator[Offer]:
    """The plans that fit, or without predictions the steps of the causes; their edits are not made yet."""
    solution = advice.solution
    if solution is not None:
        plans = solution.plans if solution.plans or chosen else ()
        yield from (Offer(number, plan.changes, EditPlan(), plan) for number, plan in enumerate(plans, start))
        return
    steps = [step for step in advice.steps if step.changes][:_MOST]
    for number, step in enumerate(steps, start):
        yield Offer(number, {**chosen, **step.changes}, EditPlan(), None, (step,))


def _single(advice: Advice, offers: Sequence[Offer]) -> int | None:
    if offers and offers[0].edits.mended and offers[0].plan and advice.solution and _enough(advice.solution):
        return offers[0].number
    least = advice.solution.single if advice.solution else None
    return next((one.number for one in offers if least and one.plan and one.plan.changes == least.changes), None)


def documents_of(configs: Sequence[str], log: str = "") -> "list[Original]":
    """The files that hold the settings; without any, the launch command that the log shows. Raises PatchError."""
    from oomdoc.ingest.syntax.commands import parse, regions
    from oomdoc.patch.document import Original, load

    found = [load(config) for config in configs]
    if found or not log:
        return found
    best: tuple[int, str] | None = None
    for region in regions(log):
        text = log[region.start : region.end]
        flags = sum(len(command.flags) for command in parse(text).commands)
        if flags and (best is None or flags > best[0]):
            best = (flags, text)
    return [Original("<command>", best[1])] if best else []


def log_text(paths: Sequence[str]) -> str:
    """Both ends of the logs, as text: what names the program, its version and its command."""
    from oomdoc.ingest.encoding import decode

    parts = []
    for name in paths:
        path = Path(name)
        if not path.is_file():
            continue
        with path.open("rb") as log:
            start = log.read(_ENDS)
            size = path.stat().st_size
            if size > 2 * _ENDS:
                log.seek(size - _ENDS)
            rest = log.read(_ENDS) if size > _ENDS else b""
        parts.append(decode(start + (b"\n" if size > 2 * _ENDS else b"") + rest).text)
    return "\n".join(parts)


def answered(case: Case, facts: Mapping[str, Value]) -> Case:
    """The case with facts that the person has given."""
    from oomdoc.facts.fact import Fact, Source

    return case.with_facts(
        Fact(name=name, value=value, source=Source(how=How.ANSWERED)) for name, value in facts.items()
    )
