"""Version ranges such as `>=3.0,<4`: whether a version lies in one, and which versions two ranges leave."""

from functools import cache
from typing import TypeAlias

from oomdoc.facts.lazy import lazy

Version: TypeAlias = tuple[int, ...]
LOWEST: Version = (0,)
HIGHEST: Version = (10**9,)
_BOUND = lazy(r"\s*(>=|<=|==|>|<)\s*v?(\d+(?:\.\d+)*)\s*\Z")
_NUMBERS = lazy(r"\d+")


class RangeError(ValueError):
    """A range that is not a comma-separated list of bounds."""


def parse_version(text: str) -> Version:
    """The numbers of a version, suffixes left out: `0.9.2.dev0+cu121` -> (0, 9, 2). No number: (0,)."""
    numbers: list[int] = []
    for part in text.lower().lstrip("v").split("+")[0].split("."):
        digits = _NUMBERS.match(part)
        if not digits:
            break
        numbers.append(int(digits[0]))
    return tuple(numbers) or LOWEST


@cache
def bounds(text: str) -> tuple[tuple[str, Version], ...]:
    """The bounds of a range; the empty text holds for every version. Raises RangeError."""
    found = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        bound = _BOUND.match(part)
        if not bound:
            raise RangeError(f"cannot read {part!r} as a version bound such as >=3.0")
        found.append((bound[1], parse_version(bound[2])))
    return tuple(found)


def _compare(left: Version, right: Version) -> int:
    length = max(len(left), len(right))
    padded_left = left + (0,) * (length - len(left))
    padded_right = right + (0,) * (length - len(right))
    return (padded_left > padded_right) - (padded_left < padded_right)


def contains(text: str, version: Version) -> bool:
    """Whether a version lies in a range."""
    for operator, bound in bounds(text):
        order = _compare(version, bound)
        if not {">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0, "==": order == 0}[operator]:
            return False
    return True


def joined(first: str, second: str) -> str:
    """The range in which both hold."""
    return ",".join(part for part in (first, second) if part)


def representative(text: str, preferred: Version) -> Version | None:
    """A version inside a range: the preferred one where it fits, else the newest bound that does, else None."""
    if contains(text, preferred):
        return preferred
    candidates = [preferred]
    for operator, bound in bounds(text):
        if operator in {">=", "<=", "=="}:
            candidates.append(bound)
        elif operator == ">":
            candidates.append((*bound, 1))
        else:
            candidates.append(_just_below(bound))
    inside = [candidate for candidate in candidates if contains(text, candidate)]
    return max(inside) if inside else None


def _just_below(version: Version) -> Version:
    trimmed = list(version)
    while len(trimmed) > 1 and trimmed[-1] == 0:
        trimmed.pop()
    if trimmed[-1] == 0:
        return LOWEST
    return (*trimmed[:-1], trimmed[-1] - 1, 999)
