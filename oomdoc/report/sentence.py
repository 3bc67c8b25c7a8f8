"""Filling the sentences of rules with a case's values. A place without a value becomes an ellipsis, never a zero."""

import re

from oomdoc.facts.case import Case
from oomdoc.facts.units import show

_PLACE = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")


def fill(sentence: str, case: Case, value_of: str | None = None) -> str:
    """The sentence with {fact.name} replaced by its value, and {value} by that of the fact `value_of`."""

    def one(match: re.Match[str]) -> str:
        name = value_of if match[1] == "value" else match[1]
        fact = case.fact(name) if name else None
        return show(fact.name, fact.value) if fact else "…"

    return _PLACE.sub(one, sentence)


def headline(text: str) -> str:
    """The first sentence's capital, without touching identifiers: `vLLM` and `nn.DataParallel` stay."""
    return text[:1].upper() + text[1:] if text[:2].islower() or text[1:2] == " " else text
