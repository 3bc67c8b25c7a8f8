"""The closed form: architecture and settings to a MemoryProfile, by plain arithmetic, thousands of times a second.

Each phase is a list of parts that are alive together at its worst moment; the figures read from outside are made from
the peak: allocated (PyTorch's tensors), reserved (plus what its allocator keeps beside them), device (plus context,
NCCL and other processes, as nvidia-smi shows it).
"""

from collections.abc import Iterator
from typing import NamedTuple

from oomdoc.memory.activations import language_layer
from oomdoc.memory.architecture import Architecture
from oomdoc.memory.inference import cache_part, engine_plan, forward_parts, generation_length
from oomdoc.memory.knowledge import holds
from oomdoc.memory.logits import all_positions, has_logits, kept_parts, loss_parts
from oomdoc.memory.parallel import exchange_parts, gradient_share, state_share, weight_share
from oomdoc.memory.parts import Part, part, total
from oomdoc.memory.platform import Outside, outside
from oomdoc.memory.profile import Component, MemoryProfile, Phase, PhaseProfile
from oomdoc.memory.settings import Settings
from oomdoc.memory.states import cast_parts, gradient_parts, optimizer_parts, step_parts
from oomdoc.memory.vision import Seen, tower, visual
from oomdoc.memory.weights import Trained, dequantised_bytes, layer_parameters, trained, unpacked_head, weight_parts


class Moment(NamedTuple):
    """What is alive at the worst moment of a phase."""

    phase: Phase
    what: str
    parts: tuple[Part, ...]

    @property
    def bytes(self) -> int:
        """Allocated bytes at that moment."""
        return total(self.parts)


class Peak(NamedTuple):
    """The figures alone, for search loops."""

    phase: Phase
    allocated: int
    reserved: int
    device: int
    low: int
    high: int


def estimate(model: Architecture, settings: Settings) -> MemoryProfile:
    """Predict the memory of one rank, phase by phase, with the peak, its error bar and every assumption in words."""
    found = moments(model, settings)
    worst = max(found, key=lambda moment: moment.bytes)
    around = outside(worst.parts, [moment.parts for moment in found], settings)
    components: dict[Component, int] = {}
    for each in (*worst.parts, *around.parts):
        if each.bytes:
            components[each.component] = components.get(each.component, 0) + each.bytes
    return MemoryProfile(
        method="closed_form",
        phases=tuple(
            PhaseProfile(
                phase=moment.phase, terms=tuple(each.term() for each in moment.parts if each.bytes),
                allocated_bytes=moment.bytes, moment=moment.what,
            )
            for moment in found
        ),
        peak_phase=worst.phase, allocated_bytes=worst.bytes, reserved_bytes=around.reserved, device_bytes=around.device,
        low_bytes=around.low, high_bytes=around.high, capacity_bytes=settings.capacity or None, components=components,
        assumptions=(*model.assumed, *settings.assumed),
        basis=f"{model.basis}: {model.name}",
    )  # fmt: skip


def peak(model: Architecture, settings: Settings) -> Peak:
    """The peak figures without the explanation: what a search over settings evaluates."""
    found = moments(model, settings)
    worst = max(found, key=lambda moment: moment.bytes)
    around: Outside = outside(worst.parts, [moment.parts for moment in found], settings)
    return Peak(worst.phase, worst.bytes, around.reserved, around.device, around.low, around.high)


def moments(model: Architecture, settings: Settings) -> list[Moment]:
    """The worst moment of every phase this run goes through."""
    if settings.method == "load":
        return [Moment("load", "all weights are on the card", tuple(_weights(model, settings)))]
    if not settings.trains:
        return _inference(model, settings)
    if settings.eval_alone and settings.eval_batch:
        weights = _weights(model, settings)
        loaded = Moment("load", "all weights are on the card", tuple(weights))
        return _worst_by_phase([loaded, *_evaluations(model, settings, weights)])
    return _training(model, settings)


