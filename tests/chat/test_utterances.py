"""The utterance suite: what people say, half of it in Chinese, as intents and facts; a wrong fact is never taken."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from oomdoc.chat.understand import Understood, understand

SUITE = Path(__file__).with_name("utterances.txt")


class Line(NamedTuple):
    """One line of the suite; `facts` None: any facts (they are read by the readers of logs and commands)."""

    intent: str
    said: str
    facts: dict[str, object] | None
    drops: list[str] | None
    terms: list[str] | None


def _value(name: str, text: str) -> object:
    if name.endswith("_name"):
        return text
    if name.startswith("env.") and text.startswith("v"):
        return text[1:]  # "v2.4" is the version as written
    if text in ("true", "false"):
        return text == "true"
    if text.endswith("G") and text[:-1].isdigit():
        return int(text[:-1]) << 30
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _line(text: str) -> Line:
    cells = [cell.strip() for cell in text.split("|")]
    cells += [""] * (5 - len(cells))
    intent, said, facts, drops, terms = cells[:5]
    stated = (
        None
        if facts == "*"
        else {
            name.strip(): _value(name.strip(), value.strip())
            for name, _, value in (pair.partition("=") for pair in facts.split(";"))
            if value
        }
    )
    listed = [[item.strip() for item in cell.split(";")] if cell else None for cell in (drops, terms)]
    return Line(intent, said, stated, *listed)


@cache
def lines() -> list[Line]:
    return [_line(text) for text in SUITE.read_text("utf-8").splitlines() if text and not text.startswith("#")]


@cache
def understood(said: str) -> Understood:
    return understand(said)


def test_the_suite_is_large_and_half_chinese() -> None:
    """At least 300 lines, about half of them with Chinese."""
    chinese = sum(any("\u4e00" <= char <= "\u9fff" for char in line.said) for line in lines())
    assert len(lines()) >= 300
    assert 0.42 <= chinese / len(lines()) <= 0.6


def test_intents_are_understood() -> None:
    """At least 95 of 100 intents; the misses are printed."""
    missed = [(line.said, line.intent, understood(line.said).intent) for line in lines()
              if understood(line.said).intent != line.intent]  # fmt: skip
    assert len(missed) <= 0.05 * len(lines()), missed


def test_no_fact_is_misread() -> None:
    """Every fact taken is one that was said."""
    wrong = [
        (line.said, name, value)
        for line in lines()
        if line.facts is not None
        for name, value in understood(line.said).facts.items()
        if line.facts.get(name) != value
    ]
    assert wrong == []


def test_facts_are_taken() -> None:
    """At least 95 of 100 facts that were said are taken."""
    said = [(line, name) for line in lines() for name in line.facts or {}]
    missing = [(line.said, name) for line, name in said if name not in understood(line.said).facts]
    assert len(missing) <= 0.05 * len(said), missing


@pytest.mark.parametrize("line", [line for line in lines() if line.drops or line.terms], ids=lambda line: line.said)
def test_drops_and_terms(line: Line) -> None:
    """What is ruled out and what is asked about."""
    found = understood(line.said)
    if found.intent != line.intent:
        pytest.skip("counted as a missed intent")
    if line.drops:
        assert found.drops == line.drops
    if line.terms:
        assert found.terms == line.terms
