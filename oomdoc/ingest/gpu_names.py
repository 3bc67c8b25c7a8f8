"""Recognises names of accelerators in any text, with how many and how large where that stands beside them.

The names are data (`knowledge/gpus.yaml`); a name that is also an ordinary word or number needs a card's company.
"""

import re
from functools import cache
from typing import Any, Final, NamedTuple

from oomdoc.facts import base
from oomdoc.facts.lazy import lazy

_NUMBERS: Final = {
    "one": 1,
    "single": 1,
    "two": 2,
    "dual": 2,
    "a pair of": 2,
    "pair of": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "eight": 8,
    "ten": 10,
    "sixteen": 16,
    "一": 1,
    "单": 1,
    "两": 2,
    "二": 2,
    "双": 2,
    "俩": 2,
    "一对": 2,
    "仨": 3,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "十": 10,
    "十六": 16,
}
_WORDS = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_UNIT = r"(?:GiB|GB|Gb|gb|G|g)(?![A-Za-z0-9])"
_SIZE_AFTER = lazy(
    r"^(?:s\b)?[ \-_(（,，/]{0,3}(?:(?:GPU)?[（(,，]每[张卡块]|每[张卡块]|显存|的|with|has|each|card|显卡|gpu)?"
    rf"(?:显存)?[ (（]{{0,2}}(\d{{1,3}})[ -]?{_UNIT}",
    re.IGNORECASE,
)
_SIZE_BEFORE = lazy(r"(?<![\d.])(\d{1,3})[ -]?(?:GiB|GB|Gb|gb|G|g)(?:显存)?[ -]?(?:VRAM )?的?\s?$")
_COUNT_BEFORE = lazy(
    rf"(?:(?<![\d.,A-Za-z_])(\d{{1,3}})|(?<![A-Za-z])({_WORDS}))"
    rf"[ \-]?(?:x|X|×|\*|张|块|卡|片|台|个|颗)?[ \-]?(?:的)?(?:nvidia|gpus?|显卡)?[ ]?$",
    re.IGNORECASE,
)
_COUNT_AFTER = lazy(
    r"^(?:[ \-]?[(（]?\d{1,3} ?G(?:i?B)?[)）]?)?(?: ?gpus?)?[ ]?(?:[x×*])[ ]?(\d{1,2})(?![\d.]|[ ]?[*x]?\d*G)",
    re.IGNORECASE,
)
_PLAUSIBLE_GIB: Final = (1, 300)
_PLAUSIBLE_COUNT: Final = (1, 64)
# A strict name is believed directly behind these: "on a 4090", "用的是3090".
_LEAD_IN = lazy(
    r"(?:\b(?:on|with|an?|my|the|single|nvidia|have|using|use)|用|在|是|块|张|卡|台|单|[x×*])[ \-]?$", re.IGNORECASE
)
_NEAR: Final = 40


class GpuName(NamedTuple):
    """One name as written, how many of them, memory of one in bytes, and the half-open range of the name."""

    name: str
    how_many: int | None
    memory_bytes: int | None
    start: int
    end: int


@cache
def _names() -> re.Pattern[str]:
    branches = []
    for place, entry in enumerate(_knowledge()["names"]):
        flags = "" if entry.get("case") else "i"
        body = f"(?{flags}:{entry['pattern']})"
        branches.append(f"(?P<{'strict' if entry.get('strict') else 'plain'}_{place}>{body})")
    # Neither inside a word, a path, a version nor a longer number; Chinese may touch it on either side.
    return re.compile(
        rf"(?:(?<![A-Za-z0-9_/.\\])|(?<=\d[xX]))(?:{'|'.join(branches)})(?=s?(?![A-Za-z0-9_/\\]|\.\d)|x\d|-?\d{{2,3}}[gG]|(?:GPU|gpu)s?(?![A-Za-z]))"
    )


def _knowledge() -> dict[str, Any]:
    return dict(base.section("gpus")["gpus.yaml"])


def find(text: str) -> list[GpuName]:
    """Every name of an accelerator in a text of a few lines (run it over prose, not over whole logs)."""
    found = []
    for match in _names().finditer(text):
        before, after = text[max(match.start() - 24, 0) : match.start()], text[match.end() : match.end() + 24]
        memory, before = _memory(before, after)
        count = _count(before, after)
        if (match.lastgroup or "").startswith("strict") and not (
            memory or count or _LEAD_IN.search(before) or _in_company(text, match.start(), match.end())
        ):
            continue
        found.append(GpuName(match[0].strip(" -"), count, memory, match.start(), match.end()))
    return found


def _memory(before: str, after: str) -> tuple[int | None, str]:
    """Bytes of one card, and what stands before the size where the size came first ("8卡80G A800")."""
    if match := _SIZE_AFTER.match(after):
        gib = int(match[1])
    elif match := _SIZE_BEFORE.search(before):
        gib, before = int(match[1]), before[: match.start()]
    else:
        return None, before
    low, high = _PLAUSIBLE_GIB
    return (gib << 30 if low <= gib <= high else None), before


def _count(before: str, after: str) -> int | None:
    if match := _COUNT_AFTER.match(after):
        number = int(match[1])
    elif match := _COUNT_BEFORE.search(before):
        number = int(match[1]) if match[1] else _NUMBERS[match[2].lower()]
    else:
        return None
    low, high = _PLAUSIBLE_COUNT
    return number if low <= number <= high else None


@cache
def _company() -> re.Pattern[str]:
    words = _knowledge()["context"]
    latin = "|".join(word for word in words if word.isascii())
    chinese = "|".join(word for word in words if not word.isascii())
    return re.compile(rf"(?<![a-z])(?:{latin})(?![a-z])|{chinese}", re.IGNORECASE)


def _in_company(text: str, start: int, end: int) -> bool:
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    near = (
        text[max(line_start, start - _NEAR) : start]
        + " "
        + text[end : min(line_end if line_end >= 0 else len(text), end + _NEAR)]
    )
    return _company().search(near) is not None


@cache
def _cards() -> dict[str, dict[str, Any]]:
    index: dict[str, dict[str, Any]] = {}
    for name, card in _knowledge()["cards"].items():
        for spelling in (name, *card.get("aliases", ())):
            index.setdefault(_key(spelling), {"name": name, **card})
    return index


def card(name: str) -> dict[str, Any] | None:
    """What is known about a card by any usual spelling of its name: memory_gib, usable_gib, compute_capability, ..."""
    key = _key(name)
    cards = _cards()
    if key in cards:
        return cards[key]
    tails = [known for known in cards if known.startswith(key) and not known[len(key) :][:1].isdigit()]
    return cards[min(tails, key=len)] if tails and len(key) > 1 else None


def vendor(name: str) -> str | None:
    """The maker of a card that `find` recognises."""
    match = _names().search(name)
    if match is None or match.lastgroup is None:
        return None
    return str(_knowledge()["names"][int(match.lastgroup.rpartition("_")[2])]["vendor"])


def _key(name: str) -> str:
    bare = re.sub(r"nvidia|geforce|tesla|amd|rtx|gtx|generation|huawei|apple", "", name.lower())
    return re.sub(r"[^a-z0-9]", "", bare)
