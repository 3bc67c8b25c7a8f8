"""Columns of terminal text: width with CJK counted as two, wrapping, and bars. Nothing here knows a report."""

import unicodedata
from collections.abc import Iterator, Sequence

from oomdoc.facts.lazy import lazy

_WIDE = frozenset("WF")
_UNIT = lazy(r"(?<=\d) (?:[KMGT]iB|ms|tokens?)\b")  # a figure and its unit stay together
_BREAK = lazy(r"(?!(?<=\d) (?:[KMGT]iB|ms|tokens?)\b) (?![ ,.;:!?)\]}%])")
_NO_BREAK_BEFORE = frozenset("，。；：！？、）】》”’,.;:!?)]}%")


def width(text: str) -> int:
    """Terminal columns of a text: wide and full-width characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in _WIDE else 1 for char in text
    )


def pad(text: str, columns: int) -> str:
    """The text filled with blanks up to a number of columns."""
    return text + " " * max(columns - width(text), 0)


def clip(text: str, columns: int) -> str:
    """The text as one line cut to a number of columns, an ellipsis where something was cut."""
    text = " ".join(text.split("\n"))
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for char in text:
        used += width(char)
        if used > columns:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"


def wrap(text: str, columns: int, first: str = "", rest: str | None = None) -> Iterator[str]:
    """Lines of at most `columns`; breaks at blanks and between wide characters, punctuation never leads a line.

    A line break inside the text is a blank like any other: what was read may hold one, and must not start a line.
    """
    text = " ".join(text.split("\n"))
    rest = " " * width(first) if rest is None else rest
    line, used, indent = first, width(first), width(first)
    for piece in _pieces(text):
        size = width(piece.rstrip())
        if used + size > columns and used > indent:
            yield line.rstrip()
            line, used, indent = rest, width(rest), width(rest)
            piece = piece.lstrip()  # noqa: PLW2901 (the blank was the break)
        line += piece
        used += width(piece)
    if line.strip() or first.strip():
        yield line.rstrip()


def pack(entries: Sequence[str], columns: int, indent: str = "", gap: str = "   ") -> Iterator[str]:
    """Entries side by side, as many as fit in a line; no entry is broken."""
    line = ""
    for entry in (" ".join(entry.split("\n")) for entry in entries):
        longer = f"{line}{gap}{entry}" if line else f"{indent}{entry}"
        if line and width(longer) > columns:
            yield line
            longer = f"{indent}{entry}"
        line = longer
    if line:
        yield line


def _pieces(text: str) -> Iterator[str]:
    if text.isascii():  # half of a report's time went into looking at each character
        start = 0
        for found in _BREAK.finditer(text):
            yield text[start : found.end()]
            start = found.end()
        if start < len(text):
            yield text[start:]
        return
    piece = ""
    for place, char in enumerate(text):
        piece += char
        following = text[place + 1] if place + 1 < len(text) else ""
        if following in _NO_BREAK_BEFORE or (char == " " and _UNIT.match(text, place)):
            continue
        wide_edge = width(char) == 2 or width(following) == 2
        if (char == " " and following != " ") or (wide_edge and following and char not in "（【《“‘"):
            yield piece
            piece = ""
    if piece:
        yield piece


def shares(amounts: Sequence[int], total: int, columns: int) -> list[int]:
    """Columns for each amount, largest remainders first, so that they add up exactly; every amount above zero shows."""
    if total <= 0 or columns <= 0:
        return [0] * len(amounts)
    exact = [max(amount, 0) * columns / total for amount in amounts]
    cells = [max(int(value), 1 if amount > 0 else 0) for value, amount in zip(exact, amounts, strict=True)]
    order = sorted(range(len(cells)), key=lambda i: exact[i] - cells[i], reverse=True)
    target = min(round(sum(exact)), columns)
    for place in order:
        if sum(cells) >= target:
            break
        cells[place] += 1
    for place in sorted(range(len(cells)), key=lambda i: -cells[i]):
        while sum(cells) > target and cells[place] > 1:
            cells[place] -= 1
    return cells
