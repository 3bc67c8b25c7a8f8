"""Gradients, optimizer state and master weights: what full training keeps beside the weights, and for a moment more."""

from oomdoc.memory.knowledge import holds, optimizer_entry
from oomdoc.memory.parts import Part, part
from oomdoc.memory.settings import Settings
from oomdoc.memory.weights import Trained


def gradient_parts(found: Trained, settings: Settings) -> list[Part]:
    """Gradients in the dtype of their parameter: `T*w`; DeepSpeed keeps them in the compute dtype."""
    if not found.total:
        return []
    width = settings.compute if settings.parallel.zero_stage else settings.weights
    size = found.adapters * settings.adapter + (found.base + found.saved) * width
    return [part("gradients", "gradients", size, 0.02, "{:,} trained parameters", found.total)]


def optimizer_parts(found: Trained, settings: Settings) -> list[Part]:
    """State of the optimizer. Under DeepSpeed bf16/fp16: float32 master weights and two float32 moments, 12 B each.

    Otherwise copies in the parameter's own dtype (torch.optim keeps `exp_avg` like the parameter) or fixed bytes.
    """
    if not found.total:
        return []
    entry = optimizer_entry(settings.optimizer)
    if entry.get("paged"):
        return [part("optimizer", "paged state (host)", 0, 0.0, "kept in host memory until it is needed")]
    if settings.parallel.zero_stage and settings.compute < 4:
        state = found.total * (8.0 if entry["state"] >= 1 else 4.0 * entry["state"] + entry["fixed"])
        return [
            part("master_weights", "float32 master weights", 4.0 * found.total, 0.02, "{:,} x 4 B", found.total),
            part("optimizer", "optimizer state", state, 0.02, "{:,} parameters, float32", found.total),
        ]
    copies, fixed = entry["state"], entry["fixed"]
    size = found.total * fixed + copies * (
        found.adapters * settings.adapter + (found.base + found.saved) * settings.weights
    )
    if entry.get("small_exempt") and settings.lora is not None:
        size = max(size, found.adapters * 3.0)  # many adapter matrices are under the limit and stay in float32
    error = entry.get("error", 0.03)
    return [
        part(
            "optimizer",
            settings.optimizer,
            size,
            error,
            "{:,} trained parameters: {} copies + {} B",
            found.total,
            copies,
            fixed,
        )
    ]


def step_parts(found: Trained, settings: Settings) -> list[Part]:
    """Temporaries of the optimizer's step: the foreach square root, as large as one moment of everything trained.

    Under ZeRO-1/2/3 the step casts this rank's gradients to float32 first: `4*T/N`.
    """
    if not found.total:
        return []
    parts = []
    entry = optimizer_entry(settings.optimizer)
    if settings.parallel.zero_stage:
        parts.append(
            part("workspace", "float32 gradients of the step", 4.0 * found.total, 0.2, "{:,} x 4 B", found.total)
        )
    elif entry["foreach"] and not holds("<2.0", settings.torch):  # foreach became the default with 2.0
        size = entry["foreach"] * (found.adapters * settings.adapter + (found.base + found.saved) * settings.weights)
        parts.append(
            part("workspace", "foreach temporaries", size, 0.1, "square root of the second moment, {:,}", found.total)
        )
    return parts


def cast_parts(found: Trained, settings: Settings) -> list[Part]:
    """Half-precision copies that autocast makes of float32 weights and keeps for backward: `2*T`."""
    if not settings.autocast or settings.weights < 4 or not found.base:
        return []
    return [
        part(
            "weights",
            "autocast copies",
            found.base * settings.compute,
            0.1,
            "{:,} x {:.0f} B",
            found.base,
            settings.compute,
        )
    ]
