"""Logits and the loss: the copies that a version of transformers, or a fused loss, makes of B x S x V."""

from math import ceil

from oomdoc.memory.architecture import Architecture
from oomdoc.memory.knowledge import document, holds, loss_recipe
from oomdoc.memory.parts import Part, part
from oomdoc.memory.settings import Settings


def loss_parts(model: Architecture, settings: Settings, stage: str) -> list[Part]:
    """Logit copies at the worst moment of the loss, `B*S*V*(half*c + float*4)`; stage is "forward" or "backward".

    Sources: transformers `loss/loss_utils.py` and the forward of each version (losses.yaml). A fused loss holds one
    chunk: `ceil(T / ceil(V/h))` rows, in the compute dtype and float32.
    """
    if not has_logits(model) or not settings.trains or settings.stage in ("rm", "reward", "embedding"):
        return []
    rows = settings.samples * settings.tokens / settings.parallel.sequence
    name = recipe_name(model, settings)
    if name == "chunked":
        size = ceil(rows / ceil(model.vocab / max(1, model.hidden))) * model.vocab * (settings.compute + 4)
        size += rows * model.hidden * settings.compute
        return [part("logits", "one chunk of logits", size, 0.5, "fused loss, {:,.0f} tokens", rows)]
    copies = loss_recipe(name)[stage]
    width = copies.get("half", 0) * settings.compute + copies.get("float", 0) * 4
    if stage == "forward" and settings.samples == 1 and "shifted" in loss_recipe(name):
        width -= 4 if copies.get("float") else settings.compute  # cutting the last token of one sequence needs no copy
    if model.shape.softcap:
        width += settings.compute  # tanh keeps its output
    vocab = model.vocab / settings.parallel.tensor
    return [
        part(
            "logits",
            "logits and loss",
            rows * vocab * width,
            settings.logits_doubt,
            "{:,.0f} x {:,} x {:.0f} B ({})",
            rows,
            model.vocab,
            width,
            name,
        )
    ]


def has_logits(model: Architecture) -> bool:
    """Whether the model ends in logits over its vocabulary."""
    return bool(model.vocab) and not model.headless and model.kind in ("decoder", "encoder_decoder")


def recipe_name(model: Architecture, settings: Settings) -> str:
    """Which copies the loss makes: a fused loss, the framework's own, or that of this version of transformers."""
    if settings.liger:
        return "chunked"
    if settings.loss != "float":
        return settings.loss
    table = document("losses")
    if model.model_type in table["remote_half"]:
        return "half_shifted" if settings.parallel.zero_stage else "float_inside"
    if model.model_type in table["remote"]:
        return str(table["remote"][model.model_type])
    for rule in table["by_transformers"]:
        if holds(rule["versions"], settings.transformers) and model.model_type in rule.get(
            "model_types", (model.model_type,)
        ):
            return str(rule["recipe"])
    return "float"


def all_positions(model: Architecture, settings: Settings) -> bool:
    """Whether generate() computes logits for the whole prompt: before transformers 4.45, and in remote code."""
    return holds("<4.45", settings.transformers) or model.model_type in document("losses")["remote_half"]


def kept_parts(model: Architecture, settings: Settings, rows: int) -> list[Part]:
    """Logits that evaluation keeps for its metrics: `(n - 1) + n` batches while the n-th is joined to the others.

    transformers Trainer.evaluation_loop (4.41 to 5.23): each batch is gathered from all ranks, then
    EvalLoopContainer.add makes a new tensor of all of them; under autocast accelerate has cast them to float32.
    """
    count = settings.eval_kept
    if count < 2:
        return []
    way = settings.parallel
    ranks = way.world if way.kind in ("ddp", "zero", "fsdp") else 1
    width = 4.0 if settings.autocast and settings.compute < 4 else settings.compute
    size = settings.eval_batch * rows * model.vocab * width * ranks
    shown = "{} + {} batches, {:,.0f} B each"
    return [part("logits", "logits kept for metrics", size * (2 * count - 1), 0.3, shown, count - 1, count, size)]


def logits_bytes(model: Architecture, settings: Settings, samples: int, rows: int) -> int:
    """One batch of logits outside the loss: transformers before 4.45 upcasts them all, later ones do not."""
    width = settings.compute + (4 if holds("<4.45", settings.transformers) and settings.transformers else 0)
    return int(samples * rows * model.vocab * width)
