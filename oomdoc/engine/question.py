"""The next question: the unknown fact whose answer separates the leading causes best, minus what it costs to answer."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from oomdoc.engine.conditions import Values
from oomdoc.engine.findings import Judgement, sigmoid
from oomdoc.facts.vocabulary import Term, term

_LEADING = 8
_COST = 0.05  # bits that one unit of `ask_cost` must earn


@dataclass(frozen=True, slots=True)
class Question:
    """A fact worth asking for, the causes it separates, and the expected drop in entropy in bits."""

    term: Term
    separates: tuple[str, ...]
    gain: float


def questions(judgements: Iterable[Judgement], values: Values, limit: int = 3) -> tuple[Question, ...]:
    """The most informative questions, best first; only facts the vocabulary knows how to ask for."""
    leading = sorted((j for j in judgements if j.fires is not False), key=lambda j: -j.score)[:_LEADING]
    swings: dict[str, dict[int, tuple[float, float]]] = {}
    for place, judgement in enumerate(leading):
        for fact in judgement.undecided:
            swings.setdefault(fact, {})[place] = (2.0, -3.0)
        for sign in judgement.rule.signs:
            if sign.condition.test(values) is None:
                for fact in sign.condition.undecided_by(values):
                    low, high = swings.setdefault(fact, {}).get(place, (0.0, 0.0))
                    swings[fact][place] = (low + sign.weight, high)
    found = []
    scores = [judgement.score for judgement in leading]
    before = _entropy(scores)
    for fact, moved in swings.items():
        declared = term(fact)
        if declared is None or declared.ask_en is None:
            continue
        after = sum(
            0.5 * _entropy([score + moved.get(place, (0.0, 0.0))[answer] for place, score in enumerate(scores)])
            for answer in (0, 1)
        )
        reach = sum(max(abs(a), abs(b)) * sigmoid(scores[place]) for place, (a, b) in moved.items())
        gain = before - after + 0.05 * reach - _COST * declared.ask_cost
        causes = tuple(leading[place].rule.cause for place in moved)
        found.append(Question(declared, causes, round(gain, 3)))
    found.sort(key=lambda question: (-question.gain, question.term.name))
    return tuple(question for question in found if question.gain > 0)[:limit]


def _entropy(scores: list[float]) -> float:
    odds = [sigmoid(score) for score in scores]
    total = sum(odds) or 1.0
    return -sum(p / total * math.log2(p / total) for p in odds if p > 0)
