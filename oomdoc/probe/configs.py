"""An Architecture of the catalog as the config.json that transformers would build it from."""

from collections.abc import Callable
from typing import Any, Final

from oomdoc.memory.architecture import Architecture


class NoConfigError(Exception):
    """The catalog does not hold enough to build this model; a config.json does."""


def config_of(model: Architecture) -> dict[str, Any]:
    """The content of a config.json. Raises NoConfigError where only the model's own file will do."""
    if model.kind == "diffusion" or model.model_type in _UNKNOWN:
        raise NoConfigError(model.name)
    if model.model_type in _OTHERS:
        return _OTHERS[model.model_type](model)
    if model.vision is None:
        return text_config(model, model.model_type)
    made = _WITH_VISION.get(model.model_type)
    if made is None:
        raise NoConfigError(model.name)
    return made(model)


def maker(name: str) -> Callable[[Architecture], dict[str, Any]]:
    """The maker of a family of vision-language models, by transformers' model_type."""
    return _WITH_VISION[name]


_UNKNOWN: Final = {  # the catalog holds too little of what transformers needs
    "deepseek_vl_v2", "minicpmo", "minicpmv", "phi4_multimodal", "qwen2_5_omni", "qwen2_audio", "gemma3n", "llama4",
    "qwen3_5", "qwen3_5_moe", "deberta-v2", "clip",
}  # fmt: skip


