"""Named derived facts: the arithmetic that rules speak of. Each names the facts it came from; none is guessed."""

from collections.abc import Callable
from typing import Final

from oomdoc.facts.case import Case
from oomdoc.facts.fact import UNKNOWN, Fact, How, Source
from oomdoc.facts.model import Value
from oomdoc.facts.units import MIB

# The allocator asks the driver for 2 MiB for requests up to 1 MiB and for 20 MiB up to 10 MiB
# (pytorch c10/cuda/CUDACachingAllocator.cpp, kSmallBuffer and kLargeBuffer).
_SMALL_SEGMENTS: Final = (2 * MIB, 20 * MIB)
# 2 + 2 for bf16 weights and gradients, 12 for fp32 Adam moments and master copy (ZeRO, arXiv:1910.02054, 3.1).
_FULL_BYTES_PER_PARAMETER: Final = 16

_IMAGE_DIMENSIONS: Final = 4
# Fewer entries are classes or characters.
_LARGE_VOCABULARY: Final = 20_000

_Rule = Callable[..., Value]


def _first(shape: object) -> Value:
    """The leading dimension of a tensor of two and more, in nearly all layers the batch."""
    sizes = shape.split(",") if isinstance(shape, str) else list(shape) if isinstance(shape, tuple | list) else []
    return int(sizes[0]) if len(sizes) > 1 and str(sizes[0]).strip().isdigit() else None


def _side(shape: object) -> Value:
    """The shorter side of the image in a 4-d tensor, channels first or last: the second largest but the batch."""
    sizes = shape.split(",") if isinstance(shape, str) else list(shape) if isinstance(shape, tuple | list) else []
    numbers = [int(size) for size in sizes if str(size).strip().isdigit()]
    return sorted(numbers[1:])[-2] if len(numbers) == len(sizes) == _IMAGE_DIMENSIONS else None


def _ratio(part: float, whole: float) -> Value:
    return round(part / whole, 4) if whole > 0 else None


def _other_share(other: float, total: float) -> Value:
    return _ratio(min(other, total), total)


def _outside(total: int, free: int, reserved: int) -> Value:
    return max(total - free - reserved, 0)


