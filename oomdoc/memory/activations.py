"""What one transformer layer keeps for its backward pass, and what it needs for a moment, operation by operation.

Notation of the formulas: T tokens of the micro-batch, h hidden, q and kv the widths of all query and key heads, i the
MLP width, a heads, S tokens of one sequence, c bytes of the compute dtype, r bytes of the residual stream. A matrix
keeps its input only where its weight (or an adapter on it) is trained: the gradient to its input needs the weight
alone.
"""

from functools import lru_cache
from typing import NamedTuple

from oomdoc.memory.architecture import Architecture, Shape
from oomdoc.memory.knowledge import constants, holds
from oomdoc.memory.linears import dense_width, targeted
from oomdoc.memory.settings import Settings
from oomdoc.memory.weights import residual_width


class Layer(NamedTuple):
    """Bytes of one layer for the whole micro-batch: kept for backward, the extra of its own forward and backward."""

    kept: float
    extra: float
    input: float  # its input, which is all that checkpointing keeps


class Block(NamedTuple):
    """The dimensions of any transformer block, of a language model or of a vision tower."""

    hidden: int
    query: int
    key: int
    heads: int
    mlp: int
    gated: bool
    shape: Shape


def language_layer(model: Architecture, settings: Settings) -> Layer:
    """One decoder (or encoder) layer of the language model on one rank."""
    mlp = dense_width(model)
    gated = model.shape.mlp == "gated"
    block = Block(model.hidden, model.query_width, model.kv_width, model.heads, mlp, gated, model.shape)
    if model.latent is not None:  # MLA materialises per-head keys with the rotary part, values with their own width
        width = model.heads * (model.latent.nope + model.latent.rope)
        block = block._replace(query=width, key=width)
    letters = _trained(model, settings)
    length = settings.tokens / settings.parallel.sequence
    kernel = kernel_of(model, settings)
    layer = layer_bytes(block, settings, settings.samples, length, kernel, letters)
    if model.experts is not None:
        layer = _with_experts(layer, model, settings, settings.samples * length, letters)
    share = 1 / settings.parallel.tensor
    return Layer(layer.kept * share, layer.extra * share, layer.input)


def kernel_of(model: Architecture, settings: Settings) -> str:
    """flash, sdpa or eager: what attention really runs, where the family refuses the kernel that was asked for."""
    if settings.attention in ("eager", "math"):
        return "eager"
    if settings.attention == "flash" or settings.attention.startswith("flex"):
        return "flash"
    if model.model_type == "gpt_oss" or (model.model_type == "gemma2" and holds(">=5.21", settings.transformers)):
        return "eager"
    return "sdpa"


def layer_bytes(
    block: Block, settings: Settings, samples: float, length: float, kernel: str, trained: frozenset[str]
) -> Layer:
    """Kept and momentary bytes of one block for `samples` sequences of `length` tokens.

    kept = norms + inputs of trained matrices + attention + MLP; extra = the gradients in flight while it is run
    backward. Sources: the modelling files of transformers (RMSNorm upcasts and keeps float32),
    torch/csrc/autograd/derivatives.yaml.
    """
    tokens, c, r = samples * length, settings.compute, residual_width(settings)
    per_token = _norms(block, settings, trained) + _inputs(block, settings, trained)
    per_token += _mlp(block, settings) + (2 * block.hidden if block.shape.dropout else 0)
    kept = tokens * per_token + attention_kept(block, settings, samples, length, kernel)
    mlp_gradients = (3 if block.gated else 2) * c * block.mlp
    extra = tokens * (max(mlp_gradients, c * 3 * block.query + 4 * block.query) + 2 * r * block.hidden)
    if kernel == "eager":
        extra += samples * block.heads * length * length * (6 if c < 4 else 8)  # softmax backward: gradient in, out
    return Layer(kept, extra, tokens * r * block.hidden)


def attention_kept(block: Block, settings: Settings, samples: float, length: float, kernel: str) -> float:
    """Bytes of attention kept for backward.

    flash and sdpa: q, k, v and the output, plus the float32 log-sum-exp: `T*c*(2q + 2kv) + 4*T*a`; sdpa repeats k and v
    to all heads before transformers 4.54 and with a padding mask. eager: also the scores, `B*a*S*S*(4 + c)` (softmax in
    float32 and its copy), one float32 copy when computing in float32; dropout keeps its output and a mask of bytes.
    """
    tokens, c = samples * length, settings.compute
    repeated = kernel == "eager" or (kernel == "sdpa" and (holds("<4.54", settings.transformers) or samples > 1))
    key = block.query if repeated else block.key
    width = 2 * block.query + 2 * key
    if block.shape.fused_value_view and settings.trains:
        width += block.query + block.key
    kept = tokens * c * width + 4 * tokens * block.heads
    if kernel == "eager":
        scores = 4.0 if c == 4 else 4 + c
        scores += (c + 1 if block.shape.dropout else 0) + (c if block.shape.softcap else 0)
        kept += samples * block.heads * length * length * scores
    return kept


