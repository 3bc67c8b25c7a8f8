"""That memory ran out, in a person's words alone: read only where no program's own message says it.

The phrases are data (`knowledge/phrases/memory.yaml`); the sentence around a vague one tells which memory is meant.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Final

from oomdoc.facts import base
from oomdoc.facts.case import Event, Memory
from oomdoc.facts.lazy import lazy
from oomdoc.ingest.document import Document, Line
from oomdoc.ingest.events import Sighting
from oomdoc.ingest.phases import Judgement
from oomdoc.ingest.sentences import Prose, human

_FIRM: Final = ("oom", "wrapper", "told", "lookalike")
_MOST_MATCHES: Final = 12
_QUOTE: Final = 200
_LAST_LINES: Final = 2_000
_RAISED = lazy(
    r"^(?=.*(?:Error|Exception|enforce fail)).*?(?i:out of memory|insufficient memory|not enough memory|MemoryError)"
)
_HARMLESS = lazy(r"(?i)no out of memory|not an? out of memory")


def needed(found: list[Sighting]) -> bool:
    """Whether no message leaves it certain which memory ran out."""
    return not any(_is_firm(one.event) for one in found)


def _is_firm(event: Event) -> bool:
    if event.kind == "wrapper" and event.memory == "none":  # an exit code says only that it failed
        return False
    return event.kind in _FIRM and event.fatal and not event.vague


def sightings(document: Document) -> list[Sighting]:
    """What the prose of a document says, in the order of the text: one statement for each kind of phrase."""
    prose = human(document)
    if not prose.text:
        return _raised(document)
    said = sorted(_told(prose), key=lambda statement: statement[0])
    told = [_sighting(document, prose, place, memory, vague=vague) for place, memory, vague in said]
    return told or _raised(document)


def _raised(document: Document) -> list[Sighting]:
    """An exception of a program that the message stock does not know, where it speaks of memory."""
    for line in document.lines[-_LAST_LINES:]:
        if _RAISED.search(line.text) and not _HARMLESS.search(line.text):
            host = _pattern(base.section("phrases")["memory.yaml"]["host_words"]).search(line.text) is not None
            memory: Memory = "host" if host or "MemoryError" in line.text else "gpu"
            return [_event(document, line, memory, vague=True)]
    return []


@cache
def _pattern(source: str) -> re.Pattern[str]:
    # ASCII: a word ends where Chinese begins ("int8推理")
    return re.compile(source, re.IGNORECASE | re.ASCII)


def _told(prose: Prose) -> Iterator[tuple[int, Memory, bool]]:
    knowledge = base.section("phrases")["memory.yaml"]
    lowered = prose.text.lower()
    for entry in knowledge["told"]:
        if not any(word in lowered for word in entry["needs"]):
            continue
        place = _place(prose, entry, knowledge["unless"])
        if place is None:
            continue
        memory: Memory = entry["memory"]
        vague = bool(entry.get("vague", False))
        sentence = prose.sentence(place, place + 1)
        gpu, host = _pattern(knowledge["gpu_words"]), _pattern(knowledge["host_words"])
        if vague and memory == "gpu" and not gpu.search(sentence):
            about = sentence if gpu.search(prose.text) else prose.text
            memory = "host" if host.search(about) else memory
        yield place, memory, vague


def _place(prose: Prose, entry: dict[str, Any], unless: str) -> int | None:
    """Where the first statement of an entry stands that its sentence does not take back."""
    refused = [_pattern(source) for source in (unless, entry.get("unless")) if source]
    places = [
        match.start()
        for source in entry["any"]
        for match in islice(_pattern(source).finditer(prose.text), _MOST_MATCHES)
        if not any(pattern.search(prose.sentence(*match.span())) for pattern in refused)
    ]
    return min(places, default=None)


def _sighting(document: Document, prose: Prose, place: int, memory: Memory, *, vague: bool) -> Sighting:
    return _event(document, document.at(prose.offset_of(place)), memory, vague=vague)


def _event(document: Document, line: Line, memory: Memory, *, vague: bool) -> Sighting:
    event = Event(
        template="told.oom" if vague and memory == "gpu" else f"told.{memory}",
        kind="told",
        memory=memory,
        file=document.file,
        line=line.number,
        text=line.text.strip()[:_QUOTE],
        rank=line.rank,
        vague=vague,
    )
    return Sighting(event, {}, {}, Judgement())
