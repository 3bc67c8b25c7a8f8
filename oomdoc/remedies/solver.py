"""Plans that fit: the few that matter on the front of promise, slow-down and distance from the person's settings."""

import math
from collections.abc import Mapping
from dataclasses import field, replace

from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.memory.architecture import Architecture
from oomdoc.memory.reading import from_facts
from oomdoc.memory.settings import Images
from oomdoc.memory.vision import visual
from oomdoc.messages import Sentence
from oomdoc.remedies.hardware import Card, cards_that_fit
from oomdoc.remedies.options import Knob, Limits, Option, knobs
from oomdoc.remedies.remarks import Remark, remarks
from oomdoc.remedies.remedy import remedies
from oomdoc.remedies.search import Search, changes_of, ordered
from oomdoc.remedies.weigh import Scale, Weight, scale_for

HEADROOM = 0.04  # of the card: what a prediction leaves free
HASTE = 1.5  # how much a run that takes e times as long hurts, in the unit of `weight`
_HURRIED = 6.0
_MOST = 4
_TREATS = 0.5  # of the leading cause's probability
_CLASSES = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Plan:
    """Options that fit together. `weight` is the predicted card with its bounds, `saved` bytes against before."""

    options: tuple[Option, ...]
    changes: Mapping[str, Value]
    weight: Weight
    saved: int
    hurt: float
    slower: float
    rank: int

    @property
    def cost(self) -> float:
        """What the plan costs in all."""
        return self.hurt + HASTE * math.log(max(self.slower, 0.5))

    @property
    def sure(self) -> int:
        """Its upper bound: a card of that size is enough even at the prediction's worst."""
        return self.weight.high


@dataclass(frozen=True, slots=True)
class Solution:
    """What the search found. `before` is the run unchanged; `raised` says that the failure proved more than predicted;
    `single` is the least single change that suffices; `cards` would hold the run as it is, `lean_cards` at its leanest
    where nothing fits; `assumed` is what the prediction took for granted; `scale` weighs more
    changes of this run."""

    plans: tuple[Plan, ...]
    before: Weight | None
    capacity: int
    room: int
    raised: bool = False
    single: Plan | None = None
    leanest: Plan | None = None
    cards: tuple[Card, ...] = ()
    lean_cards: tuple[Card, ...] = ()
    remarks: tuple[Remark, ...] = ()
    weighed: int = 0
    base: Mapping[str, Value] = field(default_factory=dict)
    assumed: tuple[Sentence, ...] = ()
    scale: Scale | None = None


def solve(
    facts: Mapping[str, Value],
    model: Architecture,
    capacity: int,
    *,
    limits: Limits | None = None,
    headroom: float = HEADROOM,
    fond: Mapping[str, float] | None = None,
    chosen: Mapping[str, Value] | None = None,
) -> Solution:
    """Search the plans that fit `capacity` bytes less the headroom (a share of it, or bytes from 1 on).

    `facts` are those of the failed run, `chosen` what the person has decided already, `fond` (remedy -> [0, 1]) lowers
    the cost of what treats the diagnosed cause. A plan's weight is that of the closed form, never below the failure's
    own figures.
    """
    limits = limits or Limits()
    room = capacity - int(headroom if headroom >= 1 else headroom * capacity)
    scale = scale_for(model, facts, capacity, room, _treating(fond or {}))
    before = scale.weigh({})
    chosen = dict(chosen or {})
    if before is None:
        return Solution((), None, capacity, room, base=facts)
    if chosen:
        scale = scale.settled(chosen)
        limits = replace(limits, keep=(*limits.keep, *chosen))
    turned = _long_enough(knobs(scale.facts, limits, fond=fond), scale)
    found = _front(scale, turned, room, capacity, before, chosen, _favoured(fond or {}))
    needed = scale.weigh({})
    missing = (needed.device if needed else before.device) - room
    leanest = _leanest(scale, turned, before, chosen)
    return Solution(
        plans=found,
        before=before,
        capacity=capacity,
        room=room,
        raised=bool(scale.lift or scale.extra or scale.broken or scale.proved),
        single=_single(scale, turned, room, capacity, before, chosen),
        leanest=leanest,
        cards=cards_that_fit(before.device),
        lean_cards=() if found or leanest is None else cards_that_fit(leanest.weight.device),
        remarks=remarks(scale, limits, found, missing),
        weighed=scale.count,
        base=facts,
        assumed=scale.assumed(),
        scale=scale,
    )


def _long_enough(turned: list[Knob], scale: Scale) -> list[Knob]:
    """Without length limits that would cut into a sample's images: text and answer need room beside them."""
    images = from_facts(scale.facts, scale.model).images
    if not images.count and scale.model.vision is not None and scale.model.vision.image:
        images = Images(count=1, tiles=1)  # towers of one size: no sample with a picture is shorter
    seen = visual(scale.model, images).tokens
    least = int(seen * 1.1) + 128 if seen else 0
    kept = []
    for knob in turned:
        options = tuple(o for o in knob.options if not 0 < _limit(o) < least)
        kept.extend([Knob(options)] if options else [])
    return kept


