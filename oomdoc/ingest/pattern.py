r"""The language of message templates and its compiler to regular expressions.

A pattern is the text a program prints, with `{name:type}` for a figure, `[...]` for an optional part, `{a|b}` for
alternatives, `...` for anything on one line, `^`/`$` for the start and end of a line, and `~` after the words that must
be there: what follows may be cut or garbled at any point. A backslash takes a character literally.
"""

import re
from functools import cache
from typing import Final, TypeAlias

from oomdoc.facts.lazy import dataclass, lazy

# Quote and box marks that wrap a message; blanked before matching, so that a wrapped message is a spaced one.
MARKS: Final = ">|│┃║*`"
# Punctuation that people lose when they paste; never needed to tell two messages apart.
_LOOSE: Final = frozenset(".,;:()")

# A unit is whole at the end of the text too: nothing else starts with "gib". One letter needs something after it.
_UNIT = r"(?:[kmgt]i?b|bytes?(?![a-z])|[bkmgt](?=[^a-z0-9]))"
# An integer must be followed by something, or its last digits may have been cut.
_WHOLE = r"(?=[^\d.,]|[.,]\D)"
_NUMBER = r"\d+(?:\.\d+)?"

TYPES: Final[dict[str, str]] = {
    "size": rf"{_NUMBER}\s*{_UNIT}",
    "bytes": rf"\d[\d,]*{_WHOLE}",
    "kib": rf"{_NUMBER}{_WHOLE}",
    "mib": rf"{_NUMBER}{_WHOLE}",
    "gib": rf"{_NUMBER}{_WHOLE}",
    "int": rf"-?\d+{_WHOLE}",
    "float": rf"-?{_NUMBER}{_WHOLE}",
    "exit": r"-?\d{1,10}(?=\D|\Z)",
    "shape": r"\d+(?:\s?,\s?\d+)*(?=\s?[\])])",
    "word": r"[^\s,;()]+(?=[\s,;()])",
    "signal": r"(?:killed|bus\s+error|segmentation\s+fault|terminated|aborted)(?![a-z])",
    "signame": r"(?<![a-z])(?:<?signals\.)?sig(?:kill|bus|abrt|segv|term)(?=[^a-z_])",
    "path": r"\S{1,300}",
    "lines": r"[\s\S]{0,4000}?",
    "processes": rf"(?:\s*(?:process\s+\d+|including\s+non-pytorch\s+memory\s*,?\s*this\s+process)\s+has\s+"
    rf"(?:{_NUMBER}\s*{_UNIT})(?:\s+memory\s+in\s+use\.?)?)*\s*",
}
PROCESS: Final = lazy(rf"(?:process\s+(?P<pid>\d+)|this\s+process)\s+has\s+(?P<size>{_NUMBER}\s*{_UNIT})", re.ASCII)


