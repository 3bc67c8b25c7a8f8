"""Which intent an utterance reads like: a sum of weights over its features, and what the grammar's verdict is worth.

The weights are data, fitted from `knowledge/phrasings/` by `benchmarks/fit_readings.py` and rounded; a reading can be
told as the words that weighed most.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from oomdoc.chat.reply import Intent
from oomdoc.facts import base

UNSEEN: Final = "#unseen"  # the share of rows that no phrasing has
NOTHING: Final = "nothing"  # the grammar's verdict where no line of it matches


@cache
def _weights() -> dict[str, Any]:
    return dict(base.section("readings")["weights.yaml"])


def known_part(features: Mapping[str, float], known: Any) -> dict[str, float]:
    """The features that the weights know, and how much of the text they do not know."""
    rows = [name for name in features if not name.startswith("#")]
    unseen = sum(name not in known for name in rows) / max(len(rows), 1)
    return {name: value for name, value in features.items() if name in known} | {UNSEEN: unseen}


@cache
def _known() -> frozenset[str]:
    return frozenset(name for table in _weights()["weights"].values() for name in table)


def scores(features: Mapping[str, float], verdict: str) -> dict[Intent, float]:
    """Every intent's sum in log-odds, the best first; `verdict` is the line of the grammar that matched."""
    document = _weights()
    unit, offsets = document["unit"], document["grammar"].get(verdict, document["grammar"][NOTHING])
    known = known_part(features, _known())
    total: dict[Intent, float] = {}
    for place, intent in enumerate(document["intents"]):
        table = document["weights"][intent]
        total[intent] = (sum(value * table.get(name, 0) for name, value in known.items()) + offsets[place]) / unit
    return dict(sorted(total.items(), key=lambda entry: -entry[1]))


def telling(features: Mapping[str, float], intent: Intent, most: int = 3) -> list[str]:
    """The rows that weighed most for an intent."""
    table = _weights()["weights"][intent]
    ranked = sorted(features, key=lambda name: -features[name] * table.get(name, 0))
    return [name for name in ranked if not name.startswith("#") and table.get(name, 0) > 0][:most]
