"""Whether the program reached its end, by what it prints only then (`knowledge/logs/endings.yaml`).

Silence is no end: a process that was killed prints nothing either.
"""

import re
from functools import cache
from typing import Any

from oomdoc.facts import base
from oomdoc.facts.fact import Fact
from oomdoc.ingest.document import Document
from oomdoc.ingest.stated import stated


def read(document: Document) -> list[Fact]:
    """`run.finished` where the end of the log says so and nothing was begun behind it."""
    knowledge = _knowledge()
    text = document.text
    low = max(len(text) - int(knowledge["reach"]), 0)
    found = max((_last(text, low, entry) for entry in knowledge["ends"]), default=-1)
    if found < 0 or any(text.find(begin, found) >= 0 for begin in knowledge["begins"]):
        return []
    return [stated(document, "run.finished", True, found)]


def _last(text: str, low: int, entry: dict[str, str]) -> int:
    """The start of the last line that is this ending; -1 without one."""
    place = text.rfind(entry["needs"], low)
    while place >= low:
        start = text.rfind("\n", 0, place) + 1
        end = text.find("\n", place)
        line = text[start : end if end >= 0 else len(text)]
        if "pattern" not in entry or _pattern(entry["pattern"]).search(line):
            return start
        place = text.rfind(entry["needs"], low, start)
    return -1


@cache
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source)


def _knowledge() -> dict[str, Any]:
    return dict(base.section("logs")["endings.yaml"])
