"""Recognises names of models in prose: hub ids by their shape, families by name (`knowledge/phrases/models.yaml`)."""

import re
from functools import cache

from oomdoc.facts import base
from oomdoc.facts.lazy import lazy

_BORDER = r"(?<![A-Za-z0-9_.-])"
_END = r"(?![A-Za-z0-9_])"
_SIZE = lazy(r"\d+(?:\.\d+)?[bB](?![a-zA-Z])")


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Hub ids (owner/Name with a family's name inside), and bare names."""
    knowledge = base.section("phrases")["models.yaml"]
    families = "|".join(sorted((re.escape(name) for name in knowledge["families"]), key=len, reverse=True))
    alone = "|".join(knowledge["alone"])
    named = rf"[\w.-]*(?i:{families})[\w.-]*?\d[\w.-]*"
    hub = re.compile(rf"(?<![\w./:-])([A-Za-z][\w-]{{1,38}}/{named})(?<![.-])(?![\w/])")
    bare = re.compile(rf"{_BORDER}(?:(?i:{families})(?:{knowledge['tail']})|(?i:{alone})){_END}")
    return hub, bare


@cache
def _size_first() -> re.Pattern[str]:
    knowledge = base.section("phrases")["models.yaml"]
    families = "|".join(sorted((re.escape(name) for name in knowledge["families"]), key=len, reverse=True))
    return re.compile(
        rf"{_BORDER}(?P<size>\d+(?:\.\d+)?[bB])[ -](?P<family>(?i:{families})(?:{knowledge['tail']}))(?![A-Za-z0-9_/])"
    )


def find(text: str) -> list[tuple[str, int, int]]:
    """(name, start, end) of every model named in a text; a bare family is left out."""
    hub, bare = _patterns()
    found = [(match[1], match.start(1), match.end(1)) for match in hub.finditer(text)]
    taken = [(start, end) for _, start, end in found]
    for match in _size_first().finditer(text):  # "a 30B LLaMA", "13b vicuna-v1.5"
        family = match["family"].strip(" -_.")
        if not _SIZE.search(family):
            start = match.start()
            taken.append((start, match.end()))
            found.append((f"{family}-{match['size']}", start, match.end()))
    for match in bare.finditer(text):
        name = match[0].strip(" -_.")
        if any(start <= match.start() < end for start, end in taken):
            continue
        start = match.start()
        owner = re.search(r"[\w-]{2,38}/$", text[:start])
        after = text[match.end() : match.end() + 1]
        if owner is not None and after == "/":
            continue
        if re.search(r"\d", name) or _is_alone(name):
            found.append((name, start, start + len(name)))
    return sorted(found, key=lambda entry: entry[1])


@cache
def _alone() -> re.Pattern[str]:
    return re.compile("|".join(base.section("phrases")["models.yaml"]["alone"]), re.IGNORECASE)


def _is_alone(name: str) -> bool:
    return _alone().fullmatch(name) is not None


def detail(name: str) -> int:
    """How much a name says: a size in billions counts most, then versions and variants."""
    sized = re.search(r"\d+(?:\.\d+)?[bB](?![a-z])", name) is not None
    return 10 * sized + len(re.findall(r"\d+|[A-Za-z]+", name))
