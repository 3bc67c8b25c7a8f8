"""A remedy as data: the canonical facts it changes, its promise and cost, what it needs, when it changes nothing.

No remedy claims a saving: that is the memory model before minus after. One that `saves_nothing` is folklore, kept to be
explained: `tries` is what people set, and the model shows that the peak stays.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, TypeAlias

from pydantic import Field

from oomdoc.facts import base
from oomdoc.facts.model import Model, Scalar, Value
from oomdoc.messages import Language

Promise: TypeAlias = Literal["same-result", "changes-training", "loses-metrics", "by-hand"]
PROMISES: tuple[Promise, ...] = ("same-result", "changes-training", "loses-metrics", "by-hand")


class Text(Model):
    """One sentence in both languages."""

    en: str
    zh: str

    def told(self, language: Language) -> str:
        """The sentence in one language."""
        return self.zh if language == "zh" else self.en


class Need(Model):
    """A condition on one fact. An unknown fact meets it unless `required`; the sentence says why it is not met."""

    fact: str
    is_: Value = Field(default="", alias="is")
    one_of: tuple[Scalar, ...] = ()
    at_least: float | None = None
    matches: str | None = Field(default=None, description="pattern somewhere in the text, upper and lower case alike")
    required: bool = False
    en: str
    zh: str

    def met(self, facts: Mapping[str, Value]) -> bool:
        """Whether the facts meet it."""
        if self.fact not in facts:
            return not self.required
        value = facts[self.fact]
        if self.at_least is not None:
            number = _number(value)
            return number is not None and number >= self.at_least
        if self.matches:
            return re.search(self.matches, str(value), re.IGNORECASE) is not None
        if self.one_of:
            return value in self.one_of
        return value == self.is_


class Ladder(Model):
    """Values of a numeric fact: each `factor` times the one before, down to a lower limit."""

    factor: float
    down_to: int


class Remedy(Model):
    """One file of `knowledge/remedies/`. `weight` is how much a step hurts, `slower` how much longer a step takes."""

    id: str
    title: Text
    ladder_title: Text | None = Field(default=None, description="where a level in between is meant")
    sets: dict[str, Value] = Field(default_factory=dict)
    promise: Promise = "same-result"
    cost: Text | None = None
    how: Text | None = None
    why: Text | None = None
    native: dict[str, str] = Field(default_factory=dict)
    levels: dict[str, Ladder | tuple[int, ...]] = Field(default_factory=dict)
    keeps: str | None = Field(default=None, description="fact that grows as much as the first level shrinks")
    weight: float | None = Field(default=None, description="absent: the solver does not try it")
    slower: float = 1.0
    popular: bool = False
    only: str | None = Field(default=None, description="unset, or the value that it replaces")
    needs: tuple[Need, ...] = ()
    conflicts: tuple[str, ...] = ()
    moot: Text | None = None
    learning_rate: Text | None = None
    verified_by: tuple[Literal["dryrun", "probe", "rerun"], ...] = ("dryrun", "probe")
    saves_nothing: bool = False
    tries: dict[str, Scalar] = Field(default_factory=dict)

    def called(self, language: Language) -> str:
        """What a plan calls it."""
        return (self.ladder_title or self.title).told(language)

    def unmet(self, facts: Mapping[str, Value]) -> Need | None:
        """The first need that the facts do not meet."""
        return next((need for need in self.needs if not need.met(facts)), None)


@cache
def remedies() -> dict[str, Remedy]:
    """Every remedy by id."""
    return {raw["id"]: Remedy.model_validate(raw) for raw in base.section("remedies").values()}


def _number(value: Value) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except ValueError:
        return None
