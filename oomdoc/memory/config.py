"""A transformers `config.json` read into an Architecture. Absurd or missing keys raise ArchitectureError, one line."""

from collections.abc import Mapping
from typing import Any

from oomdoc.memory.architecture import Architecture, ArchitectureError, Counts, Experts, Latent, Said, Shape, Vision
from oomdoc.memory.catalog import resolve, shapes, suggest
from oomdoc.memory.counts import Sizes, encoder_counts, language_counts, vision_counts

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
        raise ArchitectureError("config.json does not hold an object")
    label = name or str(config.get("_name_or_path") or config.get("model_type") or "config.json")
    text = next((config[key] for key in _TEXT_KEYS if isinstance(config.get(key), Mapping)), config)
    if "text_config" in text and isinstance(text["text_config"], Mapping):  # Omni keeps it one level deeper
        text = text["text_config"]
    outer = str(config.get("model_type") or text.get("model_type") or "")
    inner = str(text.get("model_type") or outer)
    if "num_hidden_layers" not in text and (outer in {"t5", "whisper", "mllama"} or "unet" in outer):
        raise ArchitectureError(f"{label}: model_type {outer} is read from the catalog only, not from its config")
    known = shapes()
    base_shape = known.get(inner) or known.get(outer.removesuffix("_text")) or known.get(inner.removesuffix("_text"))
    assumed: list[Said] = []
    if base_shape is None:
        relative = suggest(outer) if outer else None
        assumed.append(_unknown_type(label, outer or "none", relative.name if relative else None))
    shape = _adjusted(base_shape or Shape(exact=False), text)
    sizes = _sizes(text, label, inner)
    experts, latent = _experts(text, label), _latent(text)
    if inner in _ENCODERS:
        counts = encoder_counts(sizes, shape, sizes.max_positions, int(text.get("type_vocab_size") or 0))
    else:
        counts = language_counts(sizes, shape, experts, latent)
    vision = _vision(config, outer)
    if vision is not None:
        counts = _with_vision(counts, vision, sizes.hidden)
    relative = resolve(label)
    bits, kind = _quantised(config)
    return Architecture(
        name=label, model_type=outer or inner, family=relative.family if relative else "",
        kind="encoder" if inner in _ENCODERS else "decoder", hidden=sizes.hidden, intermediate=sizes.intermediate,
        layers=sizes.layers, heads=sizes.heads, kv_heads=sizes.kv_heads, head_dim=sizes.head_dim, vocab=sizes.vocab,
        max_positions=sizes.max_positions, tied=sizes.tied, shape=shape, counts=counts, basis="config",
        experts=experts, latent=latent, vision=vision, visual_vocab=int(config.get("visual_vocab_size") or 0),
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
    head_dim = int(text.get("head_dim") or text.get("kv_channels") or 0) or hidden // heads
    if hidden % heads and not text.get("head_dim"):
        raise ArchitectureError(f"{label}: hidden_size {hidden} is not divisible by {heads} attention heads")
    return Sizes(
        hidden, intermediate, layers, heads, kv_heads, head_dim, _number(text, "vocab_size", label),
        _number(text, "max_position_embeddings", label, default=2048), _tied(text, kind),
    )  # fmt: skip


def _number(text: Mapping[str, Any], key: str, label: str, default: int | None = None) -> int:
    for alias in _ALIASES[key]:
        value = text.get(alias)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise ArchitectureError(f"{label}: {alias} is {value!r}, a whole number is needed")
        if not 1 <= value <= _LIMITS[key]:
            raise ArchitectureError(f"{label}: {alias} = {int(value):,} cannot be meant (1 to {_LIMITS[key]:,})")
        return int(value)
    if default is None:
        raise ArchitectureError(f"{label}: {key} is missing")
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
    active = int(text.get("num_experts_per_tok") or text.get("moe_k") or 2)
    return Experts(
        count, min(active, count), width, int(text.get("n_shared_experts") or text.get("moe_num_shared_experts") or 0),
        int(text.get("shared_expert_intermediate_size") or 0), int(text.get("first_k_dense_replace") or 0),
        int(text.get("decoder_sparse_step") or text.get("interleave_moe_layer_step") or 1),
    )  # fmt: skip


def _latent(text: Mapping[str, Any]) -> Latent | None:
    if not text.get("kv_lora_rank"):
        return None
    return Latent(
        int(text.get("q_lora_rank") or 0), int(text["kv_lora_rank"]), int(text.get("qk_nope_head_dim") or 128),
        int(text.get("qk_rope_head_dim") or 64), int(text.get("v_head_dim") or 128),
    )  # fmt: skip


def _vision(config: Mapping[str, Any], outer: str) -> Vision | None:
    vision = config.get("vision_config")
    if not isinstance(vision, Mapping):
        return None
    kind = outer if outer.startswith("qwen") else str(vision.get("model_type") or outer)
    hidden = int(vision.get("hidden_size") or vision.get("embed_dim") or 0)
    if outer == "qwen2_vl":  # there `hidden_size` is the width of the language model
        hidden = int(vision.get("embed_dim") or 1280)
    layers = int(vision.get("depth") or vision.get("num_hidden_layers") or 0)
    if not 0 < hidden <= _LIMITS["hidden_size"] or not 0 < layers <= _LIMITS["num_hidden_layers"]:
        return None
    size = vision.get("image_size")
    return Vision(
        kind=kind, hidden=hidden, layers=layers,
        intermediate=int(vision.get("intermediate_size") or hidden * float(vision.get("mlp_ratio") or 4)),
        heads=int(vision.get("num_heads") or vision.get("num_attention_heads") or max(1, hidden // 64)),
        patch=int(vision.get("patch_size") or 14), image=size if isinstance(size, int) else 0,
        merge=int(vision.get("spatial_merge_size") or (2 if config.get("downsample_ratio") == 0.5 else 1)),
        window=int(vision.get("window_size") or 0), full_blocks=tuple(vision.get("fullatt_block_indexes") or ()),
        max_tiles=int(config.get("max_dynamic_patch") or 0), gated=kind == "qwen2_5_vl",
    )  # fmt: skip


def _with_vision(counts: Counts, vision: Vision, width: int) -> Counts:
    tower, projector, exact = vision_counts(vision, width)
    groups = {**counts.groups, "vision": tower} | ({"projector": projector} if projector else {})
    seen = tower + projector
    return Counts(counts.total + seen, counts.active + seen, groups, counts.exact and exact)


def _quantised(config: Mapping[str, Any]) -> tuple[int, str]:
    quant = config.get("quantization_config")
    if not isinstance(quant, Mapping):
        return 0, ""
    method = str(quant.get("quant_method") or "")
    if method == "bitsandbytes":
        return (4 if quant.get("load_in_4bit") else 8), str(quant.get("bnb_4bit_quant_type") or "nf4")
    return int(quant.get("bits") or (8 if method == "fp8" else 4)), method


def _unknown_type(label: str, kind: str, relative: str | None) -> Said:
    if relative:
        return (
            f"{label}: model_type {kind} is not known; a Llama-like layer is assumed (its nearest family: {relative})",
            f"{label}：不认识 model_type {kind}，按 Llama 类层结构估算（最相近的是 {relative}）",
        )
    return (
        f"{label}: model_type {kind} is not known; a Llama-like layer of the given sizes is assumed",
        f"{label}：不认识 model_type {kind}，按给定尺寸的 Llama 类层结构估算",
    )