def _training(model: Architecture, settings: Settings) -> list[Moment]:
    found = trained(model, settings)
    resident = _weights(model, settings) + _extra_models(model, settings)
    states = _scaled(optimizer_parts(found, settings), state_share(settings))
    gradients = _scaled(gradient_parts(found, settings), gradient_share(settings))
    exchange = exchange_parts(model, settings, found)
    casts = [] if settings.parallel.kind == "fsdp" else _scaled(cast_parts(found, settings), weight_share(settings))
    held = gradients if settings.accumulation > 1 or settings.parallel.zero_stage else []  # freed between steps
    head = unpacked_head(model, settings)
    seen = visual(model, settings.images)
    kept, moment = tower(model, settings, seen)
    activations, live = _activations(model, settings)
    base = [*resident, *states, *exchange]
    resting = [each for each in base if each.component != "gathered"]  # what was gathered is let go after backward
    stored = [*activations, *kept]
    result = [
        Moment("load", "all weights are on the card", tuple(resident)),
        Moment(
            "forward",
            "the loss is computed",
            (*base, *held, *casts, *stored, *loss_parts(model, settings, "forward"), *head),
        ),
        Moment("forward", "the vision tower runs", (*base, *held, *casts, *kept, *moment)),
        Moment(
            "backward",
            "the loss is differentiated",
            (*base, *held, *casts, *stored, *loss_parts(model, settings, "backward"), *head),
        ),
        Moment("backward", "the last layers are differentiated", (*base, *held, *casts, *stored, *live)),
        Moment("backward", "the first layers are differentiated", (*base, *gradients, *live)),
        Moment("backward", "the vision tower is differentiated", (*base, *gradients, *kept, *moment)),
        Moment("backward", "the embedding is differentiated", (*base, *gradients, *_embedding(model, settings, found))),
        Moment(
            "step",
            "the optimizer steps",
            (*resting, *gradients, *_scaled(step_parts(found, settings), state_share(settings))),
        ),
    ]
    return _worst_by_phase([*result, *_evaluations(model, settings, base)])


def _inference(model: Architecture, settings: Settings) -> list[Moment]:
    weights = _weights(model, settings)
    plan = engine_plan(model, settings, total(weights))
    samples = settings.serving.batch or settings.batch
    prompt, length = generation_length(settings)
    seen = visual(model, settings.images)
    _, moment = tower(model, settings, seen)
    load = Moment("load", "all weights are on the card", tuple(weights))
    if plan is not None:
        cache = part("kv_cache", "pre-allocated cache", plan.cache, 0.05, "{:,} of {:,} B", plan.cache, plan.budget)
        rest = plan.budget - total(weights) - plan.cache
        return [
            load,
            Moment(
                "generate",
                "the engine has taken its share",
                (*weights, cache, part("workspace", "profiling pass and CUDA graphs", rest, 0.3)),
            ),
        ]
    rows = prompt if all_positions(model, settings) else 1
    forward = [*forward_parts(model, settings, samples, prompt, rows), *moment]
    if settings.serving.grad:
        forward.extend(_activations(model, settings)[0])
    result = [
        load,
        Moment(
            "forward",
            "the prompt is read",
            (*weights, cache_part(model, settings, samples, prompt, grown=False), *forward),
        ),
    ]
    if has_logits(model):
        result.append(
            Moment(
                "generate",
                "the cache is full",
                (
                    *weights,
                    cache_part(model, settings, samples, length),
                    *forward_parts(model, settings, samples, 1, 1),
                ),
            )
        )
    return result


def _weights(model: Architecture, settings: Settings) -> list[Part]:
    parts = _scaled(weight_parts(model, settings), weight_share(settings))
    if model.experts is not None and settings.parallel.expert > 1:
        routed = model.counts.group("experts") / max(1, model.counts.total)
        parts = _scaled(parts, 1 - routed * (1 - 1 / settings.parallel.expert))
    return parts


def _activations(model: Architecture, settings: Settings) -> tuple[list[Part], list[Part]]:
    """(alive until backward reaches them, alive while one layer is differentiated)."""
    if model.kind == "diffusion" or not model.layers:
        return [], []
    layer = language_layer(model, settings)
    way = settings.parallel
    layers = model.layers / (way.pipeline * (way.world if way.kind == "device_map" else 1))
    flight = min(way.pipeline, max(1, settings.accumulation))  # 1F1B keeps that many micro-batches on the first stage
    tokens = settings.samples * settings.tokens
    width = int(dequantised_bytes(model, settings)) + (
        layer_parameters(model) * 2 if settings.autocast and settings.weights == 4 else 0
    )
    extra = part("workspace", "gradients in flight", layer.extra + width, 0.4, "one layer, {:,} tokens", tokens)
    slack = 0.78 if settings.compiled else 1.0  # torchtune README: 60.0 -> 51.0 GiB, all of it activations
    if settings.checkpointing == "off":
        stored = layer.kept * layers * flight * slack
        return [part("activations", "layers, stored", stored, 0.12, "{:.0f} layers x {:,} tokens", layers, tokens)], [
            extra
        ]
    inputs = 0.0 if settings.checkpoint_offload else layer.input * layers * flight
    found = [
        part(
            "activations",
            "layer inputs (checkpoints)",
            inputs,
            0.05,
            "{:.0f} layers x {:,} tokens x {}",
            layers,
            tokens,
            model.hidden,
        )
    ]
    return found, [part("activations", "one layer, recomputed", layer.kept * slack, 0.2, "{:,} tokens", tokens), extra]


