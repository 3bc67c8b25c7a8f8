"""The same run with one cause present or absent: what each cause costs, and which cause would explain a figure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from oomdoc.memory.architecture import Architecture
from oomdoc.memory.closed_form import Peak, peak
from oomdoc.memory.settings import Lora, Parallel, Settings


def costs(model: Architecture, settings: Settings) -> dict[str, int]:
    """Bytes on the card that the run would not need without each cause; causes that cost nothing are left out."""
    before = peak(model, settings)
    found = {}
    for cause, changed in cured(settings):
        saved = before.device - peak(model, changed).device
        if saved > 0:
            found[cause] = saved
    return found


def peaks(model: Architecture, settings: Settings) -> dict[str, Peak]:
    """The peak without each cause, to be held against the capacity."""
    return {cause: peak(model, changed) for cause, changed in cured(settings)}


def cured(settings: Settings) -> Iterator[tuple[str, Settings]]:
    """(cause, settings without it) for every cause that these settings have."""
    if not settings.trains:
        return
    lora, images = settings.lora, settings.images
    small = replace(images, max_pixels=602_112, height=0, width=0, tokens=0, tiles=1, frames=min(images.frames, 8))
    table: tuple[tuple[bool, str, dict[str, Any]], ...] = (
        (settings.batch > 1, "batch-size-too-large", {"batch": 1}),
        (settings.tokens > 512, "sequence-too-long", {"tokens": settings.tokens // 2}),
        (settings.checkpointing == "off", "no-gradient-checkpointing", {"checkpointing": "all"}),
        (settings.attention in ("eager", "math"), "attention-quadratic", {"attention": "flash"}),
        (not settings.liger, "logits-vocab-blowup", {"liger": True}),
        (settings.weights == 4.0, "weights-in-fp32", {"weights": 2.0}),
        (lora is None, "optimizer-states", {"optimizer": "paged_adamw_8bit"}),
        (not settings.freeze_vision, "vision-tower-trainable", {"freeze_vision": True}),
        (images.count > 0, "visual-token-explosion", {"images": small}),
        (
            settings.reference_model or settings.stage == "ppo",
            "rlhf-extra-models",
            {"reference_model": False, "stage": "sft"},
        ),
        (settings.ema, "ema-or-duplicate-model", {"ema": False}),
        (settings.eval_batch > 1, "eval-logits-accumulation", {"eval_batch": 1, "eval_kept": 0}),
        (settings.lengths == "varying" and not settings.expandable, "fragmentation", {"expandable": True}),
    )
    yield from ((cause, replace(settings, **change)) for present, cause, change in table if present)
    if lora is not None and lora.saved_modules:
        yield "lora-footprint", replace(settings, lora=replace(lora, saved_modules=()))


def without(model: Architecture, settings: Settings, kernel: str) -> Iterator[tuple[str, Settings]]:
    """(cause, settings as they would be if a precaution of the person had not taken effect)."""
    if not settings.trains:
        return
    if kernel != "eager":
        yield "attention-quadratic", replace(settings, attention="eager")
    if settings.checkpointing != "off":
        yield "no-gradient-checkpointing", replace(settings, checkpointing="off")
    if model.vision is not None and settings.freeze_vision and settings.images.count:
        reached = replace(settings.lora or Lora(), reaches_vision=True) if settings.lora else None
        yield "vision-tower-trainable", replace(settings, freeze_vision=False, lora=reached, vision_checkpointing=False)
    if settings.weights < 4:
        yield "weights-in-fp32", replace(settings, weights=4.0)
    if settings.quant_bits:
        yield "quantization-not-applied", replace(settings, quant_bits=0, quant_type="")
    if settings.parallel.zero_stage or settings.parallel.kind == "fsdp":
        yield "sharding-not-enabled", replace(settings, parallel=Parallel(kind="ddp", world=settings.parallel.world))
    if settings.lora is not None:
        yield "lora-footprint", replace(settings, lora=None, method="full")