def _norms(block: Block, settings: Settings, trained: frozenset[str]) -> float:
    full, r, c = "norm" in trained, residual_width(settings), settings.compute
    if block.shape.norm == "none":
        one = 4.0 * block.hidden
    elif block.shape.norm == "rms":
        fused = settings.liger or settings.fused_layers
        one = (r if fused else 4.0 + ((c if r < 4 else 4.0) if full else 0)) * block.hidden
    else:
        one = (4.0 if settings.autocast else r) * block.hidden
    count = max(1, block.shape.norms)
    heads = 4.0 * (block.query + block.key) if block.shape.qk_norm != "none" else 0
    return count * one + heads


def _inputs(block: Block, settings: Settings, trained: frozenset[str]) -> float:
    """Inputs that matrices keep. Adapters with dropout keep their own dropped copy and a mask; adapters in another
    dtype than the compute dtype keep their own cast; everything else shares one tensor per input."""
    c, lora = settings.compute, settings.lora
    inputs = {"q": block.hidden, "k": block.hidden, "v": block.hidden, "o": block.query, "gate": block.hidden,
              "up": block.hidden, "down": block.mlp}  # fmt: skip
    if not block.gated:
        del inputs["gate"]
    letters = [letter for letter in inputs if letter in trained]
    groups = {
        letter: "in" if letter in ("q", "k", "v") else "mid" if letter in ("gate", "up") else letter
        for letter in inputs
    }
    if settings.quantised_saves_input and settings.quant_bits:
        shared = {groups[letter]: inputs[letter] for letter in inputs if letter != "o"}
        base = c * sum(shared.values())
    else:
        base = 0.0
    if lora is not None and "norm" not in trained:
        own = lora.dropout > 0 or (settings.autocast and settings.adapter != c)
        if not own:
            shared = {groups[letter]: inputs[letter] for letter in letters if letter != "o"}
            return max(base, c * sum(shared.values()))
        modules = {
            ("qkv" if block.shape.names.get(letter) and letter in "qkv" else letter): inputs[letter]
            for letter in letters
        }
        return base + sum(modules.values()) * (c + (1 if lora.dropout > 0 else 0))
    if settings.weights == 4.0 and settings.autocast:  # every matrix casts its float32 input for itself
        return base + c * sum(inputs[letter] for letter in letters if letter != "o")
    shared = {groups[letter]: inputs[letter] for letter in letters if letter != "o"}
    return base + c * sum(shared.values())


def _mlp(block: Block, settings: Settings) -> float:
    c = settings.compute
    if block.gated:
        return c * block.mlp * (2 if settings.liger or settings.fused_layers else 3)
    if block.shape.activation == "fused" or settings.own_kernels:
        return c * block.mlp
    # x, tanh, 1 + tanh and x/2 are kept; under autocast the power is taken in float32, and what follows from it too
    return block.mlp * (14 if settings.autocast and c < 4 else 4 * c)


def _with_experts(
    layer: Layer, model: Architecture, settings: Settings, tokens: float, trained: frozenset[str]
) -> Layer:
    """Experts: each token is copied to `k` of them: `T*k*c*(3i + h)`, inputs too where they are trained; the router
    keeps its float32 logits and probabilities, `8*T*E`."""
    experts = model.experts
    assert experts is not None
    c = settings.compute
    width = 3 * experts.intermediate + model.hidden
    if "down" in trained:
        width += experts.intermediate + model.hidden
    dispatched = tokens * experts.active * c * width + 8 * tokens * experts.count
    return Layer(layer.kept + dispatched, layer.extra + tokens * experts.active * c * 2 * model.hidden, layer.input)


def _trained(model: Architecture, settings: Settings) -> frozenset[str]:
    if not settings.trains or settings.freeze_language:
        return frozenset()
    if settings.lora is not None:
        return targeted(model, settings.lora.targets)
    return _EVERYTHING


@lru_cache(maxsize=512)
def vision_block(model: Architecture) -> Block | None:
    """The block of the vision tower, or None."""
    vision = model.vision
    if vision is None:
        return None
    fused = dict.fromkeys("qkv", "qkv") if vision.kind in constants()["fused_towers"]["kinds"] else {}
    shape = Shape(
        mlp="gated" if vision.gated else "plain", norm="rms" if vision.gated else "layer", fused_value_view=True,
        names=fused,
    )  # fmt: skip
    return Block(vision.hidden, vision.hidden, vision.hidden, vision.heads, vision.intermediate, vision.gated, shape)


_EVERYTHING = frozenset({"q", "k", "v", "o", "gate", "up", "down", "norm"})
