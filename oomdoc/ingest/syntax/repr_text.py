"""The inside of a printed or written call, `Name(a=1, b='x', c=<Enum.X: 'x'>)`: keys and values with spans.

Reads a call that Python cannot parse or that was cut off; it decides nothing about what the call means.
"""

import re
from collections.abc import Iterator

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Scalar, Span, scalar

OPENING = {"(": ")", "[": "]", "{": "}"}
PLACE = lazy(r"'''|\"\"\"|['\"()\[\]{}<>,#]")
KEY = lazy(r"\s*(?P<key>[A-Za-z_]\w*)[ \t]*=(?!=)[ \t]*")
COMMENT = lazy(r"\s*#[^\n]*\n")
ENUM = lazy(r"<(?:[\w.]+\.)?(?P<name>\w+): (?P<value>.+)>\Z", re.DOTALL)
CLASS = lazy(r"<(?:class|function) '?(?P<name>[\w.]+)")
DOTTED = lazy(r"[A-Za-z_][\w.]*\Z")
LONGEST = 400_000


@dataclass(frozen=True, slots=True)
class Pair:
    """One `key=value` of a call."""

    key: str
    key_span: Span
    value_span: Span


def skip_string(text: str, start: int, limit: int) -> int:
    """The offset behind a quoted text that begins at `start`; `limit` where it never closes."""
    quote = text[start : start + 3] if text[start : start + 3] in {"'''", '"""'} else text[start]
    position = start + len(quote)
    while True:
        end = text.find(quote, position, limit)
        if end < 0:
            return limit
        slashes = end - 1
        while slashes >= position and text[slashes] == "\\":
            slashes -= 1
        if (end - 1 - slashes) % 2 == 0:
            return end + len(quote)
        position = end + 1


def pieces(text: str, start: int, limit: int) -> tuple[list[Span], int, bool]:
    """The parts between commas from `start` to the bracket that closes: (spans, offset of the bracket, closed)."""
    found: list[Span] = []
    stack: list[str] = []
    position = begin = start
    limit = min(limit, start + LONGEST)
    while (match := PLACE.search(text, position, limit)) is not None:
        mark, place = match[0], match.start()
        position = match.end()
        if mark in {"'''", '"""', "'", '"'}:
            apostrophe = place > begin and text[place - 1].isalnum() and text[place - 1] not in "rbfuRBFU"
            position = position if apostrophe else _string_end(text, place, limit)
        elif mark == "#":
            if text[text.rfind("\n", 0, place) + 1 : place].strip() == "" or text[place - 1] in " \t":
                line = text.find("\n", place, limit)
                position = limit if line < 0 else line
        elif mark == "<":
            if text[begin:place].rstrip(" \t")[-1:] in {"=", ",", "[", "(", "{", ":", ""}:
                stack.append(">")
        elif mark == ">":
            if stack and stack[-1] == ">" and text[place - 1] not in "-=":
                stack.pop()
        elif mark in OPENING:
            stack.append(OPENING[mark])
        elif mark == ",":
            if not stack:
                found.append((begin, place))
                begin = position
        elif stack:
            while stack and stack[-1] == ">" and mark != ">":
                stack.pop()
            if stack:
                stack.pop()
        else:
            found.append((begin, place))
            return found, place, True
    found.append((begin, limit))
    return found, limit, False


def _string_end(text: str, place: int, limit: int) -> int:
    end = skip_string(text, place, limit)
    if text[place : place + 3] in {"'''", '"""'}:
        return end
    line = text.find("\n", place, limit)
    if 0 <= line < end:  # an ordinary string never crosses a line: the quote was an apostrophe, or the text was cut
        return place + 1
    return end


def pairs(text: str, start: int, limit: int) -> tuple[list[Pair], int, bool]:
    """The `key=value` parts of a call whose bracket opened just before `start`, where it ends, and if it closed."""
    spans, end, closed = pieces(text, start, limit)
    found = []
    for place, (begin, stop) in enumerate(spans):
        match = KEY.match(text, _after_comments(text, begin, stop), stop)
        if match is None:
            continue
        if not closed and place == len(spans) - 1:
            line = text.find("\n", match.end(), stop)
            stop = stop if line < 0 else line  # noqa: PLW2901 (the last value of a cut call ends with its line)
        value_end = match.end() + len(text[match.end() : stop].rstrip())
        if value_end > match.end():
            found.append(Pair(match["key"], match.span("key"), (match.end(), value_end)))
    return found, end, closed


def _after_comments(text: str, begin: int, stop: int) -> int:
    while (match := COMMENT.match(text, begin, stop)) is not None:
        begin = match.end()
    return begin


def value(raw: str) -> "tuple[Scalar | tuple[Scalar, ...], str | None]":
    """What a printed Python value stands for, and a note where it is no plain literal."""
    if (
        len(raw) <= 64
        and (plain := scalar(raw)) is not raw
        and (not isinstance(plain, bool) or raw in {"True", "False"})
    ):
        return plain, None
    if DOTTED.match(raw):
        return raw, None if raw in {"inf", "nan"} else "a name"
    if raw[:1] == "<":
        match = ENUM.match(raw)
        if match:
            return value(match["value"])[0], None
        match = CLASS.match(raw)
        return (match["name"] if match else raw), "an object"
    if len(raw) <= 20_000:
        import ast  # imported here: only a value that is no scalar needs it

        try:
            literal = ast.literal_eval(raw)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return raw, "an expression"
        return flat(literal, raw), None
    return raw, "too long to be read"


def flat(literal: object, raw: str) -> "Scalar | tuple[Scalar, ...]":
    """A literal as a scalar or a tuple of scalars; its text where it is anything deeper."""
    if literal is None or isinstance(literal, (str, int, float, bool)):
        return literal
    if isinstance(literal, (list, tuple, set, frozenset)):
        items = sorted(literal, key=str) if isinstance(literal, (set, frozenset)) else literal
        if all(item is None or isinstance(item, (str, int, float, bool)) for item in items):
            return tuple(items)
    return raw


def nested(text: str, span: Span) -> Iterator[tuple[str, str, "Scalar | tuple[Scalar, ...]", Span | None, Span]]:
    """The entries of a printed dict as (path, raw, value, key span, value span)."""
    if text[span[0]] != "{":
        return
    from oomdoc.ingest.syntax import json_text

    for item in json_text.parse(text[span[0] : span[1]]).settings:
        if item.value_span is None:
            continue
        key = None if item.key_span is None else (item.key_span[0] + span[0], item.key_span[1] + span[0])
        yield item.key, item.raw, item.value, key, (item.value_span[0] + span[0], item.value_span[1] + span[0])
