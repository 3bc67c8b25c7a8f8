"""Conditions: a closed list of operators over facts, combined in Kleene's three values.

A test gives True, False, or None where a fact it needs is unknown. `all` is False as soon as one part is False, even
beside unknowns; `any` is True as soon as one part is True; `not` keeps None.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.facts.model import Value

Values: TypeAlias = Mapping[str, Value]
Test: TypeAlias = Callable[[Values], bool | None]

_VERSION = lazy(r"\d+")


class ConditionError(ValueError):
    """A clause that is not written in the operators of this file."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled clause and the facts it reads, in the order written."""

    test: Test
    facts: tuple[str, ...]

    def undecided_by(self, values: Values) -> tuple[str, ...]:
        """The unknown facts that would decide it."""
        return tuple(fact for fact in self.facts if fact not in values)


def version_key(version: object) -> tuple[int, ...]:
    """The leading numbers of a version ("2.1.0+cu118" -> (2, 1, 0)), local part left out."""
    numbers = _VERSION.findall(str(version).split("+", maxsplit=1)[0])
    return tuple(int(number) for number in numbers[:4])


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _compare(holds: Callable[[float, float], bool]) -> Callable[[Any], Callable[[Value], bool]]:
    def bind(operand: Any) -> Callable[[Value], bool]:
        bound = float(operand)

        def test(value: Value) -> bool:
            number = _number(value)
            return number is not None and holds(number, bound)

        return test

    return bind


def _same(operand: Any) -> Callable[[Value], bool]:
    """Equality that tells True from 1 and ignores the case of texts; what the operand is, is settled once."""
    if isinstance(operand, bool):
        return lambda value: value is operand
    if isinstance(operand, str):
        folded = operand.casefold()
        return lambda value: isinstance(value, str) and (value == operand or value.casefold() == folded)
    return lambda value: not isinstance(value, bool) and bool(value == operand)


def _differs(operand: Any) -> Callable[[Value], bool]:
    same = _same(operand)
    return lambda value: not same(value)


def _one_of(operand: Any) -> Callable[[Value], bool]:
    tests = tuple(map(_same, operand))
    return lambda value: any(same(value) for same in tests)


def _none_of(operand: Any) -> Callable[[Value], bool]:
    found = _one_of(operand)
    return lambda value: not found(value)


def _contains(operand: Any) -> Callable[[Value], bool]:
    wanted = str(operand).casefold()

    def test(value: Value) -> bool:
        if isinstance(value, tuple | list):
            return any(wanted == str(item).casefold() for item in value)
        return isinstance(value, str) and wanted in value.casefold()

    return test


def _matches(operand: Any) -> Callable[[Value], bool]:
    pattern = lazy(str(operand), re.IGNORECASE)

    def test(value: Value) -> bool:
        items = value if isinstance(value, tuple | list) else (value,)
        return any(isinstance(item, str) and pattern.search(item) is not None for item in items)

    return test


def _version(holds: Callable[[tuple[int, ...], tuple[int, ...]], bool]) -> Callable[[Any], Callable[[Value], bool]]:
    def bind(operand: Any) -> Callable[[Value], bool]:
        bound = version_key(operand)
        return lambda value: value is not None and bool(version_key(value)) and holds(version_key(value), bound)

    return bind


OPERATORS: dict[str, Callable[[Any], Callable[[Value], bool]]] = {
    "is": _same,
    "is_not": _differs,
    "in": _one_of,
    "not_in": _none_of,
    "at_least": _compare(lambda value, bound: value >= bound),
    "at_most": _compare(lambda value, bound: value <= bound),
    "above": _compare(lambda value, bound: value > bound),
    "below": _compare(lambda value, bound: value < bound),
    "absent": lambda operand: lambda value: (value is None) is bool(operand),
    "contains": _contains,
    "matches": _matches,
    "version_at_least": _version(lambda value, bound: value >= bound),
    "version_below": _version(lambda value, bound: value < bound),
}
NUMERIC = frozenset({"at_least", "at_most", "above", "below"})


def compile_clause(clause: Mapping[str, Any]) -> Condition:
    """A clause of a rule file as a Condition; raises ConditionError naming what is not understood."""
    if "all" in clause or "any" in clause:
        return _combine("all" if "all" in clause else "any", clause)
    if "not" in clause:
        inner = compile_clause(clause["not"])
        return Condition(lambda values: _negate(inner.test(values)), inner.facts)
    fact = clause.get("fact")
    if not isinstance(fact, str):
        raise ConditionError(f"a clause needs fact, all, any or not: {dict(clause)}")
    if "stated" in clause:
        wanted = bool(clause["stated"])
        return Condition(lambda values: (fact in values) is wanted, ())
    found = [name for name in clause if name in OPERATORS]
    if len(found) != 1:
        raise ConditionError(f"{fact}: exactly one operator of {', '.join(OPERATORS)}, stated; found {found or 'none'}")
    holds = OPERATORS[found[0]](clause[found[0]])
    return Condition(lambda values: holds(values[fact]) if fact in values else None, (fact,))


def _negate(value: bool | None) -> bool | None:
    return None if value is None else not value


def _combine(kind: str, clause: Mapping[str, Any]) -> Condition:
    parts = tuple(compile_clause(part) for part in clause[kind])
    facts = tuple(dict.fromkeys(fact for part in parts for fact in part.facts))
    decisive = kind == "any"

    def test(values: Values) -> bool | None:
        unknown = False
        for part in parts:
            result = part.test(values)
            if result is decisive:
                return decisive
            unknown = unknown or result is None
        return None if unknown else not decisive

    return Condition(test, facts)