def _limit(option: Option) -> int:
    value = option.changes.get("train.max_length", 0)
    return value if isinstance(value, int) else 0


def _treating(fond: Mapping[str, float]) -> frozenset[str]:
    """The facts that remedies of the leading causes change."""
    least = _TREATS * max(fond.values(), default=0.0)
    names = {name for name, probability in fond.items() if probability >= least and probability > 0}
    known = remedies()
    return frozenset(fact for name in names if name in known for fact in known[name].sets)


def _favoured(fond: Mapping[str, float]) -> frozenset[str]:
    """The remedies of the leading cause."""
    most = max(fond.values(), default=0.0)
    return frozenset(name for name, probability in fond.items() if most and probability >= most)


def _front(
    scale: Scale,
    turned: list[Knob],
    room: int,
    capacity: int,
    before: Weight,
    chosen: Mapping[str, Value],
    favoured: frozenset[str],
) -> tuple[Plan, ...]:
    """The plans nobody would trade for another by promise, time and distance; and the one by the cause alone."""
    found: dict[frozenset[tuple[str, Value]], Plan] = {}
    for rank in _CLASSES:
        allowed = [Knob(kept) for knob in turned if (kept := tuple(o for o in knob.options if o.rank <= rank))]
        order = ordered(scale, allowed)
        for haste, sure in ((HASTE, None), (_HURRIED, None), (HASTE, capacity)):
            options = Search(scale, order, room, lambda option, haste=haste: option.cost(haste), sure).run()  # type: ignore[misc]
            if options:
                plan = _plan(scale, options, before, chosen)
                found.setdefault(frozenset(plan.changes.items()), plan)
    by_cause = [Knob(kept) for knob in turned if (kept := tuple(o for o in knob.options if o.remedy.id in favoured))]
    options = Search(scale, ordered(scale, by_cause), room, lambda option: option.cost(HASTE)).run()
    straight = _plan(scale, options, before, chosen) if options else None
    if straight is not None:
        found.setdefault(frozenset(straight.changes.items()), straight)
    plans = [
        plan
        for plan in found.values()
        if (straight and plan.changes == straight.changes)
        or not any(_better(other, plan, capacity) for other in found.values())
    ]
    return tuple(sorted(plans, key=lambda plan: (_order(plan, capacity), plan.rank)))[:_MOST]


def _order(plan: Plan, capacity: int) -> float:
    """What is offered first: cheap, keeping the result, and fitting even at the upper bound."""
    return plan.cost + 0.35 * plan.rank + (0.5 if plan.weight.high > capacity else 0.0)


def _better(one: Plan, other: Plan, capacity: int) -> bool:
    """Whether one plan is as good in everything and better in something; to be safe at the worst is something."""
    first, second = (
        (plan.rank, round(plan.slower, 3), round(plan.hurt, 3), plan.weight.high > capacity) for plan in (one, other)
    )
    return first != second and all(a <= b for a, b in zip(first, second, strict=True))


def _plan(scale: Scale, options: tuple[Option, ...], before: Weight, chosen: Mapping[str, Value]) -> Plan:
    weight = scale.weigh(changes_of(options))
    assert weight is not None
    return Plan(
        options=options,
        changes={**chosen, **changes_of(options)},
        weight=weight,
        saved=before.device - weight.device,
        hurt=sum(option.hurt for option in options),
        slower=math.prod(option.slower for option in options),
        rank=max((option.rank for option in options), default=0),
    )


def _single(
    scale: Scale, turned: list[Knob], room: int, capacity: int, before: Weight, chosen: Mapping[str, Value]
) -> Plan | None:
    """The cheapest single option that is enough."""
    fitting = [
        option
        for knob in turned
        for option in knob.options
        if (weight := scale.weigh(option.changes)) is not None and weight.device <= room
    ]
    if not fitting:
        return None
    single = [_plan(scale, (option,), before, chosen) for option in fitting]
    return min(single, key=lambda plan: (_order(plan, capacity), plan.options[0].remedy.id))


def _leanest(scale: Scale, turned: list[Knob], before: Weight, chosen: Mapping[str, Value]) -> Plan | None:
    """Everything turned as far as it goes, one knob after the other."""
    options: list[Option] = []
    for knob in turned:
        now = scale.weigh(changes_of(options))
        trials = [(weight.device, place) for place, option in enumerate(knob.options)
                  if (weight := scale.weigh(changes_of([*options, option]))) is not None]  # fmt: skip
        if now is not None and trials and min(trials)[0] < now.device:
            options.append(knob.options[min(trials)[1]])
    return _plan(scale, tuple(options), before, chosen) if options else None
