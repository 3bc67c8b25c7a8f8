"""The cheapest combination of options that fits: branch and bound over the knobs, every node weighed by the model."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.remedies.options import Knob, Option
from oomdoc.remedies.weigh import Scale, Weight

MOST = 6000  # evaluations of one search; about half a second
Cost: TypeAlias = Callable[[Option], float]


def changes_of(chosen: Sequence[Option]) -> dict[str, Value]:
    """The facts that several options set together."""
    changes: dict[str, Value] = {}
    for option in chosen:
        changes.update(option.changes)
    return changes


Ordered: TypeAlias = Sequence[tuple[Knob, Option]]


def ordered(scale: Scale, knobs: Sequence[Knob]) -> Ordered:
    """The knobs that save something, each with its leanest option, the one that saves most first."""
    kept = useful(scale, knobs)
    leanest = [_leanest(scale, knob, kept) for knob in kept]
    return sorted(zip(kept, leanest, strict=True), key=lambda pair: -_saving(scale, pair[1]))


@dataclass
class Search:
    """One search. `room` is what the run may take; `cost` is what a plan costs per option."""

    scale: Scale
    order: Ordered
    room: int
    cost: Cost
    sure: int | None = None  # bytes that not even the upper bound may pass
    best: tuple[Option, ...] | None = None
    price: float = float("inf")

    def run(self) -> tuple[Option, ...] | None:
        """The cheapest options that fit together, or None where even all of them do not."""
        self._limit = self.scale.count + MOST
        if not self._fits([option for _, option in self.order]):
            return None
        self._greedy()
        self._visit(0, (), 0.0)
        return self.best

    def _fits(self, chosen: Sequence[Option]) -> bool:
        weight = self.scale.weigh(changes_of(chosen))
        if weight is None or weight.device > self.room:
            return False
        return self.sure is None or weight.high <= self.sure

    def _greedy(self) -> None:
        """A first answer: everything at its leanest, then each option taken back or softened where that still fits."""
        chosen: list[Option | None] = [option for _, option in self.order]
        for place in sorted(range(len(chosen)), key=lambda i: -self.cost(self.order[i][1])):
            for weaker in (None, *sorted(self.order[place][0].options, key=self.cost)):
                trial = [*chosen[:place], weaker, *chosen[place + 1 :]]
                if self._fits([option for option in trial if option]):
                    chosen = trial
                    break
        found = tuple(option for option in chosen if option)
        self.best, self.price = found, sum(map(self.cost, found))

    def _visit(self, depth: int, chosen: tuple[Option, ...], price: float) -> None:
        if price >= self.price - 1e-9 or self.scale.count > self._limit:
            return
        if self._fits(chosen):
            self.best, self.price = chosen, price
            return
        if depth == len(self.order) or not self._fits([*chosen, *(option for _, option in self.order[depth:])]):
            return
        self._visit(depth + 1, chosen, price)
        for option in sorted(self.order[depth][0].options, key=self.cost):
            self._visit(depth + 1, (*chosen, option), price + self.cost(option))


def useful(scale: Scale, knobs: Sequence[Knob]) -> list[Knob]:
    """The knobs with only those options that save something, alone or beside all the others."""
    base = scale.weigh({})
    if base is None:
        return []
    least = max(base.device // 500, 1)
    alone = [[_device(scale, option.changes, base) for option in knob.options] for knob in knobs]
    extremes = [knob.options[min(range(len(row)), key=row.__getitem__)] for knob, row in zip(knobs, alone, strict=True)]
    kept = []
    for place, (knob, row) in enumerate(zip(knobs, alone, strict=True)):
        others = [option for index, option in enumerate(extremes) if index != place]
        without = _device(scale, changes_of(others), base)
        options = tuple(
            option
            for option, device in zip(knob.options, row, strict=True)
            if base.device - device >= least or without - _device(scale, changes_of([*others, option]), base) >= least
        )
        if options:
            kept.append(Knob(options))
    return kept


def _leanest(scale: Scale, knob: Knob, knobs: Sequence[Knob]) -> Option:
    """The option with the smallest peak when every other knob is turned as far as it goes alone."""
    base = scale.weigh({})
    assert base is not None
    others = [
        min(other.options, key=lambda option: _device(scale, option.changes, base))
        for other in knobs
        if other is not knob
    ]
    return min(knob.options, key=lambda option: _device(scale, changes_of([*others, option]), base))


def _device(scale: Scale, changes: Mapping[str, Value], base: Weight) -> int:
    weight = scale.weigh(changes)
    return weight.device if weight is not None else base.device * 4


def _saving(scale: Scale, option: Option) -> int:
    base, weight = scale.weigh({}), scale.weigh(option.changes)
    return base.device - weight.device if base is not None and weight is not None else 0
