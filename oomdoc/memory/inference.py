"""Generation and serving: the key-value cache, one forward pass without gradients, and an engine's pre-allocation."""

from typing import NamedTuple

from oomdoc.memory.activations import language_layer
from oomdoc.memory.architecture import Architecture
from oomdoc.memory.knowledge import constants, document, holds
from oomdoc.memory.logits import has_logits, logits_bytes
from oomdoc.memory.parts import Part, part
from oomdoc.memory.settings import Settings
from oomdoc.memory.weights import dequantised_bytes, unpacked_head

_LENGTH = 256  # prompt and answer where nothing is known: a short generation


class EnginePlan(NamedTuple):
    """vLLM's and SGLang's arithmetic: what the engine takes, what is left for the cache, and what one request needs."""

    budget: int
    cache: int
    needed: int

    @property
    def fits(self) -> bool:
        """Whether one full-length request finds room (vLLM refuses to start otherwise)."""
        return self.cache >= self.needed


def cache_bytes_per_token(model: Architecture, settings: Settings) -> float:
    """Bytes of the key-value cache per token: `2*L*kv_heads*d*w`; latent attention in an engine `L*(rank + rope)*w`."""
    width = settings.serving.kv_bytes
    share = settings.parallel.tensor * settings.parallel.pipeline
    if model.latent is not None:
        if settings.serving.engine:
            return model.layers * (model.latent.kv_rank + model.latent.rope) * width / settings.parallel.pipeline
        wide = model.heads * (model.latent.nope + model.latent.rope + model.latent.value)
        return model.layers * wide * width / share
    return 2 * model.layers * model.kv_width * width / share


def cache_part(model: Architecture, settings: Settings, samples: int, tokens: int, *, grown: bool = True) -> Part:
    """The cache of `samples` sequences of `tokens` tokens; while it grows by concatenation one layer exists twice, or
    all of them where the cache is a tuple of tensors (constants.yaml, legacy_cache)."""
    per = cache_bytes_per_token(model, settings)
    legacy = holds(constants()["legacy_cache"]["versions"], settings.transformers)
    legacy = legacy or model.model_type in document("losses")["remote_half"]
    twice = not settings.serving.engine and tokens > 1
    size = samples * tokens * per * (1 + (1 if legacy else 1 / max(1, model.layers)) * twice * grown)
    return part("kv_cache", "key-value cache", size, 0.05, "{} x {:,} tokens x {:,.0f} B", samples, tokens, per)


def forward_parts(model: Architecture, settings: Settings, samples: int, tokens: int, rows: int) -> list[Part]:
    """One forward pass without gradients: a layer's values for a moment, and `rows` positions of logits a sequence."""
    layer = language_layer(model, settings)
    scale = samples * tokens / max(1.0, settings.samples * settings.tokens)
    parts = [
        part(
            "workspace",
            "one layer in flight",
            (layer.kept * 0.5 + layer.input) * scale,
            0.5,
            "{} x {:,} tokens",
            samples,
            tokens,
        )
    ]
    if settings.quant_bits:
        parts += unpacked_head(model, settings)
        unpacked = dequantised_bytes(model, settings)
        parts.append(part("workspace", "one matrix, unpacked", unpacked, 0.5, "{:,} B", unpacked))
    if has_logits(model):
        size = logits_bytes(model, settings, samples, rows) / settings.parallel.tensor
        parts.append(part("logits", "logits", size, 0.2, "{} x {:,} x {:,}", samples, rows, model.vocab))
    return parts


def generation_length(settings: Settings) -> tuple[int, int]:
    """(prompt, all tokens) of one sequence, from what is known."""
    serving = settings.serving
    if serving.prompt or serving.new_tokens:
        return serving.prompt or _LENGTH, (serving.prompt or _LENGTH) + serving.new_tokens
    if any(each.key == "assumed.length" for each in settings.assumed):
        return _LENGTH, _LENGTH
    return max(1, settings.tokens), settings.tokens


def engine_plan(model: Architecture, settings: Settings, weights: int) -> EnginePlan | None:
    """What vLLM or SGLang pre-allocates: `utilization * capacity`, minus weights, a profiling pass and CUDA graphs."""
    serving, entry = settings.serving, constants()["vllm"]
    if not serving.engine or not settings.capacity:
        return None
    budget = int(settings.capacity * (serving.utilization or entry["utilization"]))
    profiling = int(language_layer(model, settings).kept)
    graphs = entry["graphs"] if serving.graphs else 0
    length = serving.max_model_len or model.max_positions or settings.tokens
    needed = int(length * cache_bytes_per_token(model, settings))
    return EnginePlan(budget, max(0, budget - weights - profiling - graphs), needed)
