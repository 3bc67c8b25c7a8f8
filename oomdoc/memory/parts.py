"""One addend of the memory of a run, before it is dressed as a profile: cheap to make thousands of times a second."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from oomdoc.memory.profile import Component, Term


class Part(NamedTuple):
    """Bytes of one thing, the half-width of its error, and how it came about (`formula` is formatted on demand)."""

    component: Component
    name: str
    bytes: int
    error: int = 0
    formula: str = ""
    values: tuple[Any, ...] = ()

    def scaled(self, share: float) -> "Part":
        """This part times a share, e.g. one rank's."""
        return self._replace(bytes=int(self.bytes * share), error=int(self.error * share))

    def term(self) -> Term:
        """The part as a profile shows it."""
        return Term(
            component=self.component,
            name=self.name,
            bytes=self.bytes,
            error_bytes=self.error,
            formula=self.formula.format(*self.values) if self.values else self.formula,
        )


def part(component: Component, name: str, size: float, error: float, formula: str = "", *values: Any) -> Part:
    """A part of `size` bytes whose true value lies within `error` (a share of the size) of it."""
    whole = int(size)
    return Part(component, name, whole, int(whole * error), formula, values)


def total(parts: Iterable[Part]) -> int:
    """Bytes of all parts together."""
    return sum(each.bytes for each in parts)


def spread(parts: Iterable[Part]) -> int:
    """Error of a sum: independent terms, so the square root of the sum of squares."""
    return int(sum(each.error**2 for each in parts) ** 0.5)
