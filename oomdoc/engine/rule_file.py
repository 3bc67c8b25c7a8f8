"""The written form of a rule, as typed models: what `rules check` validates and the JSON Schema is made from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from oomdoc.engine.conditions import NUMERIC, OPERATORS
from oomdoc.facts.model import Model, Scalar


class Clause(Model):
    """`fact` with exactly one operator, or `all` / `any` of clauses, or `not` one."""

    fact: str | None = None
    all: "tuple[Clause, ...] | None" = None
    any: "tuple[Clause, ...] | None" = None
    not_: "Clause | None" = Field(default=None, alias="not")
    is_: Scalar = Field(default=None, alias="is")
    is_not: Scalar = None
    in_: tuple[Scalar, ...] | None = Field(default=None, alias="in")
    not_in: tuple[Scalar, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    absent: bool | None = None
    contains: str | None = None
    matches: str | None = None
    version_at_least: str | None = None
    version_below: str | None = None
    stated: bool | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> "Clause":
        shapes = [name for name in ("fact", "all", "any", "not_") if name in self.model_fields_set]
        if len(shapes) != 1:
            raise ValueError("a clause is one of fact, all, any, not")
        operators = self.operators()
        if shapes == ["fact"] and len(operators) != 1:
            raise ValueError(f"{self.fact}: exactly one operator, found {operators or 'none'}")
        if shapes != ["fact"] and operators:
            raise ValueError(f"{shapes[0]} takes no operator")
        return self

    def operators(self) -> list[str]:
        """The operators written in this clause."""
        names = {"is_": "is", "in_": "in"}
        written = [names.get(name, name) for name in self.model_fields_set]
        return [name for name in written if name in OPERATORS or name == "stated"]

    def facts(self) -> list[str]:
        """Every fact named in it."""
        inner = [*(self.all or ()), *(self.any or ()), *([self.not_] if self.not_ else [])]
        return [self.fact] if self.fact else [name for clause in inner for name in clause.facts()]

    def numeric_facts(self) -> list[str]:
        """Facts that are compared as numbers."""
        inner = [*(self.all or ()), *(self.any or ()), *([self.not_] if self.not_ else [])]
        own = [self.fact] if self.fact and NUMERIC & set(self.operators()) else []
        return own + [name for clause in inner for name in clause.numeric_facts()]


class SignFile(Clause):
    """A clause with its weight of evidence in log-odds and its sentence in both languages."""

    weight: Annotated[float, Field(ge=-6, le=6)]
    decisive: bool = False
    en: str
    zh: str


class Texts(Model):
    """A text in both languages."""

    en: str
    zh: str


class RuleFile(Model):
    """One rule: `rules/<family>/<id>.yaml`."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    cause: str | None = None
    status: Literal["experimental", "stable", "deprecated"] = "experimental"
    since: str
    aliases: tuple[str, ...] = ()
    title: Texts
    when: Clause
    prior: Annotated[float, Field(ge=-8, le=4)] = 0.0
    signs: tuple[SignFile, ...] = ()
    witness: str | None = None
    explain: Texts
    looks_like: Texts | None = None
    remedies: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


KEY_ORDER = tuple(RuleFile.model_fields)


class RuleCase(Model):
    """One case of `<id>.test.yaml`: the facts, and whether the rule fires, stays quiet, or asks."""

    name: str
    facts: dict[str, Scalar | tuple[Scalar, ...]]
    fires: bool | None = None
    evidence: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    at_least: float | None = Field(default=None, description="the probability it must reach")
    at_most: float | None = None
