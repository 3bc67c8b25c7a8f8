"""The whole way out of one failure: plans with the edits that write them, for command line, chat and reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.facts.case import Case
from oomdoc.facts.fact import How
from oomdoc.facts.model import Value
from oomdoc.ingest.encoding import decode
from oomdoc.ingest.syntax.commands import parse as parse_commands
from oomdoc.ingest.syntax.commands import regions
from oomdoc.patch.document import Original, load
from oomdoc.patch.plan import Desk, EditPlan, plan_edits, sayable
from oomdoc.remedies.advise import Advice, Step, advise
from oomdoc.remedies.options import Limits
from oomdoc.remedies.solver import HEADROOM, Plan

_ENDS = 400_000  # bytes of a log at each end that tell the program and its command
_MOST = 4


@dataclass(frozen=True, slots=True)
class Offer:
    """One numbered way out: the facts it changes, its weighed plan where there is one, and the edits."""

    number: int
    changes: Mapping[str, Value]
    edits: EditPlan
    plan: Plan | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class WayOut:
    """Everything that `oomdoc fix` shows. `single` is the number of the offer that is the least single change; `desk`
    holds the documents, for the edits of other changes."""

    advice: Advice
    offers: tuple[Offer, ...]
    single: int | None = None
    desk: Desk | None = None


def way_out(
    diagnosis: Diagnosis,
    documents: Sequence[Original],
    *,
    log: str = "",
    limits: Limits | None = None,
    headroom: float = HEADROOM,
    chosen: Mapping[str, Value] | None = None,
    weigh: bool = True,
) -> WayOut:
    """Plans for a diagnosis and their edits in the person's documents (see `documents_of`); without `weigh` those of
    the causes' steps, no peak predicted."""
    desk = Desk.of(documents, log, diagnosis.case.facts)
    limits = limits or Limits()
    if limits.possible is None:
        limits = replace(limits, possible=sayable(desk))
    advice = advise(diagnosis, limits=limits, headroom=headroom, chosen=chosen, weigh=weigh)
    solution = advice.solution
    offers: list[Offer] = []
    repairs = plan_edits({}, desk)
    if repairs.files or repairs.commands:  # what was meant comes before what else could be done
        offers.append(Offer(1, {}, repairs))
    if solution is not None and (solution.plans or chosen):
        for number, plan in enumerate(solution.plans, len(offers) + 1):
            offers.append(Offer(number, plan.changes, plan_edits(plan.changes, desk), plan))
    elif solution is None:
        steps = [step for step in advice.steps if step.changes][:_MOST]
        for number, step in enumerate(steps, len(offers) + 1):
            changes = {**(chosen or {}), **step.changes}
            offers.append(Offer(number, changes, plan_edits(changes, desk), None, (step,)))
    if not offers and chosen:
        offers.append(Offer(1, chosen, plan_edits(chosen, desk)))
    least = solution.single if solution else None
    single = next((o.number for o in offers if least and o.plan and o.plan.changes == least.changes), None)
    return WayOut(advice, tuple(offers), single, desk)


def documents_of(configs: Sequence[str], log: str = "") -> list[Original]:
    """The files that hold the settings; without any, the launch command that the log shows. Raises PatchError."""
    found = [load(config) for config in configs]
    if found or not log:
        return found
    best: tuple[int, str] | None = None
    for region in regions(log):
        text = log[region.start : region.end]
        flags = sum(len(command.flags) for command in parse_commands(text).commands)
        if flags and (best is None or flags > best[0]):
            best = (flags, text)
    return [Original("<command>", best[1])] if best else []


def log_text(paths: Sequence[str]) -> str:
    """Both ends of the logs, as text: what names the program, its version and its command."""
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
