"""Changes told from what is set now: "two more cards", "长度砍一半". They need a known value to become a figure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from oomdoc.chat.numbers import whole_word
from oomdoc.facts import base
from oomdoc.facts.model import Value

_COUNT: Final = r"(?:\d{1,3}|one|two|three|four|six|eight|[一二两三四五六七八九十]{1,2})"
_CARD: Final = r"(?:rtx |gtx )?(?:\d0[5-9]0(?: ?ti)?|[ahlv]\d{1,3}0{0,2}|a800|h800|t4)s?(?:-?\d{2}g)?"
_CLAUSE: Final = re.compile(r"[,，;；。]|并且|然后|同时| and ")
_CURRENT: Final = {"hardware.gpu_count": ("hardware.gpu_count", "parallel.world_size")}


@dataclass(frozen=True, slots=True)
class Change:
    """One setting, times `factor`, plus `added`."""

    fact: str
    factor: float = 1.0
    added: int = 0

    def of(self, known: Mapping[str, Value]) -> int | None:
        """The new value, where the present one is known and the result is a whole number of at least one."""
        for name in _CURRENT.get(self.fact, (self.fact,)):
            current = known.get(name)
            if isinstance(current, int) and not isinstance(current, bool):
                value = current * self.factor + self.added
                return int(value) if value >= 1 else None
        return None


@cache
def _knowledge() -> dict[str, Any]:
    return dict(base.section("chat")["settings.yaml"]["relative"])


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source.replace("@n", _COUNT).replace("@card", _CARD))


def changes(text: str, places: Sequence[tuple[int, int, str]]) -> list[Change]:
    """The changes of a normal text; `places` are the settings it speaks of. Two changes of one setting are none."""
    found = [*_shifts(text), *_factors(text, places)]
    names = [change.fact for change in found]
    return [change for change in found if names.count(change.fact) == 1]


def _shifts(text: str) -> list[Change]:
    found = []
    for entry in _knowledge()["shifts"]:
        match = _compiled(entry["pattern"]).search(text)
        count = _count(match) if match else None
        if count:
            found.append(Change(entry["fact"], added=entry["sign"] * count))
    return found


def _count(match: re.Match[str]) -> int | None:
    said = [word for word in match.groupdict().values() if word]
    numbers = [number for word in said if (number := _number(word)) is not None]
    return numbers[-1] if numbers else None


def _number(word: str) -> int | None:
    if word.isascii() and word.isdigit():
        return int(word)
    return 1 if word in ("a", "an", "another") else whole_word(word)


def _factors(text: str, places: Sequence[tuple[int, int, str]]) -> list[Change]:
    hits: list[tuple[int, int, float]] = []
    for entry in _knowledge()["factors"]:
        for match in _compiled(entry["pattern"]).finditer(text):
            if all(match.end() <= start or match.start() >= end for start, end, _ in hits):
                hits.append((*match.span(), entry["by"]))
    found: dict[str, Change] = {}
    for start, end, factor in sorted(hits):
        near = [place for place in places if not _CLAUSE.search(text[min(end, place[1]) : max(start, place[0])])]
        if not near and len({name for _, _, name in places}) == 1:
            near = list(places)
        if near:
            name = min(near, key=lambda place: min(abs(place[0] - end), abs(start - place[1])))[2]
            found.setdefault(name, Change(name, factor=factor))
    return list(found.values())
