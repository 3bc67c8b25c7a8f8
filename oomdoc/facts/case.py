"""A case: everything known about one crashed run. It only grows, by making a new one."""

from collections.abc import Iterable
from functools import cached_property
from typing import Literal, TypeAlias

from pydantic import Field

from oomdoc.facts.fact import TRUST, UNKNOWN, Fact, Known
from oomdoc.facts.model import Model, Scalar

Memory: TypeAlias = Literal["gpu", "host", "shm", "none"]
EventKind: TypeAlias = Literal["oom", "lookalike", "wrapper", "warning", "report", "told"]


class Frame(Model):
    """One line of a traceback, outermost first."""

    file: str
    line: int | None
    function: str
    code: str | None = None


class Event(Model):
    """One message of trouble with its figures, in canonical `oom.*` short names and bytes."""

    template: str
    kind: EventKind
    memory: Memory
    file: str | None = None
    line: int
    span: tuple[int, int] | None = None
    text: str = ""
    rank: int | None = None
    device: int | None = None
    process: str | None = None
    time: str | None = None
    figures: dict[str, Scalar] = Field(default_factory=dict)
    frames: tuple[Frame, ...] = ()
    phase: str | None = None
    module: str | None = None
    fatal: bool = True
    consequence: bool = False
    vague: bool = Field(default=False, description="words that leave open which memory ran out")


class Series(Model):
    """One memory figure that a log prints again and again; `points` are (step, bytes, line)."""

    name: str
    unit: str = "bytes"
    rank: int | None = None
    file: str | None = None
    points: tuple[tuple[int, int, int], ...]
    trend: Literal["flat", "steps", "leak", "rising", "short"] = "short"
    growth_per_step: float | None = None


class Input(Model):
    """One thing that was read, and how well."""

    name: str
    kind: str
    bytes: int = 0
    lines: int = 0
    encoding: str | None = None
    note: str | None = None
    note_zh: str | None = None


class Disagreement(Model):
    """Two sources that give one fact different values; `kept` won because it is closer to the crash."""

    name: str
    kept: Fact
    other: Fact


class Case(Model):
    """Facts, events and memory series of one run. Several facts of one name are all kept."""

    facts: tuple[Fact, ...] = ()
    events: tuple[Event, ...] = ()
    series: tuple[Series, ...] = ()
    inputs: tuple[Input, ...] = ()

    @cached_property
    def _by_name(self) -> dict[str, list[Fact]]:
        index: dict[str, list[Fact]] = {}
        for fact in self.facts:
            index.setdefault(fact.name, []).append(fact)
        for facts in index.values():
            facts.sort(key=lambda fact: TRUST[fact.source.how])
        return index

    def every(self, name: str) -> tuple[Fact, ...]:
        """All facts of a name, the most trusted first."""
        return tuple(self._by_name.get(name, ()))

    def fact(self, name: str) -> Fact | None:
        """The most trusted fact of a name, or None where nobody stated it."""
        facts = self._by_name.get(name)
        return facts[0] if facts else None

    def value(self, name: str) -> Known:
        """The most trusted value of a name; UNKNOWN where nobody stated it, None where it is known to be unset."""
        facts = self._by_name.get(name)
        return facts[0].value if facts else UNKNOWN

    def names(self) -> tuple[str, ...]:
        """The names of all stated facts."""
        return tuple(self._by_name)

    def with_facts(self, facts: Iterable[Fact]) -> "Case":
        """This case with more facts."""
        return Case.model_construct(
            facts=(*self.facts, *facts), events=self.events, series=self.series, inputs=self.inputs
        )  # not model_copy: it would carry the old index along

    def disagreements(self) -> tuple[Disagreement, ...]:
        """Facts that two stated sources (not defaults or assumptions) give differently."""
        stated = TRUST["default"]  # type: ignore[index]
        found = []
        for name, facts in self._by_name.items():
            kept = facts[0]
            for other in facts[1:]:
                if TRUST[other.source.how] < stated and other.value != kept.value and other.rank == kept.rank:
                    found.append(Disagreement(name=name, kept=kept, other=other))
                    break
        return tuple(found)
