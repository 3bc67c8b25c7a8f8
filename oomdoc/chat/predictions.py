"""What-ifs and capacities: the memory model asked about a changed run, as bars before and after."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from oomdoc.chat.measure import Measure, nothing, raised
from oomdoc.chat.voice import tell
from oomdoc.facts.model import Value
from oomdoc.facts.units import size
from oomdoc.memory.architecture import Architecture, ArchitectureError
from oomdoc.memory.closed_form import estimate
from oomdoc.memory.predict import UnknownModelError, architecture_of, predict
from oomdoc.memory.profile import MemoryProfile
from oomdoc.memory.reading import from_facts
from oomdoc.memory.settings import SettingsError
from oomdoc.messages import Language, say
from oomdoc.report.blocks import Segment
from oomdoc.report.blocks_chat import CompareBlock, CompareRow

# A setting, and what else was known only because of its old value.
_FOLLOWS: Final[dict[str, tuple[str, ...]]] = {
    "hardware.gpu_name": ("hardware.gpu_total_bytes", "hardware.other_process_bytes", "hardware.compute_capability"),
    "hardware.gpu_count": ("parallel.world_size", "parallel.processes_per_node"),
    "parallel.zero_stage": ("parallel.kind",),
    "parallel.kind": ("parallel.zero_stage",),
    "train.method": ("model.trainable_parameters",),
    "lora.rank": ("model.trainable_parameters",),
    "train.freeze_vision_tower": ("model.trainable_parameters",),
    "train.precision": ("model.load_dtype", "model.weights_bytes", "train.pure_precision"),
    "quant.bits": ("model.weights_bytes", "quant.type"),
    "image.max_pixels": ("image.height", "image.width", "image.tokens", "train.sequence_tokens"),
    "image.tiles": ("image.tokens", "train.sequence_tokens"),
    "model.parameters": ("model.name", "model.path", "model.config_path"),
}
_MODEL_STAYS: Final = frozenset({"model.attention"})
_RANGES: Final[dict[str, tuple[int, int, int]]] = {  # least, most, step
    "train.per_device_batch_size": (1, 4096, 1),
    "train.max_length": (64, 4_194_304, 64),
    "train.sequence_tokens": (64, 4_194_304, 64),
    "inference.max_model_len": (64, 4_194_304, 64),
    "inference.max_num_seqs": (1, 4096, 1),
    "inference.batch_size": (1, 4096, 1),
    "lora.rank": (1, 4096, 1),
    "image.max_pixels": (28 * 28 * 4, 64_000_000, 28 * 28),
    "image.frames": (1, 2048, 1),
    "image.tiles": (1, 256, 1),
    "train.num_images": (1, 256, 1),
    "eval.per_device_batch_size": (1, 4096, 1),
    "train.num_generations": (1, 1024, 1),
}
_UNDERESTIMATED: Final = 1.25
_MOST_CARDS: Final = 64


class PredictionError(Exception):
    """No figure can be given; `key` is a sentence, `reason` its place."""

    def __init__(self, key: str, reason: str = "") -> None:
        super().__init__(reason or key)
        self.key, self.reason = key, reason


def changed(values: Mapping[str, Value], facts: Mapping[str, Value], drops: tuple[str, ...] = ()) -> dict[str, Value]:
    """The values of a run with some settings changed and others taken away; what followed from the old ones goes."""
    found = dict(values)
    for name in (*facts, *drops):
        if name == "model.name":
            for known in [known for known in found if known.startswith("model.") and known not in _MODEL_STAYS]:
                del found[known]
        for follower in _FOLLOWS.get(name, ()):
            if follower not in facts:
                found.pop(follower, None)
    _refill(found, facts)
    found.update(facts)
    for name in drops:
        found[name] = None
    if found.get("train.method") == "qlora" and "quant.bits" not in facts and not found.get("quant.bits"):
        found["quant.bits"] = 4
    return found


def altered(values: Mapping[str, Value], change: Mapping[str, Value]) -> dict[str, Value]:
    """`changed`, with what is taken away given as None."""
    facts = {name: value for name, value in change.items() if value is not None}
    return changed(values, facts, tuple(name for name, value in change.items() if value is None))


def _refill(values: dict[str, Value], facts: Mapping[str, Value]) -> None:
    """A limit below the real length cuts the samples; one above the old limit may be filled by longer samples."""
    new, old, real = facts.get("train.max_length"), values.get("train.max_length"), values.get("train.sequence_tokens")
    if not isinstance(new, int) or not isinstance(real, int):
        return
    if new < real:
        values["train.sequence_tokens"] = new
    elif isinstance(old, int) and new > old and real >= old:
        del values["train.sequence_tokens"]


def profile_of(values: Mapping[str, Value]) -> MemoryProfile:
    """The prediction; raises PredictionError with a sentence."""
    profile: MemoryProfile = _guarded(lambda: predict(values))
    return profile


def _guarded(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except UnknownModelError:
        raise PredictionError("need_model") from None
    except (ArchitectureError, SettingsError) as error:
        raise PredictionError("cannot_predict", str(error)) from None
    except (ValueError, ArithmeticError) as error:  # a setting far outside what the formulas were made for
        raise PredictionError("cannot_predict", str(error)) from None


def needed(values: Mapping[str, Value]) -> int:
    """Bytes on the card that the run needed at least, by its own message; 0 where it gave no figures."""
    tried, used, allocated = (
        value if isinstance(value := values.get(f"oom.{name}"), int) else 0
        for name in ("tried_to_allocate_bytes", "process_in_use_bytes", "allocated_bytes")
    )
    return (allocated or used) + tried if tried and (allocated or used) else 0


def compare(
    values: Mapping[str, Value],
    change: Mapping[str, Value] | None,
    label: str,
    language: Language,
    measure: Measure = nothing,
) -> CompareBlock:
    """Bars of the run as it is and as it would be (a value of None takes a setting away); without `change` one bar.

    Raises PredictionError where no figure can be given.
    """
    now = tell(language, "row_now")
    after = None if change is None else altered(values, change)
    rows: list[tuple[str, MemoryProfile]] = []
    try:
        rows.append((now, raised(profile_of(values), measure(values))))
    except PredictionError:
        if after is None:
            raise
    if after is not None:
        rows.append((label, raised(profile_of(after), measure(after))))
    last_label, last = rows[-1]
    sentences = [verdict(last_label, last, language)]
    if len(rows) > 1:
        sentences.append(difference(rows[0][1], last, language))
    if rows[0][0] == now:
        predicted, least = profile_of(values).device_bytes, needed(values)
        if least > predicted * _UNDERESTIMATED:
            sentences.append(tell(language, "underestimates", observed=size(least), predicted=size(predicted)))
    drawn = tuple(_row(name, profile, language) for name, profile in rows)
    scale = max(max(row.high_bytes, row.capacity_bytes or 0) for row in drawn)
    assumed = last.assumed_zh if language == "zh" else last.assumed
    joint = "" if language == "zh" else " "
    return CompareBlock(tell(language, "what_if"), scale, drawn, joint.join(sentences), tuple(assumed))


def verdict(label: str, profile: MemoryProfile, language: Language) -> str:
    """One sentence: how much, and whether it fits."""
    shown: dict[str, object] = {
        "label": label,
        "device": size(profile.device_bytes),
        "low": size(profile.low_bytes),
        "high": size(profile.high_bytes),
    }
    capacity = profile.capacity_bytes
    if not capacity:
        return tell(language, "no_card", **shown)
    shown["capacity"] = size(capacity)
    fits = _fits(profile)
    if fits:
        return tell(language, "fits", **shown, spare=size(capacity - profile.device_bytes))
    if fits is None:
        return tell(language, "tight", **shown)
    return tell(language, "misses", **shown, missing=size(profile.device_bytes - capacity))


def difference(before: MemoryProfile, after: MemoryProfile, language: Language) -> str:
    """How much less or more."""
    saved = before.device_bytes - after.device_bytes
    if abs(saved) < before.device_bytes / 500:
        return tell(language, "no_change")
    return tell(language, "saves", saved=size(saved)) if saved > 0 else tell(language, "costs", more=size(-saved))


def _fits(profile: MemoryProfile) -> bool | None:
    if not profile.capacity_bytes:
        return None
    if profile.high_bytes <= profile.capacity_bytes:
        return True
    return False if profile.low_bytes > profile.capacity_bytes else None


def _row(label: str, profile: MemoryProfile, language: Language) -> CompareRow:
    segments = tuple(
        Segment(kind, say(language, f"component.{kind}"), amount)
        for kind, amount in sorted(profile.components.items(), key=lambda entry: -entry[1])
        if amount > 0
    )
    return CompareRow(
        label,
        profile.device_bytes,
        profile.low_bytes,
        profile.high_bytes,
        segments,
        _fits(profile),
        profile.capacity_bytes,
    )


def can_search(name: str) -> bool:
    """Whether the largest value of a setting can be searched for."""
    return name in _RANGES


def largest(
    values: Mapping[str, Value], name: str, language: Language, measure: Measure = nothing
) -> tuple[tuple[str, ...], int | None]:
    """Sentences on the largest value of a setting that fits, and that value. Raises PredictionError."""
    model: Architecture = _guarded(lambda: architecture_of(values))
    capacity = profile_of(changed(values, {name: _RANGES[name][0]})).capacity_bytes
    if not capacity:
        raise PredictionError("capacity_unknown")
    least, most, step = _RANGES[name]
    if name == "train.max_length" and model.max_positions:
        most = min(most, max(model.max_positions, least))

    def peak(value: int) -> MemoryProfile:
        after = changed(values, {name: value})
        found: MemoryProfile = _guarded(lambda: estimate(model, from_facts(after, model)))
        return raised(found, measure(after))

    shown = {"name": name.rpartition(".")[2], "capacity": size(capacity)}
    first = peak(least)
    if first.high_bytes > capacity:
        sentence = tell(
            language, "none_fits", **shown, least=least, device=size(first.device_bytes), low=size(first.low_bytes),
            high=size(first.high_bytes),
        )  # fmt: skip
        return (sentence,), None
    safe = _search(lambda value: peak(value).high_bytes <= capacity, least, most, step)
    if safe >= most - step:
        return (tell(language, "no_limit", **shown, most=f"{safe:,}"),), safe
    at = peak(safe)
    figures = {"device": size(at.device_bytes), "high": size(at.high_bytes)}
    sentences = [tell(language, "largest", **shown, safe=f"{safe:,}", **figures)]
    likely = _search(lambda value: peak(value).device_bytes <= capacity, safe, most, step)
    if likely > safe:
        sentences.append(tell(language, "largest_likely", likely=f"{likely:,}"))
    return tuple(sentences), safe


def _search(fits: Callable[[int], bool], least: int, most: int, step: int) -> int:
    """The largest least + k*step that fits; memory grows with every setting searched."""
    low, high = 0, (most - least) // step
    while low < high:
        middle = (low + high + 1) // 2
        if fits(least + middle * step):
            low = middle
        else:
            high = middle - 1
    return least + low * step


def cards(values: Mapping[str, Value], language: Language, measure: Measure = nothing) -> tuple[str, ...]:
    """How many cards of the present kind are enough. Raises PredictionError."""
    one = raised(profile_of(values), measure(values))
    if not one.capacity_bytes:
        raise PredictionError("capacity_unknown")
    count = 1
    while count <= _MOST_CARDS:
        after = changed(values, {"hardware.gpu_count": count, "parallel.world_size": count})
        found = raised(profile_of(after), measure(after))
        if found.high_bytes <= one.capacity_bytes:
            shown = {"device": size(found.device_bytes), "high": size(found.high_bytes)}
            return (tell(language, "cards_needed", count=count, capacity=size(one.capacity_bytes), **shown),)
        count *= 2
    return (tell(language, "cards_useless", device=size(one.device_bytes)),)