def _extra_models(model: Architecture, settings: Settings) -> list[Part]:
    """Models beside the one that is trained: reference, reward and value models of RL, a colocated engine, a mean."""
    whole, share = model.counts.total * settings.compute, weight_share(settings)
    parts = []
    if settings.reference_model:
        parts.append(
            part(
                "extra_models",
                "reference model",
                whole * share,
                0.03,
                "{:,} x {:.0f} B",
                model.counts.total,
                settings.compute,
            )
        )
    if settings.stage == "ppo":
        parts.append(
            part("extra_models", "reward and value models", 2 * whole * share, 0.5, "taken as large as the policy")
        )
    if settings.stage in ("grpo", "ppo") and settings.serving.utilization and settings.capacity:
        parts.append(
            part(
                "extra_models",
                "rollout engine",
                settings.serving.utilization * settings.capacity,
                0.1,
                "share of the card",
            )
        )
    if settings.ema:
        parts.append(
            part(
                "extra_models",
                "averaged copy",
                model.counts.total * settings.weights * share,
                0.03,
                "{:,}",
                model.counts.total,
            )
        )
    return parts


def _embedding(model: Architecture, settings: Settings, found: Trained) -> list[Part]:
    """The dense gradient of a trained embedding, `V*h*w`, beside the one it is added to: twice where the output matrix
    is the same tensor (autograd sums both uses into a third), once while gradients accumulate over micro-batches."""
    copies = 2 if model.tied else 1 if settings.accumulation > 1 else 0
    if not found.base or not copies or settings.freeze_language:
        return []
    size = copies * model.vocab * model.hidden * settings.weights / settings.parallel.tensor
    return [
        part("workspace", "gradient of the embedding", size, 0.2, "{} x {:,} x {:,}", copies, model.vocab, model.hidden)
    ]


def _evaluations(model: Architecture, settings: Settings, base: list[Part]) -> Iterator[Moment]:
    """What evaluation adds to what lies on the card: a batch of logits, and a full cache where it generates."""
    if settings.eval_batch:
        yield _evaluation(model, settings, base)
    if settings.eval_generates:
        prompt, length = generation_length(settings)
        samples = settings.eval_batch or settings.batch
        cache = cache_part(model, settings, samples, length)
        yield Moment(
            "generate", "the cache is full", (*base, cache, *forward_parts(model, settings, samples, prompt, 1))
        )


def _evaluation(model: Architecture, settings: Settings, base: list[Part]) -> Moment:
    rows = settings.tokens
    parts = [*base, *forward_parts(model, settings, settings.eval_batch, rows, rows)]
    if has_logits(model):
        size = settings.eval_batch * rows * model.vocab * 4
        parts.append(
            part(
                "logits",
                "float32 logits of the loss",
                size,
                0.2,
                "{} x {:,} x {:,} x 4 B",
                settings.eval_batch,
                rows,
                model.vocab,
            )
        )
        parts += kept_parts(model, settings, rows)
    if model.layers and holds(settings.eval_cache, settings.transformers):
        parts.append(cache_part(model, settings, settings.eval_batch, rows, grown=False))
    return Moment("eval", "logits of a batch", tuple(parts))


def _worst_by_phase(found: list[Moment]) -> list[Moment]:
    order: dict[Phase, Moment] = {}
    for moment in found:
        if moment.phase not in order or moment.bytes > order[moment.phase].bytes:
            order[moment.phase] = moment
    return list(order.values())


def _scaled(parts: list[Part], share: float) -> list[Part]:
    return parts if share == 1.0 else [each.scaled(share) for each in parts]


__all__ = ["Moment", "Peak", "Seen", "estimate", "moments", "peak"]
