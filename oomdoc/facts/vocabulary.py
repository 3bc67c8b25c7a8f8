"""The one vocabulary: every figure and setting has one canonical name, declared in `knowledge/facts/*.yaml`."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, TypeAlias

from oomdoc.facts import base
from oomdoc.facts.model import Model

Kind: TypeAlias = Literal["int", "float", "bool", "str", "list"]
Unit: TypeAlias = Literal["bytes", "tokens", "pixels", "seconds", "percent", "count", "bytes_per_step"] | None


class Term(Model):
    """One canonical fact. `ask_*` is the question to the person, `ask_cost` how hard it is to answer."""

    name: str
    type: Kind
    unit: Unit = None
    choices: tuple[str, ...] = ()
    en: str
    zh: str
    ask_en: str | None = None
    ask_zh: str | None = None
    ask_cost: float = 1.0
    ask_by: str | None = None  # the fact to ask for instead: a model's shape follows from its name
    ask_where: str | None = None  # a yes-or-no fact: the question has sense only where it is true


@cache
def _entries() -> dict[str, dict[str, Any]]:
    return {name: entry for document in base.section("facts").values() for name, entry in document.items()}


@cache
def term(name: str) -> Term | None:
    """The declaration of a canonical name, or None."""
    entry = _entries().get(name)
    return None if entry is None else Term(name=name, **entry)


def askable(name: str) -> Term | None:
    """The term whose question settles a fact: its own, or that of the fact it follows from."""
    declared = term(name)
    if declared is not None and declared.ask_en is None and declared.ask_by is not None:
        declared = term(declared.ask_by)
    return declared if declared is not None and declared.ask_en is not None else None


def terms() -> Iterator[Term]:
    """Every declared term, in the order of the files."""
    return (found for name in _entries() if (found := term(name)) is not None)
