"""Memory figures that a log prints step after step, and how they move: flat, in steps, a steady leak, rising.

How each program prints them is data (`knowledge/logs/series.yaml`).
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

from oomdoc.facts import base
from oomdoc.facts.case import Series
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.ingest.document import Document

Trend: TypeAlias = Literal["flat", "steps", "leak", "rising", "short"]
_Points: TypeAlias = list[tuple[int, int, int]]

_UNITS: Final = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MOST_POINTS: Final = 20_000
# Fewer points say nothing about a trend.
_FEWEST: Final = 4
# Caching allocators settle within the first steps; what moves less than this is noise of shapes and rounding.
_NOISE: Final = 0.03
# A leak raises the figure in at least this share of the intervals, by steps that resemble one another.
_STEADY_SHARE: Final = 0.7


def read(document: Document) -> list[Series]:
    """Every series of a document, one a process and figure, in the order of their first points."""
    found = []
    for stream in document.streams:
        for entry in _entries():
            if not any(needs in stream.text for needs in entry["needs"]):
                continue
            points = _points(stream, entry)
            if len(points) >= entry.get("at_least", 1):
                found.append(_series(stream, entry["name"], points))
    return sorted(found, key=lambda series: series.points[0][2])


@cache
def _entries() -> list[dict[str, Any]]:
    return list(base.section("logs")["series.yaml"]["series"])


@cache
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source)


def _series(stream: Document, name: str, points: _Points) -> Series:
    trend, growth = judge([(step, size) for step, size, _ in points])
    rank = stream.lines[0].rank if stream.lines else None
    return Series(name=name, rank=rank, file=stream.file, points=tuple(points), trend=trend, growth_per_step=growth)


def _lines(stream: Document, needs: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(physical number, text) of the lines that hold one of the words."""
    text = stream.text
    for word in needs:
        place = text.find(word)
        while place >= 0:
            index = stream.index_at(place)
            line = stream.lines[index]
            yield line.number, line.text
            place = text.find(word, stream.start_of(index) + len(line.text) + 1)


def _points(stream: Document, entry: dict[str, Any]) -> _Points:
    """(step, bytes, line): the printed step where there is one, else the count of the points."""
    value, step = _pattern(entry["value"]), _pattern(entry["step"]) if "step" in entry else None
    points: _Points = []
    for number, text in sorted(dict(_lines(stream, entry["needs"])).items()):
        match = value.search(text)
        if match is None:
            continue
        stepped = step.search(text) if step else None
        unit = (match.groupdict().get("unit") or entry.get("unit") or "b").lower()
        size = int(float(match["value"]) * _UNITS[unit[0]])
        position = int(stepped[1]) if stepped else len(points) + 1
        if size > 0 and (not points or position != points[-1][0] or size != points[-1][1]):
            points.append((position, size, number))
        if len(points) >= _MOST_POINTS:
            break
    if any(later < earlier for (earlier, *_), (later, *_) in pairwise(points)):  # a counter that starts anew each epoch
        points = [(place, size, number) for place, (_, size, number) in enumerate(points, 1)]
    return points


def judge(points: Sequence[tuple[int, int]]) -> tuple[Trend, float | None]:
    """How (step, bytes) move, and bytes per step between the settled first point and the last.

    flat: nothing beyond noise; steps: few jumps and long rests (the largest input so far, or a changed phase);
    leak: it grows in most intervals by similar amounts; rising: it grows otherwise.
    """
    if len(points) < _FEWEST:
        return "short", None
    settled = list(points[1:]) if len(points) > _FEWEST else list(points)  # the first step fills the caches
    sizes = [size for _, size in settled]
    span = max(settled[-1][0] - settled[0][0], 1)
    growth = (sizes[-1] - sizes[0]) / span
    low, high = min(sizes), max(sizes)
    if high - low <= _NOISE * high:
        return "flat", growth
    moves = [later - earlier for earlier, later in pairwise(sizes)]
    if sizes[-1] - sizes[0] <= _NOISE * high:
        return "flat", growth  # it went up and came back: nothing is kept
    ups = [move for move in moves if move > 0]
    fallen = -sum(move for move in moves if move < 0)
    if fallen > 0.5 * sum(ups):
        return "rising", growth
    if len(ups) >= _STEADY_SHARE * len(moves) and max(ups) <= 4 * sorted(ups)[len(ups) // 2]:
        return "leak", growth
    if len(ups) <= 0.5 * len(moves):
        late = moves[len(moves) // 2 :]
        even = sum(late) > 0.35 * sum(ups) and len(ups) >= 4 and max(ups) <= 2 * min(ups)
        return ("leak" if even else "steps"), growth
    return "rising", growth


def facts(series: Sequence[Series]) -> list[Fact]:
    """`run.memory_trend`, `run.memory_first_bytes` and `run.memory_last_bytes` of the series that says most."""
    telling = sorted(series, key=lambda one: (one.trend == "short", one.trend == "flat", -len(one.points)))
    if not telling:
        return []
    chosen = telling[0]
    first, last = chosen.points[0], chosen.points[-1]
    source = Source(how=How.LOG, file=chosen.file, line=last[2], native=chosen.name)
    found = []
    if chosen.trend != "short":
        found.append(Fact(name="run.memory_trend", value=chosen.trend, source=source, rank=chosen.rank))
    first_source = source.model_copy(update={"line": first[2]})
    found.append(Fact(name="run.memory_first_bytes", value=first[1], source=first_source, rank=chosen.rank))
    found.append(Fact(name="run.memory_last_bytes", value=last[1], source=source, rank=chosen.rank))
    return found
