"""Figures as text. The vocabulary costs 65 ms of imports: it comes with the first figure, not the first frame."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oomdoc.facts.fact import Fact


def size(count: float) -> str:
    """Bytes as people read them."""
    from oomdoc.facts import units

    return units.size(count)


def show_fact(fact: "Fact") -> str:
    """The value of a fact in its unit."""
    from oomdoc.facts import units

    return units.show_fact(fact)
