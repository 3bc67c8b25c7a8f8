"""Weights as they lie on the card, and what is trained of them: dtypes, quantisation constants, adapters."""

from functools import lru_cache
from typing import NamedTuple

from oomdoc.memory.architecture import Architecture
from oomdoc.memory.knowledge import constants, holds
from oomdoc.memory.linears import lora_parameters, saved_module_parameters
from oomdoc.memory.parts import Part, part
from oomdoc.memory.settings import Settings


class Trained(NamedTuple):
    """Trained parameters: of adapters (own dtype), of full copies and of base weights (the dtype of the weights)."""

    adapters: int
    base: int
    saved: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.adapters + self.base + self.saved


def trained(model: Architecture, settings: Settings) -> Trained:
    """What the optimizer updates. A printed count of trainable parameters wins over ours for adapters."""
    if not settings.trains:
        return Trained(0, 0, 0)
    if settings.lora is not None:
        packed = holds(">=5", settings.transformers) or model.model_type in ("gpt_oss", "llama4")
        adapters = lora_parameters(model, settings.lora, packed_experts=packed)
        saved = saved_module_parameters(model, settings.lora)
        if settings.trainable:
            return Trained(max(0, settings.trainable - saved), 0, saved)
        return Trained(adapters, 0, saved)
    counts = model.counts
    base = counts.total
    if settings.freeze_vision:
        base -= counts.group("vision")
    if settings.freeze_projector:
        base -= counts.group("projector")
    if settings.freeze_language:
        base -= counts.language
    if settings.method == "freeze":
        base = 2 * layer_parameters(model)
    return Trained(0, settings.trainable or max(0, base), 0)


@lru_cache(maxsize=512)
def layer_parameters(model: Architecture) -> int:
    """Parameters of one layer of the language model."""
    counts = model.counts
    inside = counts.language - counts.group("embedding") - counts.group("lm_head")
    return inside // max(1, model.layers)


def weight_parts(model: Architecture, settings: Settings) -> list[Part]:
    """Base weights by what they cost: quantised matrices, what stays in full precision, adapters.

    Quantised: `P*(bits/8 + constants)` for the matrices of the layers (and the output matrix where the program says
    so); the rest in the load dtype, or in float32 after prepare_model_for_kbit_training (bitsandbytes only).
    """
    counts, split = model.counts, _quantised(model, settings)
    parts = []
    if split:
        packed, per = split
        rest = counts.total - packed
        upcast = settings.kbit_upcast and settings.quant_type in ("nf4", "bnb", "fp4", "int8") and settings.trains
        width = 4.0 if upcast else settings.weights
        parts.append(part("weights", "quantised matrices", packed * per, 0.01, "{:,} x {:.3f} B", packed, per))
        parts.append(part("weights", "not quantised", rest * width, 0.01, "{:,} x {:.0f} B", rest, width))
    else:
        parts.append(part("weights", "base model", counts.total * settings.weights, 0.003 if counts.exact else 0.08,
                          "{:,} x {:.0f} B", counts.total, settings.weights))  # fmt: skip
    found = trained(model, settings)
    if found.adapters:
        parts.append(
            part(
                "weights",
                "adapters",
                found.adapters * settings.adapter,
                0.05,
                "{:,} x {:.0f} B",
                found.adapters,
                settings.adapter,
            )
        )
    if found.saved:
        parts.append(part("weights", "modules_to_save copies", found.saved * settings.weights, 0.02, "{:,} x {:.0f} B",
                          found.saved, settings.weights))  # fmt: skip
    return parts


def unpacked_head(model: Architecture, settings: Settings) -> list[Part]:
    """The output matrix in the compute dtype, `V*h*c`, while the loss runs: unpacked where it is quantised, cast by
    autocast where k-bit preparation put it into float32."""
    if not settings.quant_bits:
        return []
    packed = settings.quantised_head and not model.tied
    cast = settings.autocast and residual_width(settings) == 4.0
    if not packed and not cast:
        return []
    size = model.vocab * model.hidden * settings.compute
    return [part("weights", "output matrix, unpacked or cast", size, 0.1, "{:,} x {:,}", model.vocab, model.hidden)]


def residual_width(settings: Settings) -> float:
    """Bytes of a value of the residual stream: float32 where the embedding is (fp32 weights, or k-bit preparation)."""
    prepared = settings.kbit_upcast and settings.trains and settings.quant_type in ("nf4", "bnb", "int8", "fp4")
    return 4.0 if settings.weights == 4.0 or (settings.quant_bits and prepared) else settings.compute


def dequantised_bytes(model: Architecture, settings: Settings) -> int:
    """The largest matrix as it is unpacked for one multiplication: `in * out * c`."""
    if not settings.quant_bits:
        return 0
    return int(model.hidden * max(model.intermediate, model.query_width) * settings.compute)


def _quantised(model: Architecture, settings: Settings) -> tuple[int, float] | None:
    if not settings.quant_bits or settings.quant_bits >= 16:
        return None
    table, kind, counts = constants()["quantisation"], settings.quant_type, model.counts
    packed = counts.language - counts.group("embedding") - counts.group("norms")
    if not settings.quantised_head or model.tied:
        packed -= counts.group("lm_head")
    per = settings.quant_bits / 8
    if kind in ("nf4", "bnb", "fp4", "bitsandbytes") and settings.quant_bits == 4:
        return packed, per + table["nf4"]["absmax_double" if settings.quant_double else "absmax"]
    if kind in ("int8", "bnb"):
        return packed, per + table["int8"]["row"] / max(1, model.hidden)
    return packed, per + table.get(kind, {}).get("extra", table["gptq"]["extra"])
