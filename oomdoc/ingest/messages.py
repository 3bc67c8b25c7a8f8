"""Finds the messages of a text: which template, where, and its figures. Knows no message itself; those are data."""

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cache

from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.ingest.figures import Figures, read
from oomdoc.ingest.pattern import compile_pattern, flatten, gist, vocabulary
from oomdoc.ingest.template import Entry, Needs, Template, anchors, entries

__all__ = ["Found", "Template", "anchors", "check", "find_messages"]

# What a variant's own words may stand before and after the common part of the message.
_BEFORE, _AFTER = 60, 1200
# No message is longer; also what a pattern may need before its anchor.
_LONGEST, _LEAD, _LEAD_OVER_LINES = 6000, 400, 4200
# One search serves all anchors in its window, so that a text of nothing but anchors stays linear.
_WINDOW = 30_000
# A pattern that spans lines costs a millisecond where it fails; no log has so many tables.
_TRIALS_OVER_LINES = 200
_SAME_BREATH = 200


@dataclass(frozen=True, slots=True)
class Found:
    """One message: `start`/`end` are offsets in the text, `figures` canonical names without `oom.` in bytes.

    `tolerance` is the half-width of a printed figure's rounding in bytes; `facts` are other canonical facts that the
    message proves.
    """

    template: Template
    start: int
    end: int
    figures: Figures
    tolerance: dict[str, int]
    facts: dict[str, Value]


@dataclass(frozen=True, slots=True)
class _Hit:
    entry: Entry
    pattern: str
    match: re.Match[str]


def find_messages(text: str) -> list[Found]:
    """Every message in a text of cleaned lines, sorted by start; where several templates fit, the most specific."""
    flat = flatten(text)
    short = gist(flat)
    words = vocabulary(short)
    likely = [
        (entry, needs)
        for entry in entries()
        for needs in entry.patterns
        if needs.words <= words and all(key in short for key in needs.keys)
    ]
    strong = [hit for entry, needs in likely if not entry.weak for hit in _hits(flat, entry, needs, ())]
    taken = sorted(hit.match.span() for hit in strong)
    weak = [hit for entry, needs in likely if entry.weak for hit in _hits(flat, entry, needs, taken)]
    kept = _resolve(strong + weak)
    firm = [hit.match.start() for hit in kept if not hit.entry.weak] + [len(text)]
    return [_found(text, flat, hit, firm[bisect_right(firm, hit.match.start(), 0, len(firm) - 1)]) for hit in kept]


def _hits(flat: str, entry: Entry, needs: Needs, taken: Sequence[tuple[int, int]]) -> Iterator[_Hit]:
    """Matches of one pattern that hold its anchor, left to right."""
    matcher: re.Pattern[str] | None = None
    refused = entry.raw.get("unless", ())
    over_lines = ":lines}" in needs.pattern
    trials = _TRIALS_OVER_LINES if over_lines else sys.maxsize
    lead = _lead(needs, over_lines=over_lines)
    done = nothing_before = 0
    for place in _places(flat, needs.anchor):
        if place < max(done, nothing_before) or _covered(taken, place):
            continue
        if (trials := trials - 1) < 0:
            return
        matcher = matcher or compile_pattern(needs.pattern)
        match = matcher.match(flat, place, place + _LONGEST)
        if match is None and lead is not None:
            begin = max(done, flat.rfind("\n", 0, place) + 1 if lead == 0 else place - lead)
            if lead == 0:
                match = matcher.match(flat, begin, place + _LONGEST)
            else:
                match = matcher.search(flat, begin, place + _WINDOW)
                while match is not None and match.end() <= place:
                    match = matcher.search(flat, match.end(), place + _WINDOW)
                nothing_before = match.start() if match else place + _WINDOW - _LONGEST
        if match is not None and match.start() <= place < match.end():
            done = match.end()
            near = " ".join(flat[max(0, match.start() - 12) : match.end() + 12].split())
            if not any(word in near for word in refused):
                yield _Hit(entry, needs.pattern, match)


def _lead(needs: Needs, *, over_lines: bool) -> int | None:
    """How far before its anchor a pattern may start: None where the anchor begins it, 0 where a line does."""
    written = " ".join(flatten(needs.pattern).split())
    if written.startswith(needs.anchor):
        return None
    if written.startswith("^") and written[1:].lstrip().startswith(needs.anchor):
        return 0
    return _LEAD_OVER_LINES if over_lines else _LEAD


def _covered(taken: Sequence[tuple[int, int]], place: int) -> bool:
    before = bisect_right(taken, (place, sys.maxsize)) - 1
    return before >= 0 and place < taken[before][1]


def _places(flat: str, anchor: str) -> Iterator[int]:
    """Where an anchor stands, its blanks being any run of blanks."""
    if " " in anchor:
        for found in _spaced(anchor).finditer(flat):
            yield found.start()
        return
    place = flat.find(anchor)
    while place >= 0:
        yield place
        place = flat.find(anchor, place + 1)


@cache
def _spaced(anchor: str) -> re.Pattern[str]:
    return re.compile(re.escape(anchor).replace(r"\ ", r"\s+"))


def _resolve(hits: list[_Hit]) -> list[_Hit]:
    """Hits that do not overlap: longer ones first, fallbacks and spoken words last, then the order of the base."""
    hits.sort(
        key=lambda hit: (
            hit.entry.weak,
            hit.match.start() - hit.match.end(),
            hit.entry.rank,
        )
    )
    starts: list[int] = []
    kept: list[_Hit] = []
    for hit in hits:
        begin, end = hit.match.span()
        place = bisect_left(starts, begin)
        if place < len(kept) and kept[place].match.start() < end:
            continue
        if place and kept[place - 1].match.end() > begin:
            continue
        starts.insert(place, begin)
        kept.insert(place, hit)
    return [hit for before, hit in zip([None, *kept], kept, strict=False) if not _repeats(before, hit)]


def _repeats(before: _Hit | None, hit: _Hit) -> bool:
    """One failure often names itself twice in one breath; templates that say so count once."""
    return (
        before is not None
        and before.entry is hit.entry
        and bool(hit.entry.raw.get("once"))
        and hit.match.start() - before.match.end() < _SAME_BREATH
    )


def _found(text: str, flat: str, hit: _Hit, following: int) -> Found:
    start, end = hit.match.span()
    figures, tolerance = read(
        hit.pattern, hit.match, text, hit.entry.template, floor=hit.entry.raw.get("rounding") == "floor"
    )
    template = hit.entry.template
    facts = {name: figures.pop(name) for name in tuple(figures) if "." in name}
    if hit.entry.variants:
        region = " ".join(flat[max(0, start - _BEFORE) : min(end + _AFTER, following)].split())
        for variant in hit.entry.variants:
            if _tells(variant, region, figures):
                template = variant.template
    return Found(template, start, end, figures, tolerance, {**template.sets, **facts})


def _tells(variant: Entry, region: str, figures: Figures) -> bool:
    words = variant.raw.get("tells", ())
    wanted = variant.raw.get("when", {})
    return all(word in region for word in words) and all(figures.get(name) in values for name, values in wanted.items())


def check() -> list[str]:
    """The lint of the templates: every fault in one line, their examples read to the exact figures."""
    from oomdoc.ingest import template_check  # imported here: needs pydantic and the vocabulary

    return template_check.check()
