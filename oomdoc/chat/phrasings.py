"""The stock of phrasings (`knowledge/phrasings/`): what the weights are fitted from. Not needed while talking."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from oomdoc.facts import base

_SLOT = re.compile(r"\{([^}]+)\}")
_AROUND = {"en": ("{{before}} {}", "{} {{after}}"), "zh": ("{{前}}{}", "{}{{后}}")}
_FILLED = 2  # readings of a phrasing that has places to fill


class Line(NamedTuple):
    """One text that is said with an intent; `phrasing` is how it stands in the stock."""

    intent: str
    phrasing: str
    text: str
    wrapped: bool


def lines() -> Iterator[Line]:
    """All of them, always in the same order; every third one also with words of politeness or hesitation around it."""
    documents = base.section("phrasings")
    slots = documents["slots.yaml"]
    for name in sorted(documents):
        if name == "slots.yaml":
            continue
        intent = name.removesuffix(".yaml")
        for language, around in _AROUND.items():
            for phrasing in documents[name][language]:
                for turn in range(_FILLED if "{" in phrasing else 1):
                    yield Line(intent, phrasing, _filled(phrasing, slots, turn), wrapped=False)
                if (place := crc32(phrasing.encode()) % 6) < len(around):
                    yield Line(intent, phrasing, _filled(around[place].format(phrasing), slots, 0), wrapped=True)


def _filled(phrasing: str, slots: dict[str, list[str]], turn: int) -> str:
    place = 0

    def put(match: re.Match[str]) -> str:
        nonlocal place
        place += 1
        choices = slots[match[1]]
        return choices[crc32(f"{phrasing}|{place}|{turn}".encode()) % len(choices)]

    return _SLOT.sub(put, phrasing)