class PatternError(ValueError):
    """A pattern is not in the language; the message names the place."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Text as printed."""

    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """A figure; the name `_` is matched and dropped."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Alternatives, the first that fits wins; `optional` allows none of them."""

    branches: tuple["Sequence", ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """`~`, `^`, `$` or `...`."""

    sign: str


Node: TypeAlias = Literal | Field | Choice | Mark
Sequence: TypeAlias = tuple[Node, ...]

_TOKEN = lazy(
    r"(?P<escape>\\.)|(?P<gap>\.\.\.)|\{(?P<name>[\w.]+):(?P<type>\w+)\}|(?P<sign>[\[\]{}|~^$])|(?P<text>[^\\\[\]{}|~^$.]+|\.)",
    re.DOTALL,
)


def parse(pattern: str) -> Sequence:
    """The nodes of a pattern; raises PatternError."""
    stack: list[tuple[str, list[list[Node]]]] = [("", [[]])]
    for token in _TOKEN.finditer(pattern):
        branches = stack[-1][1]
        here = branches[-1]
        sign = token["sign"]
        if token["name"]:
            if token["type"] not in TYPES:
                raise PatternError(f"column {token.start() + 1}: unknown type {token['type']!r}")
            here.append(Field(token["name"], token["type"]))
        elif token["gap"]:
            here.append(Mark("..."))
        elif sign in {"[", "{"}:
            stack.append((sign, [[]]))
        elif sign in {"]", "}"}:
            opener, done = stack.pop()
            if not stack or opener + sign not in {"[]", "{}"}:
                raise PatternError(f"column {token.start() + 1}: {sign} closes nothing")
            stack[-1][1][-1].append(Choice(tuple(map(tuple, done)), optional=sign == "]"))
        elif sign == "|" and len(stack) > 1:
            branches.append([])
        elif sign in {"~", "^", "$"}:
            here.append(Mark(sign))
        else:
            text = token["escape"][1] if token["escape"] else token[0]
            if here and isinstance(last := here[-1], Literal):
                here[-1] = Literal(last.text + text)
            else:
                here.append(Literal(text))
    if len(stack) != 1:
        raise PatternError(f"{stack[-1][0]} is never closed")
    return tuple(stack[0][1][0])


def group_name(name: str) -> str:
    """Name of a figure as a regular expression takes it."""
    return name.replace(".", "__")


def flatten(text: str) -> str:
    """Lower case, quote and box marks and written-out line breaks blanked; every character keeps its place."""
    low = text.lower()
    if len(low) != len(text):  # 'İ' is the one letter whose lower case is longer
        low = text.replace("İ", "I").lower()
    for mark in MARKS:
        if mark in low:
            low = low.replace(mark, " ")
    return low.replace("\\n", "  ") if "\\n" in low else low


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The matcher of a pattern over flattened text; group names are the figures' names."""
    return re.compile(_sequence(parse(pattern)), re.MULTILINE)


def required(pattern: str) -> tuple[tuple[str, ...], frozenset[bytes]]:
    """What a flattened text must hold for a pattern to match: literals with single blanks, longest first, and words.

    Found by erasing everything optional, without parsing: this runs over the whole stock at every start.
    """
    fixed = pattern.split("~", 1)[0].translate(_BLANK).lower()
    while (erased := _INNERMOST.sub("\0", fixed)) != fixed:
        fixed = erased
    chunks = _GAP.split(fixed)
    literals: list[str] = []
    words: list[bytes] = []
    for place, chunk in enumerate(chunks):
        literals += [" ".join(literal.split()) for literal in _BREAK.split(chunk)]
        found = _words(chunk)
        # a word that touches an alternative, or ends a long pattern, may be only a part of the printed word
        loose = len(found) > 2
        first = 1 if (place or loose) and chunk[:1].isidentifier() else 0
        last = -1 if (place < len(chunks) - 1 or loose) and chunk[-1:].isidentifier() else None
        words += found[first:last]
    literals.sort(key=len, reverse=True)
    return tuple(literal for literal in literals if len(literal) > 1), frozenset(words)


def gist(flat: str) -> bytes:
    """The different lines of a flattened text without digits, blanks single: a long log shrinks to a page.

    Any test for a literal on it must drop the digits of the literal too (`key`).
    """
    lines = flat.encode("utf-8", "surrogatepass").translate(None, _DIGITS).split(b"\n")
    return b" ".join(b" ".join(dict.fromkeys(lines)).split())


def key(literal: str) -> bytes:
    """A flat literal as `gist` would show it."""
    return b" ".join(literal.encode().translate(None, _DIGITS).split())


def vocabulary(text: bytes) -> set[bytes]:
    """Every word of a gist: runs of a-z and underscore."""
    return set(text.translate(_LETTERS).split())


def _words(text: str) -> list[bytes]:
    return text.encode("utf-8", "surrogatepass").translate(None, _DIGITS).translate(_LETTERS).split()


_DIGITS = b"0123456789"
_LETTERS = bytes(code if chr(code) in "abcdefghijklmnopqrstuvwxyz_" else 32 for code in range(256))
_INNERMOST = lazy(r"(?<!\\)\[[^\[\]{}]*\](?<!\\\])|(?<!\\)\{[^\[\]{}]*\}(?<!\\\})")
_GAP = lazy(r"\0|\.\.\.")
_BREAK = lazy(r"[.,;:()^$\\\[\]{}]")
_BLANK = str.maketrans(dict.fromkeys(MARKS, " "))


def _sequence(nodes: Sequence) -> str:
    """After `~` every literal opens an optional group that holds all the rest, so a match ends where the text does."""
    cut = next((place for place, node in enumerate(nodes) if node == Mark("~")), None)
    if cut is None:
        return "".join(map(_node, nodes))
    tail = ""
    rest = nodes[cut + 1 :]
    for place in range(len(rest) - 1, -1, -1):
        tail = _node(rest[place]) + _label(rest, place) + tail
        if place == 0 or (isinstance(rest[place], Literal) and not _is_gap(rest[place - 1])):
            tail = f"(?:{tail})?"
    return _sequence(nodes[:cut]) + tail


def _label(nodes: Sequence, place: int) -> str:
    """The first word after a figure must be there: in "9.48 GiB allowed; 9.46 GiB reserved" it says which it is."""
    follower = nodes[place + 1] if place + 1 < len(nodes) else None
    if not isinstance(nodes[place], Field) or not isinstance(follower, Literal):
        return ""
    word = re.match(r"[.,;:()\s]*[^.,;:()\s]+", flatten(follower.text))
    return f"(?={_literal(word[0])})" if word else ""


def _is_gap(node: Node) -> bool:
    return node == Mark("...") or (isinstance(node, Field) and node.type == "lines")


def _node(node: Node) -> str:
    if isinstance(node, Literal):
        return _literal(node.text)
    if isinstance(node, Field):
        group = TYPES[node.type]
        return f"(?:{group})" if node.name == "_" else f"(?P<{group_name(node.name)}>{group})"
    if isinstance(node, Choice):
        return f"(?:{'|'.join(map(_sequence, node.branches))})" + ("?" if node.optional else "")
    return {"...": r"[^\n]{0,300}?", "^": r"^[ \t]*", "$": r"[ \t]*$"}[node.sign]


def _literal(text: str) -> str:
    out = []
    for run in _RUNS.findall(flatten(text)):
        if run[0] not in _LOOSE and not run[0].isspace():
            out.append(re.escape(run))
        elif run.isspace():
            out.append(r"\s+" if out else r"\s*")  # the part before may have taken the blank
        else:
            out.append(r"\s*" + "".join(rf"{re.escape(sign)}?\s*" for sign in run if sign in _LOOSE))
    return "".join(out)


_RUNS = lazy(r"[.,;:()\s]+|[^.,;:()\s]+")
