"""The verdict: whether this is out of memory at all, and which memory; by the message, never by the word alone."""

from typing import Literal, TypeAlias

from oomdoc.facts.case import Case, Event, Memory
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value

Outcome: TypeAlias = Literal["oom", "not_oom", "unclear"]

# A later kind decides only where no earlier one is there: a message beats an exit code, an exit code beats hearsay.
_ORDER = ("oom", "wrapper", "told")
# Signals of native code that went wrong: a process that lacks memory is killed, or sees a bus error.
_FAULTS = frozenset({"SIGSEGV", "SIGILL", "SIGFPE"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """`event` is the message that decided, None where nothing did; `phase` is a choice of run.phase or "unknown".

    Without an event, "not_oom" says that the run reached its end.
    """

    outcome: Outcome
    memory: Memory
    phase: str
    event: Event | None = None

    @property
    def finished(self) -> bool:
        """Whether the run reached its end without a failure."""
        return self.outcome == "not_oom" and self.event is None


def judge(case: Case) -> Verdict:
    """The verdict over all events of a case."""
    phase = case.value("run.phase")
    said = phase if isinstance(phase, str) else "unknown"
    fatal = [event for event in case.events if event.fatal and not event.consequence]
    for kind in _ORDER:
        # an exit code that names no memory says only that it failed
        of_kind = [event for event in fatal if event.kind == kind and event.memory != "none"]
        decisive = next((event for event in of_kind if not event.vague), next(iter(of_kind), None))
        lookalike = next((event for event in fatal if event.kind == "lookalike" or _fault(event)), None)
        if lookalike and (decisive is None or (kind != "oom" and decisive.kind != "wrapper")):
            return Verdict("not_oom", "none", said, lookalike)
        if decisive:
            return Verdict("oom", decisive.memory, said, decisive)
    late = next((event for event in case.events if event.kind == "oom" and event.fatal), None)
    if late:
        return Verdict("oom", late.memory, said, late)
    if not fatal and case.value("run.finished") is True:
        return Verdict("not_oom", "none", said)
    return Verdict("unclear", "none", said)


def _fault(event: Event) -> bool:
    return event.kind == "wrapper" and event.figures.get("signal") in _FAULTS


def facts_of(verdict: Verdict, case: Case | None = None) -> tuple[Fact, ...]:
    """What the verdict itself states: which memory, by which form of message, and whether it has figures.

    A copy of the message may carry them: they are among the facts of the case.
    """
    if verdict.event is None:
        return ()
    event = verdict.event
    source = Source(how=How.LOG, file=event.file, line=event.line, quote=event.text)
    copied = case is not None and event.kind == "oom" and case.fact("oom.tried_to_allocate_bytes") is not None
    stated: list[tuple[str, Value]] = [
        ("oom.memory", verdict.memory),
        ("oom.template", event.template),
        ("oom.ecosystem", event.template.split(".", maxsplit=1)[0]),
        ("oom.figures_known", "tried_to_allocate_bytes" in event.figures or copied),
    ]
    return tuple(Fact(name=name, value=value, source=source) for name, value in stated)
