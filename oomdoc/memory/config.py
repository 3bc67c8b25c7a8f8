"""A transformers `config.json` read into an Architecture. Absurd or missing keys raise ArchitectureError, one line."""

from collections.abc import Mapping
from typing import Any

from oomdoc.memory.architecture import Architecture, ArchitectureError, Counts, Experts, Latent, Shape, Vision
from oomdoc.memory.catalog import resolve, shapes, suggest
from oomdoc.memory.counts import Sizes, encoder_counts, language_counts, vision_counts
from oomdoc.messages import Sentence, said, sentence

_ALIASES = {
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim"),
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "intermediate_size": ("intermediate_size", "ffn_hidden_size", "n_inner", "d_ff", "ffn_dim", "ffn_config"),
    "vocab_size": ("vocab_size", "padded_vocab_size"),
    "max_position_embeddings": ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len"),
    "num_key_value_heads": ("num_key_value_heads", "multi_query_group_num", "n_head_kv", "n_kv_heads", "num_kv_heads"),
    "num_experts": ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    "moe_intermediate_size": ("moe_intermediate_size", "expert_ffn_hidden_size"),
}
_LIMITS = {
    "hidden_size": 200_000, "num_hidden_layers": 2_000, "num_attention_heads": 2_000, "intermediate_size": 2_000_000,
    "vocab_size": 20_000_000, "max_position_embeddings": 200_000_000, "num_key_value_heads": 2_000,
    "num_experts": 10_000, "moe_intermediate_size": 1_000_000,
}  # fmt: skip
_TEXT_KEYS = ("text_config", "llm_config", "language_config", "thinker_config")
_ENCODERS = {"bert", "roberta", "xlm-roberta"}


def from_config(config: Mapping[str, Any], name: str = "") -> Architecture:
    """The architecture that a config.json describes; `name` is shown, and a catalog entry's traits come along.

    Raises ArchitectureError where a needed key is missing or its value cannot be meant (negative, or beyond any model).
    """
    if not isinstance(config, Mapping):
        raise ArchitectureError(said("model.no_object", file="config.json"))
    label = name or str(config.get("_name_or_path") or config.get("model_type") or "config.json")
    text = next((config[key] for key in _TEXT_KEYS if isinstance(config.get(key), Mapping)), config)
    if "text_config" in text and isinstance(text["text_config"], Mapping):  # Omni keeps it one level deeper
        text = text["text_config"]
    outer = str(config.get("model_type") or text.get("model_type") or "")
    inner = str(text.get("model_type") or outer)
    if "num_hidden_layers" not in text and (outer in {"t5", "whisper", "mllama"} or "unet" in outer):
        raise ArchitectureError(said("model.catalog_only", label=label, kind=outer))
    known = shapes()
    base_shape = known.get(inner) or known.get(outer.removesuffix("_text")) or known.get(inner.removesuffix("_text"))
    assumed: list[Sentence] = []
    if base_shape is None:
        relative = suggest(outer) if outer else None
        assumed.append(_unknown_type(label, outer or "none", relative.name if relative else None))
    shape = _adjusted(base_shape or Shape(exact=False), text)
    sizes = _sizes(text, label, inner)
    experts, latent = _experts(text, label), _latent(text, label)
    if inner in _ENCODERS:
        counts = encoder_counts(sizes, shape, sizes.max_positions, _optional(text, label, "type_vocab_size"))
    else:
        counts = language_counts(sizes, shape, experts, latent)
    vision = _vision(config, outer, label)
    if vision is not None:
        counts = _with_vision(counts, vision, sizes.hidden)
    relative = resolve(label)
    bits, kind = _quantised(config, label)
    return Architecture(
        name=label, model_type=outer or inner, family=relative.family if relative else "",
        kind="encoder" if inner in _ENCODERS else "decoder", hidden=sizes.hidden, intermediate=sizes.intermediate,
        layers=sizes.layers, heads=sizes.heads, kv_heads=sizes.kv_heads, head_dim=sizes.head_dim, vocab=sizes.vocab,
        max_positions=sizes.max_positions, tied=sizes.tied, shape=shape, counts=counts, basis="config",
        experts=experts, latent=latent, vision=vision, visual_vocab=_optional(config, label, "visual_vocab_size"),
        pads_to_limit=relative.pads_to_limit if relative else False,
        dtype=str(config.get("torch_dtype") or config.get("dtype") or text.get("torch_dtype") or "float32"),
        quant_bits=bits, quant_type=kind, assumed=tuple(assumed),
    )  # fmt: skip


