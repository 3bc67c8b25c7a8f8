"""What an utterance names rather than sets: versions of packages, the framework, the platform (`named.yaml`)."""

import re
from functools import cache
from typing import Any, Final

from oomdoc.facts import base
from oomdoc.facts.model import Value

_VERSION: Final = (
    r"(\d{1,3}(?:\.\d+){1,3}(?:[.+-]?(?:rc|post|dev|cu)[a-z0-9.]*|a\d+|b\d+)?)"
    r"(?![\w%]|\.\d|\s?(?:[-~]|or |到|倍|g\b|gb|gib))"
)
_BOUND: Final = re.compile(r"(?:>|<|from|at least|至少|最低|before|below|above|than|从|低于|高于)=?\s?$")
_OPEN: Final = re.compile(r"\s?(?:\+|(?:or|and) (?:newer|later|above|older)|以上|以下|之前|之后|及以)")


@cache
def _knowledge() -> dict[str, Any]:
    return dict(base.section("chat")["named.yaml"])


@cache
def _versions() -> list[tuple[str, re.Pattern[str]]]:
    document = _knowledge()
    return [
        (fact, re.compile(rf"(?<![a-z0-9_./-])(?:{names}){document['between']}{_VERSION}"))
        for fact, names in document["versions"].items()
    ]


@cache
def _words(kind: str) -> list[tuple[str, re.Pattern[str]]]:
    return [
        (value, re.compile(rf"(?<![a-z0-9_./-])(?:{names})(?![a-z0-9_/-])"))
        for value, names in _knowledge()[kind].items()
    ]


def versions(text: str) -> list[tuple[str, Value, int, int]]:
    """(fact, version as written, start, end); bounds and ranges are no versions."""
    if not re.search(r"\d\.\d", text):
        return []
    return [
        (fact, match[1], *match.span())
        for fact, pattern in _versions()
        for match in pattern.finditer(text)
        if not _BOUND.search(text[: match.start(1)])
        and not _BOUND.search(text[: match.start()])
        and not _OPEN.match(text, match.end())
    ]


def surroundings(text: str) -> dict[str, Value]:
    """The one framework and the one platform that a statement names."""
    found: dict[str, Value] = {}
    for fact, kind in (("framework.name", "frameworks"), ("hardware.platform", "platforms")):
        named = [value for value, pattern in _words(kind) if pattern.search(text)]
        if len(named) == 1:
            found[fact] = named[0]
    return found


def of_others(text: str) -> bool:
    """Whether the figures are those of a paper, a tutorial, a price list."""
    return _compiled("others").search(text) is not None


def withdrawn(text: str, end: int) -> bool:
    """Whether what stands before is taken back: "that 24G is wrong"."""
    return _compiled("withdrawn").search(text[end:]) is not None


def forgotten(text: str) -> bool:
    """Whether something said earlier shall no longer count."""
    return _compiled("forget").search(text) is not None


def asks_for_shares(text: str) -> bool:
    """Whether "why" means which part of the memory is how large."""
    return _compiled("shares").search(text) is not None


@cache
def _compiled(key: str) -> re.Pattern[str]:
    return re.compile(_knowledge()[key])
