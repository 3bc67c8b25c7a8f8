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


def scores(features: Mapping[str, float], verdict: str) -> dict[Intent, float]:
    """Every intent's sum in log-odds, the best first; `verdict` is the line of the grammar that matched."""
    document = _weights()
    offsets = document["grammar"].get(verdict, document["grammar"][NOTHING])
    sums: dict[Intent, float] = dict(zip(document["intents"], offsets, strict=True))
    for name, value in known_part(features, document["weights"]).items():
        for intent, weight in _of(name):
            sums[intent] += value * weight
    return {intent: total / document["unit"] for intent, total in sorted(sums.items(), key=lambda entry: -entry[1])}


def telling(features: Mapping[str, float], intent: Intent, most: int = 3) -> list[str]:
    """The rows that weighed most for an intent."""
    worth = {
        name: value * dict(_of(name)).get(intent, 0) for name, value in features.items() if not name.startswith("#")
    }
    return [name for name in sorted(worth, key=lambda name: -worth[name]) if worth[name] > 0][:most]


def _of(name: str) -> list[tuple[Intent, int]]:
    """The weights of a feature: "why_not 12 why -3"."""
    told = _weights()["weights"].get(name, "").split()
    return [(intent, int(weight)) for intent, weight in zip(told[::2], told[1::2], strict=True)]
