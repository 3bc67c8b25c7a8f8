"""A fact and where it came from. A missing fact is *unknown*; a fact whose value is None is known to be unset."""

from enum import StrEnum
from typing import Final, TypeAlias

from pydantic import Field

from oomdoc.facts.model import Model, Value


class How(StrEnum):
    """How a fact was obtained; the order is that of trust, most trusted first."""

    ANSWERED = "answered"  # the person said so when asked, or corrected us
    LIVE = "live"  # the machine says so now
    LOG = "log"  # the crashed program printed it
    COMMAND = "command"  # a launch command or script
    CONFIG = "config"  # a configuration file
    TOLD = "told"  # prose around the log: "I have two 4090s"
    DERIVED = "derived"  # computed from other facts
    CATALOG = "catalog"  # the knowledge base: models, GPUs
    DEFAULT = "default"  # a framework's default at a version
    ASSUMED = "assumed"  # ours, and marked as such


TRUST: Final = {how: place for place, how in enumerate(How)}


class Source(Model):
    """Where a fact was read: `line` counts from 1, `span` is the half-open character range in the decoded file."""

    how: How
    file: str | None = None
    line: int | None = None
    span: tuple[int, int] | None = None
    quote: str | None = None
    framework: str | None = None
    version: str | None = None
    native: str | None = Field(default=None, description="the name it had there, e.g. --per_device_train_batch_size")
    derived_from: tuple[str, ...] = ()
    status: str | None = Field(default=None, description="explicit, default, log, lost, misspelt, inactive")
    note: str | None = None


class Fact(Model):
    """A canonical name, its value in the vocabulary's unit (bytes are integers), and its source."""

    name: str
    value: Value
    source: Source
    rank: int | None = None
    tolerance: int | None = Field(default=None, description="half-width of the rounding of a printed figure, same unit")


class _Unknown:
    """The value of a fact nobody has stated; it is neither true nor false nor equal to anything but itself."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("unknown is neither true nor false; compare with `is UNKNOWN`")


UNKNOWN: Final = _Unknown()
Known: TypeAlias = Value | _Unknown
