"""What is divided among processes, and what dividing costs: gathered layers, buckets, extra replicas' outputs."""

from oomdoc.memory.architecture import Architecture
from oomdoc.memory.knowledge import constants
from oomdoc.memory.parts import Part, part
from oomdoc.memory.settings import Settings
from oomdoc.memory.weights import Trained, layer_parameters


def weight_share(settings: Settings) -> float:
    """This rank's share of the weights: tensor, pipeline and device_map splits, ZeRO-3 and FSDP shards, offload."""
    way = settings.parallel
    share = 1.0 / (way.tensor * way.pipeline)
    if way.kind == "device_map":
        share /= way.world
    if way.zero_stage == 3 or way.kind == "fsdp":
        share = 0.0 if way.offload == "all" else share / way.shards
    return share


def gradient_share(settings: Settings) -> float:
    """This rank's share of the gradients: ZeRO-2, ZeRO-3 and FSDP divide them; offloading moves them away."""
    way = settings.parallel
    share = 1.0 / (way.tensor * way.pipeline)
    if way.kind == "device_map":
        share /= way.world
    if way.zero_stage >= 2 or way.kind == "fsdp":
        share = (
            0.0 if way.offload == "all" or (way.offload == "optimizer" and way.zero_stage >= 2) else share / way.shards
        )
    return share


def state_share(settings: Settings) -> float:
    """This rank's share of optimizer state and master weights: any ZeRO stage and FSDP; none of it when offloaded."""
    way = settings.parallel
    if way.offload != "none":
        return 0.0
    share = 1.0 / (way.tensor * way.pipeline)
    if way.kind == "device_map":
        share /= way.world
    return share / way.shards if way.zero_stage >= 1 or way.kind == "fsdp" else share


def exchange_parts(model: Architecture, settings: Settings, found: Trained) -> list[Part]:
    """Buffers of the exchange: gathered layers (ZeRO-3, FSDP), reduce buckets (DeepSpeed), a second copy of the
    gradients (DDP without gradient_as_bucket_view), gathered logits (nn.DataParallel on GPU 0).

    ZeRO-3 keeps up to `stage3_max_live_parameters` (1e9) gathered, `min(P, 1e9)*c`; FSDP two units of one layer.
    """
    way, c, parts = settings.parallel, settings.compute, []
    width = c
    if settings.quant_bits and way.zero_stage != 3:
        width = settings.quant_bits / 8
    if way.zero_stage == 3 and (way.shards > 1 or way.offload == "all"):
        live = min(model.counts.total, 1_000_000_000)
        parts.append(
            part("gathered", "gathered parameters", live * c, 0.4, "min({:,}, 1e9) x {:.0f} B", model.counts.total, c)
        )
    elif way.kind == "fsdp" and way.shards > 1:
        parts.append(_gathered(model, way.keeps_gathered, width))
    if way.zero_stage in (1, 2, 3) and settings.trains:
        elements = way.bucket_elements or constants()["zero"]["bucket_elements"]
        parts.append(part("buckets", "reduce buckets", elements * c, 0.6, "{:,} elements x {:.0f} B", elements, c))
    elif way.kind == "ddp" and way.world > 1 and settings.trains:
        size = found.adapters * settings.adapter + (found.base + found.saved) * settings.weights
        parts.append(part("buckets", "gradient buckets", size, 0.3, "a copy of the gradients, {:,}", found.total))
    elif way.kind == "dp" and way.world > 1:
        rows = settings.samples * settings.tokens * way.world
        parts.append(
            part(
                "gathered",
                "logits of all replicas",
                rows * model.vocab * 4.0,
                0.3,
                "{:,} x {:,} x 4 B",
                rows,
                model.vocab,
            )
        )
    return parts


def _gathered(model: Architecture, whole: bool, width: float) -> Part:
    """What FSDP holds beside its shards while it computes: two layers and the root unit, or all that it gathered."""
    if whole:
        unit = model.counts.total
        return part("gathered", "gathered units", unit * width, 0.1, "all weights, {:,}", unit)
    unit = 2 * layer_parameters(model) + model.counts.group("embedding") + model.counts.group("lm_head")
    return part("gathered", "gathered units", unit * width, 0.4, "two layers and the root unit, {:,}", unit)


def nccl_parts(settings: Settings) -> list[Part]:
    """Buffers of NCCL, outside PyTorch's allocator, for every process of a group."""
    way = settings.parallel
    if way.world <= 1 or way.kind in ("dp", "device_map"):
        return []
    entry = constants()["nccl"]
    return [Part("context", "NCCL buffers", entry["bytes"], entry["error"], "{} processes", (way.world,))]