def _sizes(text: Mapping[str, Any], label: str, kind: str) -> Sizes:
    hidden = _number(text, "hidden_size", label)
    heads = _number(text, "num_attention_heads", label)
    layers = _number(text, "num_hidden_layers", label)
    intermediate = _number(text, "intermediate_size", label, default=4 * hidden)
    if kind == "qwen":  # remote code halves the value for its two half-width branches
        intermediate //= 2
    kv_default = 1 if text.get("multi_query") and not text.get("multi_query_group_num") else heads
    kv_heads = _number(text, "num_key_value_heads", label, default=kv_default)
    head_dim = _optional(text, label, "head_dim", "kv_channels") or hidden // heads
    if hidden % heads and not text.get("head_dim"):
        raise ArchitectureError(said("model.heads", label=label, hidden=hidden, heads=heads))
    return Sizes(
        hidden, intermediate, layers, heads, kv_heads, head_dim, _number(text, "vocab_size", label),
        _number(text, "max_position_embeddings", label, default=2048), _tied(text, kind),
    )  # fmt: skip


def _number(text: Mapping[str, Any], key: str, label: str, default: int | None = None) -> int:
    for alias in _ALIASES[key]:
        value = text.get(alias)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise ArchitectureError(said("model.whole", label=label, field=alias, value=repr(value)))
        if not 1 <= value <= _LIMITS[key]:
            raise ArchitectureError(
                said("model.limits", label=label, field=alias, value=f"{int(value):,}", most=f"{_LIMITS[key]:,}")
            )
        return int(value)
    if default is None:
        raise ArchitectureError(said("model.missing", label=label, field=key))
    return default


_TIED_BY_DEFAULT = {"gpt2", "gpt_neo", "bloom", "opt", "falcon", "gemma", "gemma2", "gemma3", "gemma3_text", "cohere",
                    "t5", "starcoder2", "qwen3_vl_text"}  # fmt: skip


def _tied(text: Mapping[str, Any], kind: str) -> bool:
    value = text.get("tie_word_embeddings")
    return bool(value) if value is not None else kind in _TIED_BY_DEFAULT


def _adjusted(shape: Shape, text: Mapping[str, Any]) -> Shape:
    """The shape with the bias switches that the config itself carries."""
    from dataclasses import replace

    bias = set(shape.bias)
    switch = text.get("attention_bias", text.get("qkv_bias"))
    if switch is True:
        bias |= {"q", "k", "v"} | ({"o"} if text.get("model_type") in {"llama", "internlm"} else set())
    elif switch is False:
        bias -= {"q", "k", "v", "o"}
    if text.get("mlp_bias") is True:
        bias |= {"gate", "up", "down"}
    return replace(shape, bias=tuple(sorted(bias)))


def _experts(text: Mapping[str, Any], label: str) -> Experts | None:
    if not any(text.get(alias) for alias in _ALIASES["num_experts"]):
        return None
    count = _number(text, "num_experts", label)
    width = _number(text, "moe_intermediate_size", label, default=_number(text, "intermediate_size", label))
    active = _optional(text, label, "num_experts_per_tok", "moe_k", default=2)
    return Experts(
        count, min(active, count), width, _optional(text, label, "n_shared_experts", "moe_num_shared_experts"),
        _optional(text, label, "shared_expert_intermediate_size"), _optional(text, label, "first_k_dense_replace"),
        _optional(text, label, "decoder_sparse_step", "interleave_moe_layer_step", default=1),
    )  # fmt: skip


