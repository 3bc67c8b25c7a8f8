"""Which cards would hold a run: the smallest sizes that are enough, by name."""

from functools import cache
from typing import Any, NamedTuple

from oomdoc.facts import base
from oomdoc.facts.units import GIB

_MOST = 3


class Card(NamedTuple):
    """A card and the bytes that PyTorch sees of it."""

    name: str
    usable: int


@cache
def cards() -> tuple[Card, ...]:
    """Every card of known size, the smallest first."""
    entries: dict[str, Any] = base.section("gpus")["gpus.yaml"]["cards"]
    found = []
    for name, entry in entries.items():
        usable = entry.get("usable_gib") or ()
        usable = usable if isinstance(usable, list | tuple) else (usable,)
        size = min(usable) if usable else 0.985 * (entry.get("memory_gib") or 0)
        if size and entry.get("vendor", "nvidia") == "nvidia":
            found.append(Card(name, int(size * GIB)))
    return tuple(sorted(found, key=lambda card: (card.usable, card.name)))


def cards_that_fit(needed: int) -> tuple[Card, ...]:
    """The smallest cards of different sizes that hold `needed` bytes; none where no card is that large."""
    found: list[Card] = []
    for card in cards():
        if card.usable >= needed and (not found or card.usable > found[-1].usable * 1.15):
            found.append(card)
    return tuple(found[:_MOST])
