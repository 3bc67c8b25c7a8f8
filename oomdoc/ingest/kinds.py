"""Whether a person speaks of a training or an inference run; the words are data (`knowledge/phrases/phases.yaml`)."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Final

from oomdoc.facts import base
from oomdoc.facts.fact import Fact, How
from oomdoc.ingest.document import Document
from oomdoc.ingest.sentences import Prose, human
from oomdoc.ingest.stated import stated

_MOST_MATCHES: Final = 12
# Scripts are looked for where people paste commands and tracebacks, not through a long log.
_REACH: Final = 24_000


def read(document: Document) -> list[Fact]:
    """`run.kind` where title, prose or scripts name one kind only."""
    prose = human(document)
    title = len(prose.text) - len(prose.text.lstrip("\n"))
    first_line = prose.text.find("\n", title)
    started = dict(_scripts(document.text[:_REACH]))
    if "serve" in started:  # a serving engine's own command or words say it best
        return [stated(document, "run.kind", "serve", started["serve"], How.TOLD)]
    places = _said(prose, len(prose.text) if first_line < 0 else first_line) or _said(prose, len(prose.text))
    if len(places) == 1:
        kind, place = next(iter(places.items()))
        return [stated(document, "run.kind", kind, prose.offset_of(place), How.TOLD)]
    if len(started) == 1:
        kind, place = next(iter(started.items()))
        return [stated(document, "run.kind", kind, place, How.TOLD)]
    return []


@cache
def _pattern(source: str) -> re.Pattern[str]:
    # ASCII: a word ends where Chinese begins ("int8推理")
    return re.compile(source, re.IGNORECASE | re.ASCII)


def _knowledge() -> dict[str, Any]:
    return dict(base.section("phrases")["phases.yaml"])


def _said(prose: Prose, end: int) -> dict[str, int]:
    """Kind -> where the prose up to `end` names it, in sentences that do not speak of what works."""
    knowledge = _knowledge()
    works = _pattern(base.section("phrases")["settings.yaml"]["works"])
    other = _pattern(knowledge["not"])
    text = prose.text[:end]
    lowered = text.lower()
    found: dict[str, int] = {}
    for entry in knowledge["kinds"]:
        if not any(word in lowered for word in entry["needs"]):
            continue
        for source in entry["any"]:
            for match in islice(_pattern(source).finditer(text), _MOST_MATCHES):
                sentence = prose.sentence(*match.span())
                if not works.search(sentence) and not other.search(sentence):
                    found.setdefault(entry["kind"], match.start())
                    break
    return found


def _scripts(text: str) -> Iterator[tuple[str, int]]:
    for entry in _knowledge()["scripts"]:
        if match := _pattern(entry["pattern"]).search(text):
            yield entry["kind"], match.start()
