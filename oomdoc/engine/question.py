"""The next question: the unknown fact whose answer separates the leading causes best, minus what it costs to answer."""

import math
from collections.abc import Iterable

from oomdoc.engine.conditions import Values
from oomdoc.engine.findings import UNDECIDED_PENALTY, Judgement, sigmoid
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.vocabulary import Term, askable

_LEADING = 8
_WORTH = 0.06  # probability below which a cause is not worth a question
_COST = 0.05  # bits that one unit of `ask_cost` must earn


@dataclass(frozen=True, slots=True)
class Question:
    """A fact worth asking for, the causes it separates, and the expected drop in entropy in bits."""

    term: Term
    separates: tuple[str, ...]
    gain: float


def questions(judgements: Iterable[Judgement], values: Values, limit: int = 3) -> tuple[Question, ...]:
    """The most informative questions, best first; only facts the vocabulary knows how to ask for."""
    open_ones = [j for j in judgements if j.fires is not False and sigmoid(_weight(j)) >= _WORTH]
    leading = sorted(open_ones, key=lambda j: -_weight(j))[:_LEADING]
    swings: dict[str, dict[int, tuple[float, float]]] = {}
    for place, judgement in enumerate(leading):
        for fact in judgement.undecided:
            _note(swings, fact, values, place, (2.0, -3.0))
        for sign in judgement.rule.signs:
            if sign.condition.test(values) is None:
                for fact in sign.condition.undecided_by(values):
                    _note(swings, fact, values, place, (sign.weight, 0.0))
    found = []
    scores = [_weight(judgement) for judgement in leading]
    before = _entropy(scores)
    for fact, moved in swings.items():
        declared = askable(fact)
        if declared is None:
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


def _weight(judgement: Judgement) -> float:
    return judgement.score - (UNDECIDED_PENALTY if judgement.fires is None else 0.0)


def _note(
    swings: dict[str, dict[int, tuple[float, float]]],
    fact: str,
    values: Values,
    place: int,
    change: tuple[float, float],
) -> None:
    """Remember how far an answer could move a cause; facts that follow from another are asked for by that one."""
    declared = askable(fact)
    if declared is None or declared.name in values:
        return
    if declared.ask_where and values.get(declared.ask_where) is not True:
        return
    yes, no = swings.setdefault(declared.name, {}).get(place, (0.0, 0.0))
    swings[declared.name][place] = (yes + change[0], no + change[1])


def _entropy(scores: list[float]) -> float:
    odds = [sigmoid(score) for score in scores]
    total = sum(odds) or 1.0
    return -sum(p / total * math.log2(p / total) for p in odds if p > 0)
