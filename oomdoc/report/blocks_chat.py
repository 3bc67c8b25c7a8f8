"""Blocks that only a conversation has; the report's own blocks are drawn beside them. No block knows how it looks."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from oomdoc.report import blocks

Tone: TypeAlias = Literal["plain", "good", "warn", "sorry"]
_SAID_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class SaidBlock:
    """What the person said, where a conversation is shown again; of megabytes only the beginning is kept in `text`."""

    text: str
    chars: int
    lines: int

    @classmethod
    def of(cls, text: str) -> "SaidBlock":
        """The utterance as it will be shown."""
        return cls(text[:_SAID_CHARS], len(text), text.count("\n") + 1)


@dataclass(frozen=True, slots=True)
class SayBlock:
    """Sentences in the doctor's voice, one a paragraph; `tone` is a word first and a colour second."""

    sentences: tuple[str, ...]
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class TakenBlock:
    """What was understood of the last utterance: facts with the value they had before, None where they had none."""

    title: str
    rows: tuple[blocks.FactRow, ...]


@dataclass(frozen=True, slots=True)
class CompareRow:
    """One variant of the run: its predicted memory on the card, the range, its bar, and whether it fits."""

    label: str
    device_bytes: int
    low_bytes: int
    high_bytes: int
    segments: tuple[blocks.Segment, ...]
    fits: bool | None = None
    capacity_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class CompareBlock:
    """Bars on one scale, before and after a change; `scale_bytes` is the length of a full row."""

    title: str
    scale_bytes: int
    rows: tuple[CompareRow, ...]
    sentence: str = ""
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One plan of the short list: what it changes, in native words, its peak and its price."""

    number: int
    title: str
    changes: tuple[str, ...]
    promise: str
    cost: str
    peak_bytes: int
    fits: bool | None
    spare_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PlansBlock:
    """The plans that fit, the least costly first; `excluded` are the wishes that were kept to."""

    title: str
    rows: tuple[PlanRow, ...]
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DiffBlock:
    """A change of one file or command as a unified diff; nothing is written by showing it."""

    file: str
    text: str
    plan: int | None = None


@dataclass(frozen=True, slots=True)
class TermBlock:
    """A term explained, with where that stands."""

    term: str
    title: str
    text: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferBlock:
    """What can be said next, as utterances that will be understood: the nearest three, or the next steps."""

    title: str
    utterances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SumBlock:
    """The sum of evidence for one cause: signs with their weights in log-odds, the prior first, then their total."""

    title: str
    cause: str
    rows: tuple[blocks.Reason, ...]
    total: float
    probability: float


@dataclass(frozen=True, slots=True)
class HistoryBlock:
    """The turns so far: what was said and what came of it, oldest first."""

    title: str
    rows: tuple[tuple[str, str], ...]


ChatBlock: TypeAlias = (
    SaidBlock
    | SayBlock
    | TakenBlock
    | CompareBlock
    | PlansBlock
    | DiffBlock
    | TermBlock
    | OfferBlock
    | SumBlock
    | HistoryBlock
)
Block: TypeAlias = blocks.Block | ChatBlock
