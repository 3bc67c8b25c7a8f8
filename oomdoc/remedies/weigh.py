"""The memory of a run under changes: the closed form, raised to what the failure itself proves was needed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import NamedTuple

from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.memory.architecture import Architecture
from oomdoc.memory.closed_form import Moment, moments
from oomdoc.memory.platform import outside
from oomdoc.memory.reading import from_facts
from oomdoc.memory.settings import Settings, SettingsError
from oomdoc.messages import Sentence

_PHASES = {
    "train": frozenset({"forward", "backward", "step"}),
    "eval": frozenset({"eval"}),
    "generate": frozenset({"generate"}),
    "load": frozenset({"load"}),
}


class Weight(NamedTuple):
    """Device bytes of a run with their bounds; `moving` is what depends on the data of a step."""

    device: int
    low: int
    high: int
    moving: int


@dataclass
class Scale:
    """Weighs changed facts. `lift` is what the failure showed above the prediction, in proportion to `moving`."""

    model: Architecture
    facts: dict[str, Value]
    lift: float = 0.0  # bytes per moving byte
    extra: int = 0  # bytes, where nothing moves
    broken: int = 0  # bytes lost to fragmentation, unless segments may grow
    treating: frozenset[str] = frozenset()  # facts that treat the diagnosed cause: only they lower what was proven
    phases: frozenset[str] = frozenset()  # moments that the failure speaks of; all where its phase is unknown
    proved: int = 0  # bytes above the prediction that only a change of `treating` takes away
    doubt: int = 0  # bytes that what was decided may have left
    count: int = 0
    cache: dict[frozenset[tuple[str, Value]], Weight | None] = field(default_factory=dict)

    def weigh(self, changes: Mapping[str, Value]) -> Weight | None:
        """The run under changes; None where the settings cannot be meant."""
        key = frozenset(changes.items())
        if key not in self.cache:
            self.count += 1
            self.cache[key] = self._weigh(changes)
        return self.cache[key]

    def failed(self) -> Weight | None:
        """The unchanged run at the worst moment of the phase that failed; None where that phase is not modelled."""
        read = self._moments({})
        those = [moment for moment in read[0] if not self.phases or moment.phase in self.phases] if read else []
        return _worst(read[0], those, read[1], lambda _: 0) if read and those else None

    def assumed(self) -> tuple[Sentence, ...]:
        """What the weight of the unchanged run takes for granted."""
        try:
            settings = from_facts(self.facts, self.model)
        except SettingsError:
            return ()
        return (*self.model.assumed, *settings.assumed)

    def _weigh(self, changes: Mapping[str, Value]) -> Weight | None:
        read = self._moments(changes)
        if read is None:
            return None
        found, settings = read
        left = self._left(changes)
        proved = int(self.proved * left)
        still = min(moment.bytes for moment in found)

        def more(moment: Moment) -> int:
            """What the failure proved above the prediction, for moments of the phase that failed."""
            if self.phases and moment.phase not in self.phases:
                return 0
            moving = moment.bytes - still
            return proved + int(self.lift * moving) + self.extra + (0 if settings.expandable else self.broken)

        weight = _worst(found, found, settings, more)
        return weight._replace(high=weight.high + self.doubt + self._doubted(left))

    def _doubted(self, left: float) -> int:
        """That a smaller number takes its part of what was proven is a guess: at worst all of it stays."""
        return int(self.proved * (1 - left)) if 0 < left < 1 else 0

    def settled(self, chosen: Mapping[str, Value]) -> "Scale":
        """The scale of the run with changes that are decided."""
        left = self._left(chosen)
        return replace(
            self, facts=joined(self.facts, chosen), proved=int(self.proved * left), doubt=self._doubted(left),
            count=0, cache={},
        )  # fmt: skip

    def _left(self, changes: Mapping[str, Value]) -> float:
        """The share of what the failure proved that remains: a number in proportion, a switch takes all of it."""
        shares = [1.0]
        for name in self.treating & changes.keys():
            old, new = self.facts.get(name), changes[name]
            if name == "train.max_length" and old is None:
                old = self.facts.get("train.sequence_tokens")
            if isinstance(new, bool) or not isinstance(new, int):
                shares.append(0.0)
            elif isinstance(old, int) and not isinstance(old, bool) and old > 0:
                shares.append(min(1.0, new / old))
            else:
                shares.append(0.5 if old is None else 0.0)
        return min(shares)

    def _moments(self, changes: Mapping[str, Value]) -> tuple[list[Moment], Settings] | None:
        try:
            settings = from_facts(joined(self.facts, changes), self.model)
            return moments(self.model, settings), settings
        except SettingsError:
            return None


def _worst(
    found: Sequence[Moment], those: Sequence[Moment], settings: Settings, more: Callable[[Moment], int]
) -> Weight:
    """The heaviest of some moments; what the allocator keeps beside tensors it can give back, and is not counted."""
    still = min(moment.bytes for moment in found)
    rest = [moment.parts for moment in found]
    needed = [moment.bytes + more(moment) for moment in those]
    most = max(needed)  # what lies around the tensors is the same at every moment
    weights = []
    for moment, need in zip(those, needed, strict=True):
        if need < most:
            continue
        around = outside(moment.parts, rest, settings)
        tensors = around.device - around.reserved + moment.bytes
        raised = need - moment.bytes
        moving = max(0, moment.bytes - still)
        weights.append(Weight(tensors + raised, min(around.low, tensors) + raised, around.high + raised, moving))
    return max(weights)


def joined(facts: Mapping[str, Value], changes: Mapping[str, Value]) -> dict[str, Value]:
    """The facts after changes. A length limit bounds what samples have, unless the failed one passed the old limit."""
    after = {**facts, **changes}
    limit, real, old = (
        changes.get("train.max_length"),
        after.get("train.sequence_tokens"),
        facts.get("train.max_length"),
    )
    bounds = not isinstance(old, int) or not isinstance(real, int) or real <= old
    if isinstance(limit, int) and isinstance(real, int) and bounds:
        after["train.sequence_tokens"] = min(limit, real)
    if changes.get("train.freeze_vision_tower") is True:
        after["lora.reaches_vision_tower"] = False  # the remedy leaves the tower out of the targets
    return after


def proven(facts: Mapping[str, Value]) -> int:
    """Bytes on the card that the run needed at least, by its own message; 0 where it gave no figures."""
    tried, used = _bytes(facts, "oom.tried_to_allocate_bytes"), _bytes(facts, "oom.process_in_use_bytes")
    allocated, slack = _bytes(facts, "oom.allocated_bytes"), _bytes(facts, "oom.reserved_unallocated_bytes")
    if tried and used:
        return used + tried - min(slack, used)
    return allocated + tried if tried and allocated else 0


def scale_for(
    model: Architecture, facts: Mapping[str, Value], capacity: int, room: int, treating: frozenset[str] = frozenset()
) -> Scale:
    """A scale whose weight of the unchanged run is at least what the failure proves.

    The card is taken to be `room` bytes large, so that reserved memory, which the allocator gives back before it
    fails, never decides whether a run fits.
    """
    known = {**facts, "hardware.gpu_total_bytes": room}
    if facts.get("train.freeze_vision_tower") is False:
        known.setdefault("lora.reaches_vision_tower", True)  # a tower that is plainly not frozen has its layers adapted
    if facts.get("parallel.zero_stage") and facts.get("train.precision") in {"float16", "bfloat16"}:
        known["model.load_dtype"] = facts["train.precision"]  # DeepSpeed casts the weights before they reach the card
    if model.vision is not None and model.vision.image and not model.vision.max_tiles:
        known.setdefault("train.num_images", 1)
    scale = Scale(model, known, treating=treating)
    scale.phases = _PHASES.get(str(facts.get("run.phase")), frozenset())
    base = scale.failed()
    if base is None:  # a phase that the model has no moment for: what failed may be any
        scale.phases = frozenset()
        base = scale.failed()
    if base is None or not (facts.get("oom.tried_to_allocate_bytes") or facts.get("oom.memory") == "gpu"):
        return scale
    needed = max(proven(facts), capacity + 1)
    if base.device >= needed:
        return scale
    missing = needed - base.device
    slack, tried = _bytes(facts, "oom.reserved_unallocated_bytes"), _bytes(facts, "oom.tried_to_allocate_bytes")
    if slack >= tried and slack >= capacity // 20:
        scale.broken = missing
    elif treating:
        scale.proved = missing
    elif base.moving > missing // 8:
        scale.lift = missing / base.moving
    else:
        scale.extra = missing
    scale.cache.clear()
    return scale


def _bytes(facts: Mapping[str, Value], name: str) -> int:
    value = facts.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0
