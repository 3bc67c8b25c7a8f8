"""Reads installed versions out of pip lists, environment reports, banners, wheel names and people's notes."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from oomdoc.facts import base
from oomdoc.facts.fact import Fact, How
from oomdoc.ingest.document import Document
from oomdoc.ingest.stated import stated

_VERSION: Final = r"v?(\d+(?:\.\d+)+(?:\.?(?:dev|post|rc|a|b)\d+)*(?:\+[\w.]+)?)"
# A comparison ("torch>=2.0", "torch < 2.1") states a need, not what is installed.
_JOINED: Final = r"(?:\s*==\s*|[ \t]*[:：=][ \t]*|\s+(?:version|版本)?(?:是|为|is)?[ \t:：]*|[`'\"]?[ \t]*\|[ \t]*|-)"
_MAX_MENTIONS: Final = 400
_LOCAL_BUILD = re.compile(r"\+cu(\d{2,3})\b")


def read(document: Document) -> list[Fact]:
    """Facts `env.*` and `framework.version`, in the order of the text; what was printed for the run comes first."""
    firm: list[tuple[str, str, int]] = []
    weak: list[tuple[str, str, int]] = []
    for name, value, offset, is_weak in (*_lines(document.text), *_mentions(document.text)):
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
    return re.compile(source, re.MULTILINE)


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


@cache
def _mention() -> re.Pattern[str]:
    words = sorted({*_knowledge()["packages"], *_knowledge()["frameworks"]}, key=len, reverse=True)
    names = "|".join(re.escape(word).replace(r"\-", "[-_]?").replace(r"\ ", r"[ _]") for word in words)
    return re.compile(
        rf"(?<![\w./-])(?<!build )[`*'\"\[]{{0,3}}({names})[`*'\"\]]{{0,3}}{_JOINED}"
        rf"[`*'\"]{{0,2}}{_VERSION}(?![\w%]|\.\d)",
        re.IGNORECASE,
    )


def _mentions(text: str) -> Iterator[tuple[str, str, int, bool]]:
    """`torch==2.1.0`, "torch 2.1", "| torch | 2.1 |", "- Transformers: 4.36.2", "PyTorch版本：2.1"."""
    knowledge = _knowledge()
    for offset, near in _near_names(text):
        low = near.lower()
        if any(word in low for word in knowledge["works_with"]):
            continue
        for match in _mention().finditer(near):
            word = match[1].lower().replace("_", "-")
            fact = knowledge["packages"].get(word)
            if fact is None:
                fact = "framework.version" if word in knowledge["frameworks"] else None
            if fact:
                yield fact, match[2], offset + match.start(1), False


def _near_names(text: str) -> Iterator[tuple[int, str]]:
    """Lines that name a package and hold a dotted number; progress and loss lines never do."""
    count, offset = 0, 0
    hints = _hints()
    for line in text.split("\n"):
        if len(line) < 400 and "." in line and count < _MAX_MENTIONS and hints.search(line):
            count += 1
            yield offset, line
        offset += len(line) + 1


@cache
def _hints() -> re.Pattern[str]:
    stems = {re.split(r"[- ]", word)[0] for word in (*_knowledge()["packages"], *_knowledge()["frameworks"])}
    return re.compile("|".join(sorted(re.escape(stem) for stem in stems)), re.IGNORECASE)


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