def text_config(model: Architecture, kind: str) -> dict[str, Any]:
    """The language model alone, in the names that most families share."""
    config: dict[str, Any] = {
        "model_type": kind, "hidden_size": model.hidden, "intermediate_size": model.intermediate,
        "num_hidden_layers": model.layers, "num_attention_heads": model.heads, "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_dim, "vocab_size": model.vocab, "tie_word_embeddings": model.tied,
        "max_position_embeddings": max(model.max_positions, 2048), "pad_token_id": 0,
        "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    if "q" in model.shape.bias and kind in ("llama", "glm"):
        config["attention_bias"] = True
    if model.experts is not None:
        experts = model.experts
        config |= {
            "num_experts": experts.count, "num_local_experts": experts.count, "n_routed_experts": experts.count,
            "moe_num_experts": experts.count, "num_experts_per_tok": experts.active, "moe_k": experts.active,
            "moe_intermediate_size": experts.intermediate, "n_shared_experts": experts.shared,
            "moe_num_shared_experts": experts.shared, "first_k_dense_replace": experts.dense_layers,
            "decoder_sparse_step": experts.every, "mlp_only_layers": [],
        }  # fmt: skip
        if experts.dense_layers:
            config["moe_layer_start_index"] = experts.dense_layers
        if experts.shared_intermediate:
            config["shared_expert_intermediate_size"] = experts.shared_intermediate
        if kind in ("mixtral", "phimoe", "gpt_oss"):
            config["intermediate_size"] = experts.intermediate
    if model.latent is not None:
        latent = model.latent
        config |= {
            "q_lora_rank": latent.q_rank or None, "kv_lora_rank": latent.kv_rank, "qk_nope_head_dim": latent.nope,
            "qk_rope_head_dim": latent.rope, "v_head_dim": latent.value, "head_dim": latent.rope,
            "n_group": 1, "topk_group": 1,
        }  # fmt: skip
    return config


def _gpt2(model: Architecture) -> dict[str, Any]:
    return {
        "model_type": model.model_type, "n_embd": model.hidden, "n_layer": model.layers, "n_head": model.heads,
        "n_inner": model.intermediate, "n_positions": model.max_positions, "vocab_size": model.vocab,
        "rotary_dim": 64, "tie_word_embeddings": model.tied, "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip


def _bloom(model: Architecture) -> dict[str, Any]:
    return {"model_type": "bloom", "hidden_size": model.hidden, "n_layer": model.layers, "n_head": model.heads,
            "vocab_size": model.vocab, "tie_word_embeddings": True}  # fmt: skip


def _opt(model: Architecture) -> dict[str, Any]:
    narrow = {"facebook/opt-350m": 512}.get(model.name, model.hidden)
    return {**text_config(model, "opt"), "ffn_dim": model.intermediate, "word_embed_proj_dim": narrow,
            "do_layer_norm_before": narrow == model.hidden, "pad_token_id": 1}  # fmt: skip


def _gpt_neo(model: Architecture) -> dict[str, Any]:
    return {"model_type": "gpt_neo", "hidden_size": model.hidden, "num_layers": model.layers, "num_heads": model.heads,
            "intermediate_size": model.intermediate, "vocab_size": model.vocab, "attention_types":
            [[["global", "local"], model.layers // 2]], "max_position_embeddings": model.max_positions}  # fmt: skip


def _falcon(model: Architecture) -> dict[str, Any]:
    new = model.kv_heads not in (1, model.heads)
    return {"model_type": "falcon", "hidden_size": model.hidden, "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads, "num_kv_heads": model.kv_heads, "vocab_size": model.vocab,
            "new_decoder_architecture": new, "multi_query": model.kv_heads == 1, "parallel_attn": True, "bias": False,
            "alibi": False}  # fmt: skip


def _t5(model: Architecture) -> dict[str, Any]:
    gated = "flan" in model.name
    return {"model_type": "t5", "d_model": model.hidden, "d_ff": model.intermediate, "num_layers": model.layers // 2,
            "num_decoder_layers": model.layers // 2, "num_heads": model.heads, "d_kv": model.head_dim,
            "vocab_size": model.vocab, "tie_word_embeddings": model.tied, "decoder_start_token_id": 0,
            "pad_token_id": 0,
            "feed_forward_proj": "gated-gelu" if gated else "relu"}  # fmt: skip


def _whisper(model: Architecture) -> dict[str, Any]:
    turbo = "turbo" in model.name
    half = 32 if turbo else model.layers // 2
    return {"model_type": "whisper", "d_model": model.hidden, "encoder_layers": half,
            "decoder_layers": model.layers - half,
            "encoder_attention_heads": model.heads, "decoder_attention_heads": model.heads, "vocab_size": model.vocab,
            "encoder_ffn_dim": model.intermediate, "decoder_ffn_dim": model.intermediate,
            "num_mel_bins": 128 if "v3" in model.name else 80}  # fmt: skip


def _vit(model: Architecture) -> dict[str, Any]:
    return {"model_type": "vit", "hidden_size": model.hidden, "num_hidden_layers": model.layers,
            "num_attention_heads": model.heads, "intermediate_size": model.intermediate, "num_labels": 1000,
            "architectures": ["ViTForImageClassification"]}  # fmt: skip


def _encoder(model: Architecture) -> dict[str, Any]:
    prefix = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "modernbert": "ModernBert"}[
        model.model_type
    ]
    return {**text_config(model, model.model_type), "architectures": [f"{prefix}ForSequenceClassification"],
            "max_position_embeddings": model.max_positions, "type_vocab_size": 2 if prefix == "Bert" else 1,
            "pad_token_id": 0 if prefix == "Bert" else 1}  # fmt: skip


def _distilbert(model: Architecture) -> dict[str, Any]:
    return {"model_type": "distilbert", "dim": model.hidden, "n_layers": model.layers, "n_heads": model.heads,
            "hidden_dim": model.intermediate, "vocab_size": model.vocab,
            "architectures": ["DistilBertForSequenceClassification"]}  # fmt: skip


_OTHERS: dict[str, Callable[[Architecture], dict[str, Any]]] = {
    "gpt2": _gpt2, "gptj": _gpt2, "bloom": _bloom, "opt": _opt, "gpt_neo": _gpt_neo, "falcon": _falcon, "t5": _t5,
    "whisper": _whisper, "vit": _vit, "bert": _encoder, "roberta": _encoder, "xlm-roberta": _encoder,
    "modernbert": _encoder, "distilbert": _distilbert,
}  # fmt: skip


def _qwen_vl(model: Architecture) -> dict[str, Any]:
    vision = model.vision
    assert vision is not None
    base: dict[str, Any] = {
        "depth": vision.layers, "num_heads": vision.heads, "patch_size": vision.patch,
        "spatial_merge_size": vision.merge,
        "temporal_patch_size": 2, "intermediate_size": vision.intermediate, "in_channels": 3, "in_chans": 3,
    }  # fmt: skip
    if model.model_type == "qwen2_vl":
        base |= {"embed_dim": vision.hidden, "hidden_size": model.hidden, "mlp_ratio": 4}
    else:
        base |= {"hidden_size": vision.hidden, "out_hidden_size": model.hidden}
    if vision.window:
        base |= {"window_size": vision.window, "fullatt_block_indexes": list(vision.full_blocks)}
    if model.model_type.startswith("qwen3"):
        base |= {
            "deepstack_visual_indexes": [8, 16, 24] if vision.layers == 27 else [5, 11, 17],
            "num_position_embeddings": 2304,
        }
    text = text_config(model, f"{model.model_type}_text")
    half = model.head_dim // 2
    section = [half // 4, (half - half // 4) // 2, (half - half // 4) // 2]
    text["rope_scaling"] = {"type": "mrope", "rope_type": "default", "mrope_section": section}
    if model.model_type.startswith("glm"):
        base |= {"attention_bias": False, "intermediate_size": model.intermediate}  # there the width of the merger
    # Qwen's own files of these two are flat, and transformers below 4.52 reads nothing else.
    flat = model.model_type in ("qwen2_vl", "qwen2_5_vl")
    language = {key: value for key, value in text.items() if key != "model_type"} if flat else {"text_config": text}
    return {**language, "model_type": model.model_type, "vision_config": base,
            "tie_word_embeddings": model.tied,
            "image_token_id": model.vocab - 10, "video_token_id": model.vocab - 9,
            "vision_start_token_id": model.vocab - 12, "vision_end_token_id": model.vocab - 11}  # fmt: skip


def _plain_vision(model: Architecture, kind: str) -> dict[str, Any]:
    vision = model.vision
    assert vision is not None
    return {"model_type": kind, "hidden_size": vision.hidden, "num_hidden_layers": vision.layers,
            "num_attention_heads": vision.heads, "intermediate_size": vision.intermediate, "patch_size": vision.patch,
            "image_size": vision.image or 336}  # fmt: skip


def language_kind(model: Architecture) -> str:
    """The model_type of the language model inside a vision-language one, from its family's words and head norms."""
    name = model.name.lower()
    for word, kind in (("qwen3", "qwen3"), ("qwen", "qwen2"), ("mistral", "mistral"),
                       ("gemma-2", "gemma2"), ("paligemma2", "gemma2"),
                       ("paligemma", "gemma"), ("onevision", "qwen2"), ("gemma", "gemma")):  # fmt: skip
        if word in name:
            return kind
    if model.vocab in (151674, 151648, 151655, 151658, 151664, 151667, 151936, 152064):
        return "qwen3" if "3_5" in name or "3.5" in name else "qwen2"
    return "llama"


def _llava(model: Architecture) -> dict[str, Any]:
    tower = "siglip_vision_model" if model.model_type == "llava_onevision" else "clip_vision_model"
    config: dict[str, Any] = {
        "model_type": model.model_type, "text_config": text_config(model, language_kind(model)),
        "vision_config": _plain_vision(model, tower), "image_token_index": model.vocab - 1,
        "image_token_id": model.vocab - 1,
        "tie_word_embeddings": model.tied, "image_seq_length": 576, "projector_hidden_act": "gelu",
    }  # fmt: skip
    if tower.startswith("siglip"):
        config |= {"vision_feature_select_strategy": "full", "vision_feature_layer": -1}
        config["vision_config"]["vision_use_head"] = False
    if model.model_type == "llava_onevision":  # anyres_max_9: every grid of 384-pixel tiles up to 6 x 6
        config["image_grid_pinpoints"] = [[384 * i, 384 * j] for i in range(1, 7) for j in range(1, 7)]
    if model.model_type == "llava_next":
        config["image_grid_pinpoints"] = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
    return config


def _internvl(model: Architecture) -> dict[str, Any]:
    vision = _plain_vision(model, "internvl_vision")
    size, patch = vision["image_size"], vision["patch_size"]
    large = vision["hidden_size"] > 2000
    vision |= {"image_size": [size, size], "patch_size": [patch, patch], "attention_bias": not large,
               "use_qk_norm": large, "norm_type": "rms_norm" if large else "layer_norm"}  # fmt: skip
    return {"model_type": "internvl", "text_config": text_config(model, language_kind(model)), "vision_config": vision,
            "image_token_id": model.vocab - 1, "downsample_ratio": 0.5, "tie_word_embeddings": model.tied}  # fmt: skip


def _paligemma(model: Architecture) -> dict[str, Any]:
    vision = _plain_vision(model, "siglip_vision_model") | {"projection_dim": model.hidden, "vision_use_head": False}
    return {"model_type": "paligemma", "text_config": text_config(model, language_kind(model)), "vision_config": vision,
            "projection_dim": model.hidden, "image_token_index": model.vocab - 1, "image_token_id": model.vocab - 1,
            "hidden_size": model.hidden}  # fmt: skip


def _idefics(model: Architecture) -> dict[str, Any]:
    vision = _plain_vision(model, "smolvlm_vision" if model.model_type == "smolvlm" else "idefics3_vision")
    return {"model_type": model.model_type, "text_config": text_config(model, "llama"), "vision_config": vision,
            "scale_factor": model.vision.merge if model.vision else 2, "image_token_id": model.vocab - 1,
            "tie_word_embeddings": model.tied}  # fmt: skip


def _mllama(model: Architecture) -> dict[str, Any]:
    vision = model.vision
    assert vision is not None
    crossed = [3 + 5 * place for place in range(model.layers // 5)]
    text = text_config(model, "mllama_text_model") | {"cross_attention_layers": crossed}
    tower = {"model_type": "mllama_vision_model", "hidden_size": vision.hidden, "num_hidden_layers": vision.layers - 8,
             "num_global_layers": 8, "attention_heads": vision.heads, "intermediate_size": vision.intermediate,
             "patch_size": vision.patch, "image_size": vision.image or 560, "vision_output_dim": vision.hidden * 6,
             "max_num_tiles": 4}  # fmt: skip
    return {"model_type": "mllama", "text_config": text, "vision_config": tower, "image_token_index": model.vocab}


def _mistral3(model: Architecture) -> dict[str, Any]:
    vision = _plain_vision(model, "pixtral") | {"image_size": 1540, "head_dim": 64}
    return {"model_type": "mistral3", "text_config": text_config(model, "mistral"), "vision_config": vision,
            "image_token_index": 10, "image_token_id": 10, "spatial_merge_size": 2,
            "tie_word_embeddings": model.tied}  # fmt: skip


_WITH_VISION: dict[str, Callable[[Architecture], dict[str, Any]]] = {
    "qwen2_vl": _qwen_vl, "qwen2_5_vl": _qwen_vl, "qwen3_vl": _qwen_vl, "qwen3_vl_moe": _qwen_vl, "glm4v": _qwen_vl,
    "llava": _llava, "llava_next": _llava, "llava_onevision": _llava, "internvl": _internvl,
    "paligemma": _paligemma, "idefics3": _idefics, "smolvlm": _idefics, "mllama": _mllama, "mistral3": _mistral3,
}  # fmt: skip


def gemma3_config(model: Architecture) -> dict[str, Any]:
    """Gemma 3 with its SigLIP tower, whose sizes do not vary (896 pixels, 256 tokens an image)."""
    text = text_config(model, "gemma3_text")
    tower = {"model_type": "siglip_vision_model", "hidden_size": 1152, "num_hidden_layers": 27,
             "num_attention_heads": 16,
             "intermediate_size": 4304, "patch_size": 14, "image_size": 896, "vision_use_head": False}  # fmt: skip
    return {"model_type": "gemma3", "text_config": text, "vision_config": tower, "mm_tokens_per_image": 256,
            "image_token_index": model.vocab - 1, "image_token_id": model.vocab - 1}  # fmt: skip


_OTHERS["gemma3"] = gemma3_config
