"""What an utterance looks like, apart from what it means: words and characters in a row, with names put as marks."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from oomdoc.chat.grammar import Mentions
from oomdoc.chat.named import surroundings
from oomdoc.chat.relative import changes
from oomdoc.chat.topics import asks, causes_in, glossary_terms
from oomdoc.facts import base

VALUE, CAUSE, NUMBER, OPTION = "\ue000", "\ue001", "\ue004", "\ue005"
_TOKEN: Final = re.compile(r"[a-z_][a-z_'-]*|[\u3400-\u9fff]|[\ue000-\ue00f]|[?!:]|\.\.\.|…")
_NAME: Final = re.compile(r"(?<![\w/.])-{0,2}[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/])", re.ASCII)
_DIGITS: Final = re.compile(r"\d[\d.,]*")
_LONGEST: Final = 3  # tokens in a row
_STEM: Final = 5  # letters that words of one family share


def marked(text: str, found: Mentions) -> str:
    """The text with every setting that was read, every other option's name and every other number put as a mark."""
    parts, done = [], 0
    for start, end in found.spans:
        if start >= done:
            parts += [text[done:start], f" {VALUE} "]
            done = end
    parts.append(text[done:])
    return _DIGITS.sub(f" {NUMBER} ", _NAME.sub(f" {OPTION} ", "".join(parts)))


def features(text: str, found: Mentions) -> dict[str, float]:
    """Features of a normal text with their values; all rows of tokens together weigh as one."""
    tokens = ["^", *_TOKEN.findall(marked(text, found)), "$"]
    rows = dict.fromkeys(_rows(tokens))
    named = _cause_marked(text)
    if CAUSE in named:
        rows |= dict.fromkeys(row for row in _rows(["^", *_TOKEN.findall(named), "$"]) if CAUSE in row)
    share = 1.0 / max(len(rows), 1) ** 0.5
    values = dict.fromkeys(rows, share)
    values.update(dict.fromkeys(_flags(text, tokens, found), 0.3))
    return values


def _rows(tokens: Sequence[str]) -> list[str]:
    found = []
    for size in range(1, _LONGEST + 1):
        found += [" ".join(tokens[place : place + size]) for place in range(len(tokens) - size + 1)]
    found += [f"{token[:_STEM]}~" for token in tokens if len(token) > _STEM and token.isascii()]
    return [row for row in found if row not in ("^", "$")]


@cache
def _causes() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{source})" for source in base.section("chat")["causes.yaml"].values()))


def _cause_marked(text: str) -> str:
    return _causes().sub(lambda match: f" {CAUSE} " if match[0].strip() else match[0], text)


@cache
def _around() -> list[tuple[str, re.Pattern[str]]]:
    told: dict[str, str] = base.section("chat")["settings.yaml"]["around"]
    return [(kind, re.compile(source)) for kind, source in told.items()]


def around(text: str) -> list[str]:
    """What the words around or within the settings tell: must (to keep), becomes, really, asks_most."""
    return [kind for kind, pattern in _around() if pattern.search(text)]


def _flags(text: str, tokens: Sequence[str], found: Mentions) -> list[str]:
    """Features of the whole."""
    flags = ["#any"]
    if found.facts:
        flags += ["#facts", "#facts+" if len(found.facts) > 1 else "#fact"]
        flags.append("#facts?" if asks(text) else "#facts.")
    else:
        flags.append("#none?" if asks(text) else "#none.")
    flags += [f"#{word}" for word, said in (
        ("drops", found.drops), ("topics", found.topics), ("cause", causes_in(text)), ("term", glossary_terms(text)),
        ("relative", changes(text, found.places)), ("named", surroundings(text)),
    ) if said]  # fmt: skip
    flags += [f"#around-{kind}" for kind in around(text)]
    length = len(tokens) - 2
    flags.append("#long" if length > 16 else "#middle" if length > 6 else "#short" if length > 3 else "#tiny")
    return flags
