"""A change that was made after an earlier diagnosis, and whether a case shows it in force. It knows no causes."""

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from oomdoc.facts.case import Case
from oomdoc.facts.fact import UNKNOWN, Fact, How, Known, Source
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.facts.units import show

State: TypeAlias = Literal["in_force", "not_in_force", "untold"]

_STATED = (How.ANSWERED, How.LIVE, How.LOG, How.COMMAND, How.CONFIG, How.TOLD)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One change, `sets` in canonical facts, `before` what they were (missing: not known).

    `aside` are facts that only keep the result the same; `causes` (cause, probability) and `phase`, `memory`, `step`
    are those of the diagnosis it was made for; `files` the base names of what was edited; `outcome` is what a later
    run, told by `told_by`, has shown already, `seen` whether the change was in force in it; `name` says where it is
    known from.
    """

    name: str
    sets: Mapping[str, Value]
    before: Mapping[str, Value] = field(default_factory=dict)
    aside: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    natives: tuple[str, ...] = ()
    causes: tuple[tuple[str, float], ...] = ()
    memory: str = "gpu"
    phase: str = "unknown"
    step: int | None = None
    files: tuple[str, ...] = ()
    at: str | None = None
    predicted_bytes: int | None = None
    outcome: str | None = None
    seen: State = "in_force"
    told_by: str | None = None
    key: int | None = None  # under which the history keeps it

    @property
    def changes(self) -> str:
        """What was changed, in the person's own options where they are known."""
        return ", ".join(self.natives or [f"{name} = {show(name, value)}" for name, value in self.sets.items()])


@dataclass(frozen=True, slots=True)
class Effect:
    """One fact that was to change: what it is now (UNKNOWN where the case does not say), and what that means."""

    name: str
    wanted: Value
    now: Known
    state: State
    minor: bool = False
    source: Source | None = None


def effects(attempt: Attempt, case: Case) -> tuple[Effect, ...]:
    """Every change of an attempt beside what a case says."""
    logs = {read.name for read in case.inputs if read.kind == "log"}
    trusted = _defaults_count(attempt, case, logs)
    found = []
    for name, wanted in attempt.sets.items():
        fact = _closest(name, case, logs)
        state = _state(fact, wanted, attempt.before.get(name, UNKNOWN), trusted)
        now = UNKNOWN if fact is None or state == "untold" else fact.value
        found.append(Effect(name, wanted, now, state, name in attempt.aside, fact.source if fact else None))
    return tuple(found)


def seen(found: tuple[Effect, ...]) -> State:
    """Whether the changes as a whole were in force: what merely keeps the result the same does not decide."""
    states = {effect.state for effect in found if not effect.minor} or {effect.state for effect in found}
    if "not_in_force" in states:
        return "not_in_force"
    return "in_force" if states == {"in_force"} else "untold"


def _closest(name: str, case: Case, logs: Collection[str]) -> Fact | None:
    """What the log itself shows of a setting, command included, before what a file says: the file may be newer."""
    shown = (fact for fact in case.every(name) if fact.source.file in logs and fact.source.how in _STATED)
    return next(shown, None) or case.fact(name)


def _state(fact: Fact | None, wanted: Value, before: Known, trusted: bool) -> State:
    if fact is None or not (fact.source.how in _STATED or (trusted and fact.source.how is How.DEFAULT)):
        same = fact is not None and fact.source.how is How.DERIVED and equal(fact.value, wanted)
        return "in_force" if same else "untold"
    return "in_force" if equal(fact.value, wanted) or _beyond(fact.value, wanted, before) else "not_in_force"


def equal(one: object, other: object) -> bool:
    """Equality that tells True from 1, and takes a list for a tuple."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def _beyond(now: Value, wanted: Value, before: Known) -> bool:
    """Whether a figure was moved the same way and further than asked; a limit where there was none may be tighter."""
    if not (_number(now) and _number(wanted)):
        return False
    if before is None:
        return now <= wanted  # type: ignore[operator]
    if before is UNKNOWN or not _number(before):
        return False
    return (wanted - before) * (now - wanted) >= 0 and wanted != before  # type: ignore[operator]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _defaults_count(attempt: Attempt, case: Case, logs: Collection[str]) -> bool:
    """Whether an option that is not written is known to be unset: its file was read, or the log shows the command."""
    names = {read.name.replace("\\", "/").rsplit("/", 1)[-1] for read in case.inputs}
    if names & set(attempt.files):
        return True
    return any(fact.source.how is How.COMMAND and fact.source.file in logs for fact in case.facts)
