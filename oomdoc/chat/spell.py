"""Slips of the keyboard in Latin words, against the words the grammar knows; option names are never touched."""

import re
from functools import cache
from typing import Final

from oomdoc.facts import base

_WORD: Final = re.compile(r"(?<![A-Za-z0-9_./=-])[a-z]{5,20}(?![a-z0-9_./=])")
_LONG: Final = 8  # letters from which two slips are forgiven


@cache
def _words() -> tuple[frozenset[str], frozenset[str]]:
    knowledge = base.section("chat")["words.yaml"]
    return frozenset(knowledge["words"]), frozenset(knowledge["never"])


_ANY: Final = re.compile(r"(?<![a-z0-9_./=-])(?!r\s?[=:]?\s?\d)[a-z_]+\d?(?![a-z0-9_./=])")


@cache
def _simplified() -> dict[int, str]:
    table = base.section("chat")["traditional.yaml"]["characters"]
    return {ord(pair[0]): pair[1] for row in table for pair in row.split()}


def simplified(text: str) -> str:
    """The text with simplified characters, of the same length."""
    return text if text.isascii() else text.translate(_simplified())


def corrected(text: str) -> str:
    """The text with misspelt words put right, and traditional characters as simplified ones."""
    document = base.section("chat")["words.yaml"]
    if not text.isascii():
        text = simplified(text)
        for written, meant in base.section("chat")["traditional.yaml"]["words"].items():
            text = text.replace(written, meant)
    slips = document["slips"]
    for written, meant in document["misspelt"].items():
        text = text.replace(written, meant)
    text = _ANY.sub(lambda match: slips.get(match[0], match[0]), text)
    return _WORD.sub(lambda match: _near(match[0]), text)


def _near(word: str) -> str:
    words, never = _words()
    if word in words or word in never or word + "s" in words or (word.endswith("s") and word[:-1] in words):
        return word
    from rapidfuzz.distance import OSA  # imported here: only an unknown word needs it

    slips = 2 if len(word) >= _LONG else 1
    best, least = word, slips + 1
    for known in words:
        if known[0] == word[0] and abs(len(known) - len(word)) <= slips and len(known) >= 5:
            distance = OSA.distance(word, known, score_cutoff=slips)
            if distance < least:
                best, least = known, distance
    return best