def _latent(text: Mapping[str, Any], label: str) -> Latent | None:
    if not text.get("kv_lora_rank"):
        return None
    return Latent(
        _optional(text, label, "q_lora_rank", default=0),
        _optional(text, label, "kv_lora_rank"),
        _optional(text, label, "qk_nope_head_dim", default=128),
        _optional(text, label, "qk_rope_head_dim", default=64),
        _optional(text, label, "v_head_dim", default=128),
    )


def _vision(config: Mapping[str, Any], outer: str, label: str) -> Vision | None:
    vision = config.get("vision_config")
    if not isinstance(vision, Mapping):
        return None
    for name in ("patch_size", "image_size"):  # InternVL writes both sides
        sides = vision.get(name)
        if isinstance(sides, list) and sides:
            vision = {**vision, name: sides[0]}
    kind = outer if outer.startswith("qwen") else str(vision.get("model_type") or outer)
    hidden = _optional(vision, label, "hidden_size", "embed_dim")
    if outer == "qwen2_vl":  # there `hidden_size` is the width of the language model
        hidden = _optional(vision, label, "embed_dim", default=1280)
    layers = _optional(vision, label, "depth", "num_hidden_layers")
    if not hidden or not layers:
        return None
    blocks, size = vision.get("fullatt_block_indexes"), vision.get("image_size")
    ratio = vision.get("mlp_ratio")
    wide = int(hidden * ratio) if isinstance(ratio, int | float) and 0 < ratio < 100 else 4 * hidden
    return Vision(
        kind=kind,
        hidden=hidden,
        layers=layers,
        intermediate=_optional(vision, label, "intermediate_size", default=wide),
        heads=_optional(vision, label, "num_heads", "num_attention_heads", default=max(1, hidden // 64)),
        patch=_optional(vision, label, "patch_size", default=14),
        image=size if isinstance(size, int) and 0 < size < 100_000 else 0,
        merge=_optional(vision, label, "spatial_merge_size", default=2 if config.get("downsample_ratio") == 0.5 else 1),
        window=_optional(vision, label, "window_size"),
        full_blocks=tuple(each for each in blocks if isinstance(each, int)) if isinstance(blocks, list) else (),
        max_tiles=_optional(config, label, "max_dynamic_patch"),
        gated=kind == "qwen2_5_vl",
    )


def _optional(section: Mapping[str, Any], label: str, *names: str, default: int = 0) -> int:
    """A whole number under one of several names, the default where none is set; anything else is refused."""
    for name in names:
        value = section.get(name)
        if value is None or value is False:
            continue
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
        if not whole or not 0 <= value <= 10_000_000:
            raise ArchitectureError(said("model.not_meant", label=label, field=name, value=repr(value)))
        if value:
            return int(value)
    return default


def _with_vision(counts: Counts, vision: Vision, width: int) -> Counts:
    tower, projector, exact = vision_counts(vision, width)
    groups = {**counts.groups, "vision": tower} | ({"projector": projector} if projector else {})
    seen = tower + projector
    return Counts(counts.total + seen, counts.active + seen, groups, counts.exact and exact)


def _quantised(config: Mapping[str, Any], label: str) -> tuple[int, str]:
    quant = config.get("quantization_config")
    if not isinstance(quant, Mapping):
        return 0, ""
    method = str(quant.get("quant_method") or "")
    if method == "bitsandbytes":
        return (4 if quant.get("load_in_4bit") else 8), str(quant.get("bnb_4bit_quant_type") or "nf4")
    return _optional(quant, label, "bits", default=8 if method == "fp8" else 4), method


def _unknown_type(label: str, kind: str, relative: str | None) -> Sentence:
    if relative:
        return sentence("assumed.llama_near", label=label, kind=kind, relative=relative)
    return sentence("assumed.llama_of_sizes", label=label, kind=kind)
