"""Settings that a program prints about itself when it starts; the lines are data (`knowledge/phrases/printed.yaml`)."""

import re
from functools import cache

from oomdoc.facts import base
from oomdoc.facts.fact import Fact
from oomdoc.facts.lazy import lazy
from oomdoc.facts.model import Value
from oomdoc.ingest.digest import digest
from oomdoc.ingest.document import Document
from oomdoc.ingest.stated import stated

_SIZE = lazy(r"(\d+(?:\.\d+)?)\s?([kmg])", re.IGNORECASE)
_SHIFT = {"k": 10, "m": 20, "g": 30}

_LONGEST = 19  # digits: what a count or a number of bytes can have


def read(document: Document) -> list[Fact]:
    """One fact a setting, the first that was printed."""
    document = digest(document)
    text = document.text
    kept: dict[str, Fact] = {}
    for entry in base.section("phrases")["printed.yaml"]["printed"]:
        place = text.find(entry["needs"])
        if place < 0:
            continue
        start = text.rfind("\n", 0, place) + 1
        end = text.find("\n", place)
        match = _pattern(entry["pattern"]).search(text[start : end if end >= 0 else len(text)])
        if match is None:
            continue
        value: Value = entry.get("value")
        if "of" in entry:
            value = _read(entry["of"], match[1])
        if value is not None:
            kept.setdefault(entry["fact"], stated(document, entry["fact"], value, start))
    return list(kept.values())


def _read(kind: str, text: str) -> int | None:
    if kind == "bytes":
        size = _SIZE.match(text)
        return int(float(size[1]) * (1 << _SHIFT[size[2].lower()])) if size else None
    digits = text.replace(",", "")
    return int(digits) if digits.isdecimal() and len(digits) < _LONGEST else None  # a figure that was cut is none


@cache
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source)
