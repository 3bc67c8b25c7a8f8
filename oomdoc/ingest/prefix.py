"""Prefixes of ranks, collectors and loggers, taken off lines as data. The forms are `knowledge/logs/prefixes.yaml`.

A form counts only where a text uses it regularly: ordinary text that looks like one stays as it is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from oomdoc.facts import base
from oomdoc.facts.lazy import dataclass, lazy

# Enough lines to know a text's habits; prefixes nest at most this deep (time, pod, rank, logger).
_SAMPLED: Final = 1500
_DEPTH: Final = 4
_LONGEST_PREFIX: Final = 300
_GROUP: Final = lazy(r"\(\?P<(\w+)>")


@dataclass(frozen=True, slots=True)
class Form:
    """One way to prefix a line; `least`, `share` and `repeats` say when it counts."""

    id: str
    match: re.Pattern[str]
    needs: tuple[str, ...]
    least: int = 1
    share: float = 0.0
    repeats: bool = False
    within: re.Pattern[str] | None = None
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the prefixes of one line said."""

    rank: int | None = None
    process: str | None = None
    time: str | None = None
    length: int = 0


_NONE: Final = Prefix()


@cache
def forms() -> tuple[Form, ...]:
    """Every known form, in the order in which they are tried."""
    found = []
    for raw in base.section("logs")["prefixes.yaml"]["forms"]:
        match = lazy(raw["pattern"], re.ASCII)
        within = lazy(f"(?<=[^\\s])(?={raw['within']})", re.ASCII) if "within" in raw else None
        found.append(
            Form(
                raw["id"],
                match,
                tuple(raw["needs"]),
                raw.get("least", 1),
                raw.get("share", 0.0),
                raw.get("repeats", False),
                within,
                frozenset(_GROUP.findall(raw["pattern"])),
            )
        )
    return tuple(found)


class Peeler:
    """Takes prefixes off the lines of one text, once `habits` has seen which forms it uses."""

    def __init__(self, layers: Sequence[tuple[Form, ...]]) -> None:
        self.layers = layers
        self._splitters = [form.within for layer in layers for form in layer if form.within]

    @property
    def idle(self) -> bool:
        """No form is in use."""
        return not self.layers

    def split(self, line: str) -> list[str]:
        """A line into which several processes wrote, cut where another one's prefix starts."""
        parts = [line]
        for splitter in self._splitters:
            parts = [piece for part in parts for piece in splitter.split(part)]
        return parts

    def peel(self, line: str) -> Prefix:
        """What the prefixes say, and how many characters they take."""
        rank: int | None = None
        process = time = None
        at = 0
        for layer in self.layers:
            for form in layer:
                match = form.match.match(line, at, at + _LONGEST_PREFIX)
                if match is None or match.end() == at:
                    continue
                if "rank" in form.groups and rank is None:
                    rank = int(match["rank"])
                if "process" in form.groups and process is None:
                    process = " ".join(match["process"].split())
                if "time" in form.groups and time is None:
                    time = match["time"]
                at = match.end()
                break
        return Prefix(rank, process, time, at) if at else _NONE


def habits(lines: Iterable[str]) -> Peeler:
    """The forms that a text uses regularly, outermost first."""
    rest = [line for line in _sample(list(lines)) if line.strip()]
    layers: list[tuple[Form, ...]] = []
    used: set[str] = set()
    for _ in range(_DEPTH):
        text = "\n".join(rest)
        layer = tuple(form for form in forms() if form.id not in used and _in_use(form, rest, text))
        if not layer:
            break
        layers.append(layer)
        used.update(form.id for form in layer)
        peeler = Peeler((layer,))
        rest = [line[peeler.peel(line).length :] for line in rest]
    return Peeler(tuple(layers))


def _in_use(form: Form, lines: Sequence[str], text: str) -> bool:
    if not any(word in text for word in form.needs):
        return False
    matches = [match for line in lines if (match := form.match.match(line)) and match.end()]
    if len(matches) < form.least or len(matches) < form.share * len(lines):
        return False
    if not form.repeats:
        return bool(matches)
    name = "rank" if "rank" in form.groups else "process"
    counted = Counter(match[name] for match in matches)
    return max(counted.values()) > 1 and len(counted) <= len(matches) * 0.6


def _sample(lines: list[str]) -> list[str]:
    """The start, the end and every so-manieth line between; lines with a bracketed word always, they are rare."""
    if len(lines) <= _SAMPLED:
        return lines
    third = _SAMPLED // 3
    middle = lines[third:-third]
    return [*lines[:third], *middle[:: max(1, len(middle) // third)], *lines[-third:]]
