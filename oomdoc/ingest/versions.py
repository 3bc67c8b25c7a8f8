"""Reads installed versions out of pip lists, environment reports, banners, wheel names and people's notes."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from oomdoc.facts import base
from oomdoc.facts.fact import Fact, How
from oomdoc.facts.lazy import lazy
from oomdoc.ingest.digest import digest
from oomdoc.ingest.document import Document
from oomdoc.ingest.stated import stated

_VERSION: Final = r"v?(\d+(?:\.\d+)+(?:\.?(?:dev|post|rc|a|b)\d+)*(?:\+[\w.]+)?)"
# A comparison ("torch>=2.0", "torch < 2.1") states a need, not what is installed.
# "torch2.1.0": glued only where two dots or a build say that it is a version ("llava1.5" is a model), or the word does.
_GLUED: Final = r"(?:(?<=torch)|(?<=cuda)|(?<=tensorflow)|(?=\d+\.\d+(?:\.\d+|\+)))(?=\d)"
_JOINED: Final = (
    rf"(?:{_GLUED}|\s*==\s*|[ \t]*[:：=][ \t]*"
    r"|[ \t]*(?:版本|version)[ \t]*(?:[:：=是为]|is)?[ \t]*"
    r"|\s+(?:version|版本)?(?:是|为|is)?[ \t:：]*|[`'\"]?[ \t]*\|[ \t]*|-)"
)
_AFTER: Final = rf"[`*'\"\]]{{0,3}}{_JOINED}[`*'\"]{{0,2}}{_VERSION}(?![\w%]|\.\d)"
_ASKED = lazy(rf"\b(\w+)\.__version__[)\"'\s]*\n[>\s'\"]*{_VERSION}['\"]?\s*$", re.MULTILINE)
_BEFORE = lazy(r"(?:[\w./-]|build )\Z")
_MAX_MENTIONS: Final = 100
# A remark about a version stands this close to it.
_REMARK: Final = 48
_LONGEST_NAME: Final = 24
_NUMBER_SOON = lazy(r"[^\d\n/\\]{0,28}?\d+\.\d")
_LOCAL_BUILD = lazy(r"\+cu(\d{2,3})\b")


def read(document: Document) -> list[Fact]:
    """Facts `env.*` and `framework.version`, in the order of the text; what was printed for the run comes first."""
    document = digest(document)
    firm: list[tuple[str, str, int]] = []
    weak: list[tuple[str, str, int]] = []
    for name, value, offset, is_weak in (*_lines(document.text), *_mentions(document.text), *_asked(document.text)):
        (weak if is_weak else firm).append((name, value, offset))
    known = {name for name, _, _ in firm}
    kept: dict[tuple[str, str], Fact] = {}
    for name, value, offset in sorted(firm, key=lambda entry: entry[2]) + [e for e in weak if e[0] not in known]:
        kept.setdefault((name, value), stated(document, name, value, offset))
    facts = list(kept.values())
    return facts + _from_builds(facts) + _from_allocator(facts)


@cache
def _knowledge() -> dict[str, Any]:
    return dict(base.section("logs")["versions.yaml"])


@cache
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source, re.MULTILINE | re.IGNORECASE if source is _AFTER else re.MULTILINE)


def _lines(text: str) -> Iterator[tuple[str, str, int, bool]]:
    for entry in _knowledge()["lines"]:
        needs = entry["needs"]
        place, seen = text.find(needs), 0
        while place >= 0 and seen < 3:
            start = text.rfind("\n", 0, place) + 1
            end = text.find("\n", place)
            end = len(text) if end < 0 else end
            line = text[start:end]
            if any(word in line for word in entry.get("unless", ())):
                match = None
            else:
                match = _pattern(entry["pattern"]).search(line + "\n")
            if match:
                yield entry["fact"], _tidy(entry["fact"], match[1]), start + match.start(1), bool(entry.get("weak"))
            seen += 1
            place = text.find(needs, end)


def _tidy(name: str, value: str) -> str:
    if name == "env.python" and re.fullmatch(r"\d{2,3}", value):
        return f"{value[0]}.{value[1:]}"
    return value.rstrip(".,;")


def _mentions(text: str) -> Iterator[tuple[str, str, int, bool]]:
    """`torch==2.1.0`, "torch 2.1", "| torch | 2.1 |", "- Transformers: 4.36.2", "PyTorch版本：2.1"."""
    knowledge = _knowledge()
    lowered = text.lower()
    if len(lowered) != len(text):  # a letter that changes length in lower case would shift every offset
        lowered = text
    for stem, words in _stems().items():
        place, count = lowered.find(stem), 0
        while place >= 0 and count < _MAX_MENTIONS:
            following = place + len(stem)
            if _NUMBER_SOON.match(lowered, following) and not _BEFORE.search(text, max(place - 8, 0), place):
                count += 1
                name = lowered[place : place + _LONGEST_NAME].replace("_", "-")
                word = next((word for word in words if name.startswith(word)), None)
                match = _pattern(_AFTER).match(text, place + len(word)) if word else None
                if word and match and not _works_there(text, place):
                    fact = knowledge["packages"].get(word) or "framework.version"
                    yield fact, match[1], place, False
            place = lowered.find(stem, following)


def _asked(text: str) -> Iterator[tuple[str, str, int, bool]]:
    """What `print(torch.__version__)` answers on the next line."""
    if "__version__" in text:
        for match in _ASKED.finditer(text):
            fact = _knowledge()["packages"].get(match[1].lower())
            if fact:
                yield fact, match[2], match.start(2), False


def _works_there(text: str, place: int) -> bool:
    """It is said that this version is fine: it is not that of the crashed run."""
    end = text.find("\n", place)
    start = max(text.rfind("\n", 0, place) + 1, place - _REMARK)
    line = text[start : min(end if end >= 0 else len(text), place + _REMARK)].lower()
    return any(word in line for word in _knowledge()["works_with"])


@cache
def _stems() -> dict[str, list[str]]:
    """Package words, longest first, by what they begin with."""
    grouped: dict[str, list[str]] = {}
    for word in sorted({*_knowledge()["packages"], *_knowledge()["frameworks"]}, key=len, reverse=True):
        grouped.setdefault(re.split(r"[- ]", word)[0], []).append(word)
    return grouped


def _from_builds(facts: list[Fact]) -> list[Fact]:
    """CUDA as PyTorch was built for it, where nobody printed it: "2.1.0+cu121" means 12.1."""
    if any(fact.name == "env.cuda" for fact in facts):
        return []
    for fact in facts:
        if fact.name == "env.torch" and (match := _LOCAL_BUILD.search(str(fact.value))):
            digits = match[1]
            source = fact.source.model_copy(update={"how": How.DERIVED, "derived_from": ("env.torch",)})
            return [Fact(name="env.cuda", value=f"{digits[:-1]}.{digits[-1]}", source=source)]
    return []


def _from_allocator(facts: list[Fact]) -> list[Fact]:
    """Whether segments can grow in place, where the allocator's settings were printed."""
    return [
        Fact(
            name="env.expandable_segments",
            value="expandable_segments:true" in str(fact.value).lower(),
            source=fact.source,
        )
        for fact in facts
        if fact.name == "env.alloc_conf"
    ][:1]
