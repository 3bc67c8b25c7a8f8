"""Blocks of the way out: plans with their peaks, changes and diffs; every format draws these."""

from typing import Literal, TypeAlias

from oomdoc.facts.lazy import dataclass

Fits: TypeAlias = Literal["yes", "close", "no"]


@dataclass(frozen=True, slots=True)
class Change:
    """One option as it will read and where it stands; `why` it is left to the person, empty where it was placed."""

    native: str
    place: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Peak:
    """A plan's predicted memory on the card with its bounds. `fits` is "close" where the upper bound passes the card;
    `slower` is a factor of time."""

    device_bytes: int
    low_bytes: int
    high_bytes: int
    capacity_bytes: int
    saves_bytes: int
    fits: Fits
    slower: float = 1.0


@dataclass(frozen=True, slots=True)
class Diff:
    """The change of one file as a unified diff; nothing is written by showing it."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class PlanCard:
    """One plan: what it does, its promise, its changes, and what else is to be said of it, in sentences."""

    number: int
    title: str
    promise: str
    changes: tuple[Change, ...]
    peak: Peak | None = None
    remarks: tuple[str, ...] = ()
    cost: tuple[str, ...] = ()
    diffs: tuple[Diff, ...] = ()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlansBlock:
    """The way out: how the run stands, what is done by hand, the plans, and popular advice that does not help."""

    sentences: tuple[str, ...]
    cards: tuple[PlanCard, ...]
    hands: tuple[str, ...] = ()
    hands_first: bool = False
    advice: tuple[str, ...] = ()
    nothing: str = ""
