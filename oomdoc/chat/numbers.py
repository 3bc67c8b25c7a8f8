"""Numbers as people type them: digits, thousands, k, 万, words and Chinese numerals. What is doubtful is no number."""

import re
from typing import Final, Literal, TypeAlias

from oomdoc.facts import base

Of: TypeAlias = Literal["count", "length", "pixels", "share", "real"]

_NUMERALS: Final = base.section("chat")["numerals.yaml"]
_ENGLISH: Final[dict[str, int]] = _NUMERALS["en"]
_DIGITS: Final[dict[str, int]] = _NUMERALS["digits"]
_PLACES: Final[dict[str, int]] = _NUMERALS["places"]
_WORDS: Final = "|".join(sorted(_ENGLISH, key=len, reverse=True))
_PLAIN: Final = r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?(?:e\d{1,2})?(?:\s?[*×]\s?\d+){0,3}"
# The thousand of a context is 1024; only these multiples are surely meant so.
_BINARY_THOUSANDS: Final = frozenset(_NUMERALS["binary_thousands"])

# What may stand behind a number that is a single, whole statement: no unit of another kind, no range, no alternatives.
AFTER: Final = (
    r"(?!\s?-?(?:hundred|thousand|million|dozen|half|and a)(?![a-z])"
    r"|\.?\d|[a-z_]|\s?[%％]|\s?倍|\s?[-~–/]\s?\d|\s?(?:or|或者?|还是)\s?\d|\s?[x×*]\s?\d"
    r"|\s?[,，、]\s?(?:or\s|或)?\s?\d+\s?(?:$|[,，、]|or|或|and|和)|\s?(?:and|和|与|跟)\s?\d+\s?(?:$|[?？,，。]))"
)
_CHINESE: Final = "".join(_DIGITS) + "十百千万"
NUMBER: Final = (
    rf"(?:(?P<digits>{_PLAIN})(?P<unit>\s?(?:k|万|w)(?![a-z0-9]))?|(?P<word>(?:{_WORDS})(?![a-z])|[{_CHINESE}]+))"
)
SHARE: Final = r"(?:(?P<digits>\d+(?:\.\d+)?)(?P<unit>\s?[%％])?)(?P<word>(?!))?"
SHARE_AFTER: Final = r"(?!\.?\d|[a-z_]|\s?[-~–/]\s?\d|\s?(?:or|或)\s?\d)"
ANY_WORD: Final = rf"(?:{_WORDS})(?![a-z])|[{''.join(_DIGITS)}十百]+"


def value_of(match: re.Match[str], of: Of) -> int | float | None:
    """The number of a match with groups digits, unit and word; None where it cannot be this kind of number."""
    word = match["word"]
    if word:
        return whole_word(word) if of in ("count", "length") else None
    return parse(match["digits"], (match["unit"] or "").strip(), of)


def parse(digits: str, unit: str, of: Of) -> int | float | None:
    """Digits with an optional unit letter as a number of a kind."""
    number = _product(digits)
    if number is None:
        return None
    if of == "count" and re.search(r"[*×]", digits):
        return None  # "batch 2*4": per card or in all?
    if of == "share":
        return round(number / 100, 6) if unit in ("%", "％") else number
    if of == "real":
        return None if unit else number
    if unit == "k":
        if of != "length" or number not in _BINARY_THOUSANDS:
            return None
        number *= 1024
    elif unit in ("万", "w"):
        if of not in ("length", "pixels"):
            return None
        number = round(number * 10_000, 6)
    return int(number) if number == int(number) else None


def whole_word(word: str) -> int | None:
    """An English number word or Chinese numeral as an integer."""
    if word in _ENGLISH:
        return _ENGLISH[word]
    if word[0] in "百千万":
        return None  # "上百张": no number
    total, current = 0, 0
    for char in word:
        if char in _DIGITS:
            if current:
                return None  # "一二": digits in a row are a list, not a number
            current = _DIGITS[char]
        elif char == "万":
            total, current = (total + current) * 10_000, 0
        elif char in _PLACES:
            total, current = total + (current or 1) * _PLACES[char], 0
        else:
            return None
    return total + current


def _product(digits: str) -> float | None:
    number = 1.0
    for factor in re.split(r"\s?[*×]\s?", digits.replace(",", "")):
        try:
            number *= float(factor)
        except ValueError:
            return None
    return number
