"""Filling the sentences of rules with a case's values. A place without a value becomes an ellipsis, never a zero."""

import re

from oomdoc.facts.case import Case
from oomdoc.facts.lazy import lazy
from oomdoc.facts.units import show

_PLACE = lazy(r"\{([a-z_][a-z0-9_.]*)\}")
_OPTIONAL = lazy(r"\[\[(.*?)\]\]")


def fill(sentence: str, case: Case, value_of: str | None = None) -> str:
    """The sentence with {fact.name} replaced by its value, and {value} by that of the fact `value_of`.

    A stretch in [[double brackets]] is left out when one of its facts is unknown.
    """

    def optional(match: re.Match[str]) -> str:
        known = all(case.fact(name if name != "value" else value_of or "") for name in _PLACE.findall(match[1]))
        return match[1] if known else ""

    def one(match: re.Match[str]) -> str:
        name = value_of if match[1] == "value" else match[1]
        fact = case.fact(name) if name else None
        return show(fact.name, fact.value) if fact else "…"

    return _PLACE.sub(one, _OPTIONAL.sub(optional, sentence))
