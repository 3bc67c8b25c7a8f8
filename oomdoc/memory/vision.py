"""Visual tokens and patches of one sample by each family's rule, and what its vision tower keeps and needs."""

from math import ceil, sqrt
from typing import NamedTuple

from oomdoc.memory.activations import layer_bytes, vision_block
from oomdoc.memory.architecture import Architecture, Vision
from oomdoc.memory.knowledge import constants, holds
from oomdoc.memory.linears import targeted
from oomdoc.memory.parts import Part, part
from oomdoc.memory.settings import Images, Settings

_TILED_144 = ("phi3_v", "internlmxcomposer2")  # tokens = (h*w + 1)*144 + 1 + (h + 1)*12


class Seen(NamedTuple):
    """What one sample's images become: tokens of the language model, patches of the tower, patches of one attention."""

    tokens: int
    patches: int
    longest: int


def visual(model: Architecture, images: Images) -> Seen:
    """Tokens and patches of one sample. Unknown sizes are taken at the family's limit.

    Native resolution (Qwen-VL, GLM-4.1V): sides rounded to `patch*merge`, tokens = h*w/(patch*merge)^2. Tiles
    (InternVL, Ovis, Phi-3-vision, MiniCPM-V): tiles of a fixed side plus a thumbnail. Fixed (LLaVA, Gemma 3, GLM-4v):
    one size.
    """
    vision = model.vision
    if vision is None or not images.count:
        return Seen(0, 0, 0)
    if images.tokens:
        factor = vision.merge**2
        return Seen(images.tokens, images.tokens * factor, images.tokens * factor // max(1, images.count))
    if not vision.image:
        return _native(vision, images)
    side = (vision.image // vision.patch) ** 2
    tiles = _tiles(vision, images)
    if model.model_type in _TILED_144:
        return Seen(images.count * (tiles * 144 + 1 + (ceil(sqrt(tiles)) + 1) * 12), images.count * tiles * side, side)
    if model.model_type in ("minicpmv", "minicpmo"):
        return Seen(images.count * tiles * 66, images.count * tiles * side, side)
    if model.model_type.startswith("gemma3"):
        return Seen(images.count * tiles * 256, images.count * tiles * side, side)
    if model.cross_attention_every:
        return Seen(0, images.count * tiles * side, side)
    return Seen(images.count * tiles * side // vision.merge**2, images.count * tiles * side, side)


def resized(height: int, width: int, factor: int, low: int, high: int) -> tuple[int, int]:
    """The size after `smart_resize` (qwen_vl_utils): sides in multiples of `factor`, area within [low, high]."""
    tall, wide = max(factor, round(height / factor) * factor), max(factor, round(width / factor) * factor)
    if high and tall * wide > high:
        shrink = sqrt(height * width / high)
        tall = max(factor, int(height / shrink / factor) * factor)
        wide = max(factor, int(width / shrink / factor) * factor)
    elif low and tall * wide < low:
        grow = sqrt(low / (height * width))
        tall, wide = ceil(height * grow / factor) * factor, ceil(width * grow / factor) * factor
    return tall, wide


def tower(model: Architecture, settings: Settings, seen: Seen) -> tuple[list[Part], list[Part]]:
    """(kept, momentary) parts of the tower: kept only where something in it trains, momentary in any case.

    Qwen2-VL and Qwen2.5-VL ran quadratic attention under sdpa before transformers 4.54 (see constants.yaml).
    """
    block, vision = vision_block(model), model.vision
    if block is None or vision is None or not seen.patches:
        return [], []
    kernel, note = _kernel(model, settings)
    samples = settings.samples * seen.patches / max(1, seen.longest)
    length = float(seen.longest)
    reached = settings.lora is not None and settings.lora.reaches_vision
    letters = {"q", "k", "v", "o", "gate", "up", "down"} if reached or not settings.freeze_vision else set()
    if reached and settings.lora is not None:  # the same names are looked for in the tower
        letters &= targeted(model, settings.lora.targets) or letters
    trained = frozenset(letters | ({"norm"} if letters and not reached else set()))
    in_graph = settings.trains and bool(letters)
    layer = layer_bytes(block, settings, samples, length, kernel, trained)
    masks = settings.samples * seen.patches**2 * settings.compute if note == "masked" else 0
    kept: list[Part] = []
    stored = in_graph
    shown = (vision.layers, f"{seen.patches:,}", kernel)
    if in_graph:
        checkpointed = settings.vision_checkpointing
        if checkpointed is None:
            checkpointed = settings.checkpointing == "all"
        if checkpointed:
            stored = False
            kept = [part("activations", "vision tower, checkpointed", vision.layers * layer.input, 0.25,
                         "{} block inputs, {} patches, {}", *shown)]  # fmt: skip
        else:
            kept = [
                part(
                    "activations", "vision tower", vision.layers * layer.kept, 0.2, "{} blocks, {} patches, {}", *shown
                )
            ]
    elif settings.trains and settings.lora and settings.checkpointing != "off" and holds(">=5", settings.transformers):
        # enable_input_require_grads reaches the tower's own embedding there, so its checkpoints are kept though frozen
        kept = [part("activations", "vision tower, inputs of frozen blocks", vision.layers * layer.input, 0.3,
                     "{} block inputs, {} patches", vision.layers, f"{seen.patches:,}")]  # fmt: skip
    moment = [part("workspace", "vision tower, one block", layer.extra + masks + (0 if stored else layer.kept), 0.3,
                   "{2}: {1} patches", *shown)]  # fmt: skip
    if model.visual_vocab:
        table = settings.samples * seen.tokens * model.visual_vocab * (settings.compute + 4)
        kept.append(
            part(
                "activations",
                "visual vocabulary",
                table,
                0.3,
                "{}*{}*{:.0f}",
                seen.tokens,
                model.visual_vocab,
                settings.compute + 4,
            )
        )
    return kept, moment


def in_math(model: Architecture, settings: Settings) -> bool:
    """Whether the run's version of transformers sends the tower's attention to the kernel that writes all scores."""
    return _kernel(model, settings)[1] == "math"


def sides(model: Architecture, images: Images) -> tuple[int, int]:
    """(height, width) of one image: as stated, else as large as its limits allow; (0, 0) where it is fixed."""
    vision = model.vision
    if vision is None or vision.image or not images.count or (images.height and images.width):
        return images.height, images.width
    factor = vision.patch * vision.merge
    tokens = max(1, visual(model, images).longest // vision.merge**2)
    rows = next((side for side in range(int(sqrt(tokens)), int(sqrt(tokens) * 0.7), -1) if tokens % side == 0), 0)
    return (rows * factor, tokens // rows * factor) if rows else (int(sqrt(tokens)) * factor,) * 2


def _native(vision: Vision, images: Images) -> Seen:
    factor = vision.patch * vision.merge
    high = images.max_pixels or vision.max_pixels or 1280 * factor * factor
    if images.height and images.width:
        tall, wide = resized(images.height, images.width, factor, vision.min_pixels, high)
        tokens = tall * wide // factor**2
    else:
        tokens = high // factor**2
    each = tokens * vision.merge**2
    frames = max(1, images.frames // 2) if images.frames else 1  # two frames make one temporal patch
    count = images.count * frames
    return Seen(tokens * count, each * count, each)


def _tiles(vision: Vision, images: Images) -> int:
    limit = images.tiles or vision.max_tiles or 1
    if images.height and images.width and limit > 1:
        limit = max(1, min(limit, round(images.height * images.width / vision.image**2)))
    frames = images.frames or 1
    return (limit + 1 if limit > 1 else 1) * frames if frames == 1 else frames


def _kernel(model: Architecture, settings: Settings) -> tuple[str, str]:
    rule = constants()["vision_sdpa"]
    asked = "eager" if settings.attention in ("eager", "math") else "flash" if settings.attention == "flash" else "sdpa"
    if asked == "sdpa" and model.model_type in rule["model_types"] and settings.transformers is not None:
        if holds(rule["math"], settings.transformers):
            return "eager", "math"
        if holds(rule["masked"], settings.transformers):
            return "sdpa", "masked"
    return asked, ""