def _last_straw(tried: int) -> Value:
    return any(abs(tried - segment) < MIB // 100 for segment in _SMALL_SEGMENTS)


def _shards(case: Case) -> tuple[int, int]:
    """Over how many cards the weights, and the gradients with the optimizer state, are divided."""
    kind, stage = case.value("parallel.kind"), case.value("parallel.zero_stage")
    count = next(
        (value for name in ("parallel.world_size", "hardware.gpu_count") if isinstance(value := case.value(name), int)),
        1,
    )
    if count < 2:
        return 1, 1
    if stage == 3 or kind in ("fsdp", "device_map", "tensor", "pipeline", "megatron"):
        # ZeRO-3 leaves weights packed by bitsandbytes whole (deepspeed partitions floating-point parameters).
        return (1 if stage == 3 and case.value("quant.bits") in (4, 8) else count), count
    return (1, count) if stage in (1, 2) else (1, 1)


def _shares(case: Case) -> list[Fact]:
    """What the weights, and all states of full training, are of one card after sharding."""
    total, weights = case.value("hardware.gpu_total_bytes"), case.value("model.weights_bytes")
    parameters = case.value("model.parameters")
    if not isinstance(total, int) or not total:
        return []
    of_weights, of_states = _shards(case)
    facts = []
    if isinstance(weights, int):
        source = Source(how=How.DERIVED, derived_from=("model.weights_bytes", "hardware.gpu_total_bytes"))
        facts.append(Fact(name="model.weights_share", value=round(weights / of_weights / total, 4), source=source))
    if isinstance(parameters, int):
        kept = 2 / of_weights + (_FULL_BYTES_PER_PARAMETER - 2) / of_states
        source = Source(how=How.DERIVED, derived_from=("model.parameters", "hardware.gpu_total_bytes"))
        facts.append(Fact(name="model.full_training_share", value=round(parameters * kept / total, 4), source=source))
    return facts


# Derived name, the facts it needs, the arithmetic. Evaluated in this order, so later lines may use earlier ones.
_DERIVED: Final[tuple[tuple[str, tuple[str, ...], _Rule], ...]] = (
    ("oom.free_to_tried_ratio", ("oom.free_bytes", "oom.tried_to_allocate_bytes"), _ratio),
    ("oom.slack_to_tried_ratio", ("oom.reserved_unallocated_bytes", "oom.tried_to_allocate_bytes"), _ratio),
    ("oom.slack_share", ("oom.reserved_unallocated_bytes", "oom.gpu_total_bytes"), _ratio),
    ("oom.allocated_share", ("oom.allocated_bytes", "oom.gpu_total_bytes"), _ratio),
    ("oom.tried_share", ("oom.tried_to_allocate_bytes", "oom.gpu_total_bytes"), _ratio),
    ("oom.outside_bytes", ("oom.gpu_total_bytes", "oom.free_bytes", "oom.reserved_bytes"), _outside),
    ("oom.outside_share", ("oom.outside_bytes", "oom.gpu_total_bytes"), _ratio),
    ("oom.other_processes_share", ("oom.other_processes_bytes", "oom.gpu_total_bytes"), _other_share),
    ("oom.last_straw", ("oom.tried_to_allocate_bytes",), _last_straw),
    ("oom.tensor_batch", ("oom.tensor_shape",), _first),
    ("oom.tensor_side", ("oom.tensor_shape",), _side),
    ("model.trainable_share", ("model.trainable_parameters", "model.parameters"), _ratio),
    ("hardware.gpu_total_bytes", ("oom.gpu_total_bytes",), lambda total: total),
)


_TRAINING: Final = (
    "train.method",
    "train.per_device_batch_size",
    "train.gradient_accumulation_steps",
    "train.stage",
    "train.optimizer",
    "lora.rank",
)
_STATED: Final = (How.ANSWERED, How.LIVE, How.LOG, How.COMMAND, How.CONFIG, How.TOLD)


def _kind_and_phase(case: Case) -> list[Fact]:
    """A run with training settings trains; with no sign of another phase it failed in what it was for: assumed."""
    added = []
    kind = case.value("run.kind")
    if case.fact("run.trains") is None and case.value("run.evaluates") is True and not _is_set_up_to_train(case):
        source = Source(how=How.DERIVED, derived_from=("run.evaluates",), note="nothing asks for training")
        added.append(Fact(name="run.trains", value=False, source=source))
    if (added and added[0].value is False) or case.value("run.trains") is False:
        source = Source(how=How.ASSUMED, derived_from=("run.trains",), note="nothing says that it was another phase")
        return (
            [*added, Fact(name="run.phase", value="eval", source=source)] if case.fact("run.phase") is None else added
        )
    if kind is UNKNOWN:
        named = tuple(name for name in _TRAINING if (fact := case.fact(name)) and fact.source.how in _STATED)
        if not named:
            return []
        kind = "train"
        added.append(Fact(name="run.kind", value=kind, source=Source(how=How.DERIVED, derived_from=named)))
    if kind in ("train", "inference") and case.fact("run.phase") is None:
        source = Source(how=How.ASSUMED, derived_from=("run.kind",), note="nothing says that it was another phase")
        added.append(Fact(name="run.phase", value=kind, source=source))
    return added


def _is_set_up_to_train(case: Case) -> bool:
    """Whether settings are stated that only training reads."""
    steps = ("train.per_device_batch_size", "train.gradient_accumulation_steps", "train.optimizer")
    if any((fact := case.fact(name)) and fact.source.how in _STATED for name in steps):
        return True
    strategy = case.fact("eval.strategy")
    return strategy is not None and strategy.source.how in _STATED and strategy.value != "no"


def _language(case: Case) -> list[Fact]:
    """Whether a language model runs: by its vocabulary or the words of text, not where images alone are spoken of."""
    if case.fact("model.is_language_model") is not None:
        return []
    vocabulary = case.value("model.vocab_size")
    signs = [name for name in ("report.text_model", "model.is_vision_language") if case.value(name) is True]
    if isinstance(vocabulary, int) and vocabulary >= _LARGE_VOCABULARY:
        signs.append("model.vocab_size")
    unknown = all(case.fact(name) is None for name in ("model.family", "train.max_length", "inference.max_model_len"))
    if not signs and not (unknown and case.value("report.images_in") is True):
        return []
    source = Source(how=How.DERIVED, derived_from=tuple(signs) or ("report.images_in",))
    return [Fact(name="model.is_language_model", value=bool(signs), source=source)]


def derive(case: Case) -> Case:
    """The case with every derived fact whose ingredients are known and that nobody stated."""
    case = case.with_facts([*_kind_and_phase(case), *_language(case)])
    known: dict[str, Value] = {fact.name: fact.value for name in case.names() if (fact := case.fact(name))}
    added = []
    for name, needs, rule in _DERIVED:
        if name in known or any(known.get(need) is None for need in needs):
            continue
        value = rule(*(known[need] for need in needs))
        if value is None:
            continue
        known[name] = value
        added.append(Fact(name=name, value=value, source=Source(how=How.DERIVED, derived_from=needs)))
    case = case.with_facts(added)
    return case.with_facts(fact for fact in _shares(case) if fact.name not in known)
