"""The memory of a run under changes: the closed form, raised to what the failure itself proves was needed."""

from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.memory.architecture import Architecture
from oomdoc.memory.closed_form import moments
from oomdoc.memory.platform import outside
from oomdoc.memory.reading import from_facts
from oomdoc.memory.settings import SettingsError


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
    moved: int = 0  # moving bytes of the unchanged run
    count: int = 0
    cache: dict[frozenset[tuple[str, Value]], Weight | None] = field(default_factory=dict)

    def weigh(self, changes: Mapping[str, Value]) -> Weight | None:
        """The run under changes; None where the settings cannot be meant."""
        key = frozenset(changes.items())
        if key not in self.cache:
            self.count += 1
            self.cache[key] = self._weigh(changes)
        return self.cache[key]

    def _weigh(self, changes: Mapping[str, Value]) -> Weight | None:
        try:
            settings = from_facts(joined(self.facts, changes), self.model)
            found = moments(self.model, settings)
        except SettingsError:
            return None
        worst = max(found, key=lambda moment: moment.bytes)
        still = min(moment.bytes for moment in found)
        around = outside(worst.parts, [moment.parts for moment in found], settings)
        moving = max(0, worst.bytes - still)
        treats = not self.treating or not self.treating.isdisjoint(changes)
        more = (
            int(self.lift * (moving if treats else max(moving, self.moved)))
            + self.extra
            + (0 if settings.expandable else self.broken)
        )
        tensors = around.device - around.reserved + worst.bytes  # what the allocator keeps beside them it can give back
        return Weight(tensors + more, min(around.low, tensors) + more, around.high + more, moving)


def joined(facts: Mapping[str, Value], changes: Mapping[str, Value]) -> dict[str, Value]:
    """The facts after changes: a limit on the length also bounds what samples have."""
    after = {**facts, **changes}
    limit, real = changes.get("train.max_length"), after.get("train.sequence_tokens")
    if isinstance(limit, int) and isinstance(real, int):
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
    scale = Scale(model, known, treating=treating)
    base = scale.weigh({})
    if base is None or not facts.get("oom.tried_to_allocate_bytes"):
        return scale
    needed = max(proven(facts), capacity + 1)
    if base.device >= needed:
        return scale
    missing = needed - base.device
    slack, tried = _bytes(facts, "oom.reserved_unallocated_bytes"), _bytes(facts, "oom.tried_to_allocate_bytes")
    if slack >= tried and slack >= capacity // 20:
        scale.broken = missing
    elif base.moving > missing // 8:
        scale.lift, scale.moved = missing / base.moving, base.moving
    else:
        scale.extra = missing
    scale.cache.clear()
    return scale


def _bytes(facts: Mapping[str, Value], name: str) -> int:
    value = facts.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0
