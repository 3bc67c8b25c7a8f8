"""What can be changed in one run: every remedy's levels as options, those of the same facts in one knob."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import field

from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.remedies.remedy import PROMISES, Ladder, Remedy, remedies

# Facts that the base may leave unsaid because the framework's habit is this value.
_UNSAID: dict[str, Value] = {"train.liger_kernel": False, "env.expandable_segments": False, "parallel.offload": "none"}


@dataclass(frozen=True)
class Option:
    """One level of one remedy: the facts it sets, how much it hurts, how much slower a step gets (a factor)."""

    remedy: Remedy
    changes: Mapping[str, Value]
    hurt: float
    slower: float
    note: Mapping[str, Value] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """The place of its promise: 0 keeps the result."""
        return PROMISES.index(self.remedy.promise)

    def cost(self, haste: float) -> float:
        """What the solver adds up: hurt, and time weighed by `haste`."""
        return self.hurt + haste * math.log(max(self.slower, 0.5))


@dataclass(frozen=True)
class Knob:
    """Options that exclude one another, for they set the same facts; the cheapest first."""

    options: tuple[Option, ...]


@dataclass(frozen=True)
class Limits:
    """What the person or the program rules out. `keep` are facts that stay, `most_gpus` bounds the processes,
    `possible` says whether the program can be told a value at all."""

    keep: Collection[str] = ()
    most_gpus: int | None = None
    possible: Callable[[str, Value], bool] | None = None

    def allows(self, option: Option, facts: Mapping[str, Value]) -> bool:
        """Whether an option leaves alone what is to stay."""
        if any(name in self.keep for name in option.changes):
            return False
        if self.possible is not None and not all(self.possible(name, value) for name, value in option.changes.items()):
            return False
        world = option.changes.get("parallel.world_size", facts.get("parallel.world_size"))
        return self.most_gpus is None or not isinstance(world, int) or world <= self.most_gpus


def options_of(remedy: Remedy, facts: Mapping[str, Value], *, fond: float = 0.0) -> list[Option]:
    """The levels of a remedy in this run; `fond` in [0, 1] lowers its cost where it treats the diagnosed cause."""
    if remedy.weight is None or remedy.saves_nothing or remedy.unmet(facts) is not None:
        return []
    weight = remedy.weight * (1 - 0.5 * fond)
    if remedy.levels:
        return _levels(remedy, facts, weight)
    changes = {name: value for name, value in remedy.sets.items() if not same(facts, name, value)}
    if not changes or not _fits_only(remedy, facts, next(iter(remedy.sets))):
        return []
    return [Option(remedy, dict(remedy.sets), weight, remedy.slower)]


def same(facts: Mapping[str, Value], name: str, value: Value) -> bool:
    """Whether a fact is so already, said or by habit; nothing is better than what is stronger already."""
    now = facts.get(name, _UNSAID.get(name))
    if name == "parallel.zero_stage" and isinstance(now, int) and isinstance(value, int):
        return now >= value
    if name == "model.attention" and value == "flash_attention_2":
        return now in {"flash_attention_2", "flash_attention_3"}
    if name == "train.optimizer":
        return isinstance(now, str) and "8bit" in now
    if name == "quant.bits" and isinstance(now, int) and isinstance(value, int):
        return 0 < now <= value
    if name == "train.method" and value == "lora":
        return now in {"lora", "qlora", "dora"}
    return name in facts and now == value


def _levels(remedy: Remedy, facts: Mapping[str, Value], weight: float) -> list[Option]:
    (name, ladder), *_ = remedy.levels.items()
    now = facts.get(name)
    known = now if isinstance(now, int) and not isinstance(now, bool) and now > 0 else None
    if not _fits_only(remedy, facts, name) or (known is None and isinstance(ladder, Ladder)):
        return []
    found = []
    if isinstance(ladder, Ladder):
        assert known is not None
        value, steps = known, 0
        while (value := int(value * ladder.factor)) >= ladder.down_to and steps < 8:
            steps += 1
            found.append(_level(remedy, facts, name, value, known, steps, weight))
        return found
    start = known or _asked(facts, name)
    for steps, value in enumerate((v for v in ladder if start is None or v < start), 1):
        found.append(_level(remedy, facts, name, value, start or value, steps, weight))
    return found


def _level(
    remedy: Remedy, facts: Mapping[str, Value], name: str, value: int, start: int, steps: int, weight: float
) -> Option:
    changes: dict[str, Value] = {name: value}
    if remedy.keeps:
        held = facts.get(remedy.keeps)
        before = held if isinstance(held, int) and held > 0 else 1
        changes[remedy.keeps] = max(1, round(before * start / value))
    return Option(remedy, changes, weight * steps, remedy.slower**steps)


def _asked(facts: Mapping[str, Value], name: str) -> int | None:
    """What a sample really needs where no limit is set."""
    value = facts.get("train.sequence_tokens") if name == "train.max_length" else None
    return value if isinstance(value, int) else None


def _fits_only(remedy: Remedy, facts: Mapping[str, Value], name: str) -> bool:
    if remedy.only is None:
        return True
    if remedy.only == "unset":
        return facts.get(name) is None
    return facts.get(name) == remedy.only


def knobs(
    facts: Mapping[str, Value],
    limits: Limits | None = None,
    *,
    fond: Mapping[str, float] | None = None,
) -> list[Knob]:
    """Everything that may be turned in this run."""
    fond, limits = fond or {}, limits or Limits()
    groups: list[tuple[set[str], list[Option]]] = []
    for remedy in remedies().values():
        options = [o for o in options_of(remedy, facts, fond=fond.get(remedy.id, 0.0)) if limits.allows(o, facts)]
        if not options:
            continue
        names = {name for option in options for name in option.changes if name != remedy.keeps}
        joined, rest = options, []
        for other, held in groups:
            if other & names:
                names |= other
                joined = held + joined
            else:
                rest.append((other, held))
        groups = [*rest, (names, joined)]
    return [Knob(tuple(sorted(options, key=lambda option: option.cost(1.0)))) for _, options in groups]
