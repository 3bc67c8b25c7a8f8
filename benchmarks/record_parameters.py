"""Record transformers' own parameter counts on the meta device for the catalog's models, as
tests/fixtures/parameters.json.

Run in an environment that has torch and transformers (the project itself needs neither):

    python benchmarks/record_parameters.py tests/fixtures/parameters.json

A model is built from its dimensions alone; what this version of transformers cannot build is left out and listed.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent.parent))

from oomdoc.memory.architecture import Architecture
from oomdoc.memory.catalog import every

# Settings of a family that its published config.json has and the class's defaults do not.
EXTRA: dict[str, dict[str, Any]] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 12]]},
    "phi3": {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
    "qwen2_moe": {"decoder_sparse_step": 1, "mlp_only_layers": []},
    "qwen3_moe": {"decoder_sparse_step": 1, "mlp_only_layers": []},
    "starcoder2": {"use_bias": True},
    "stablelm": {"use_qkv_bias": False, "use_parallel_residual": False, "qk_layernorm": False},
    "glm4": {"attention_bias": False},
    "roberta": {"type_vocab_size": 1},
    "xlm-roberta": {"type_vocab_size": 1},
}
NAMED: dict[str, dict[str, Any]] = {
    "THUDM/GLM-4-9B-0414": {"attention_bias": True},
    "facebook/opt-350m": {"word_embed_proj_dim": 512, "do_layer_norm_before": False},
}
WORDS = {
    "gpt2": {
        "n_embd": "hidden",
        "n_layer": "layers",
        "n_head": "heads",
        "n_positions": "max_positions",
        "n_inner": "intermediate",
    },
    "gptj": {
        "n_embd": "hidden",
        "n_layer": "layers",
        "n_head": "heads",
        "n_positions": "max_positions",
        "n_inner": "intermediate",
    },
    "gpt_neo": {
        "hidden_size": "hidden",
        "num_layers": "layers",
        "num_heads": "heads",
        "max_position_embeddings": "max_positions",
        "intermediate_size": "intermediate",
    },
    "bloom": {"hidden_size": "hidden", "n_layer": "layers", "n_head": "heads"},
    "opt": {
        "hidden_size": "hidden",
        "word_embed_proj_dim": "hidden",
        "num_hidden_layers": "layers",
        "num_attention_heads": "heads",
        "ffn_dim": "intermediate",
        "max_position_embeddings": "max_positions",
    },
}
USUAL = {
    "hidden_size": "hidden",
    "intermediate_size": "intermediate",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "head_dim": "head_dim",
    "max_position_embeddings": "max_positions",
}
CAUSAL = {
    "llama",
    "mistral",
    "mixtral",
    "qwen2",
    "qwen3",
    "qwen2_moe",
    "qwen3_moe",
    "seed_oss",
    "gemma",
    "gemma2",
    "gemma3_text",
    "phi",
    "phi3",
    "gpt2",
    "gptj",
    "gpt_neo",
    "gpt_neox",
    "opt",
    "bloom",
    "starcoder2",
    "stablelm",
    "olmo",
    "olmo2",
    "granite",
    "smollm3",
    "ernie4_5",
    "deepseek_v2",
    "deepseek_v3",
    "cohere",
    "glm4",
    "bert",
    "roberta",
    "xlm-roberta",
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
}


def main(target: str) -> None:
    counts, failed = {}, []
    for model in every():
        if model.model_type not in CAUSAL:
            continue
        try:
            counts[model.name] = parameters(model)
        except Exception as error:
            failed.append(f"{model.name}: {type(error).__name__}: {str(error)[:120]}")
    document = {"transformers": transformers.__version__, "parameters": counts}
    Path(target).write_text(json.dumps(document, indent=0) + "\n", encoding="utf-8")
    differ = [
        f"{model.name}: {counts[model.name] - model.counts.total:+,}"
        for model in every()
        if counts.get(model.name, model.counts.total) != model.counts.total
    ]
    print(f"{len(counts)} counted, {len(differ)} differ, {len(failed)} not built", *differ, *failed, sep="\n")


def parameters(model: Architecture) -> int:
    """Unique parameters of the model that transformers builds for these dimensions."""
    return sum(each.numel() for each in built(model).parameters())


def built(model: Architecture) -> Any:
    """The model on the meta device, its output matrix tied where the config says so."""
    config = configuration(model)
    auto = transformers.AutoModel if model.kind == "encoder" else transformers.AutoModelForCausalLM
    if model.vision is not None:
        auto = transformers.AutoModelForImageTextToText
    with torch.device("meta"):
        found = auto.from_config(config)
    if getattr(config, "tie_word_embeddings", False) and hasattr(found, "tie_weights"):
        found.tie_weights()
    return found


def configuration(model: Architecture) -> Any:
    kind = model.model_type
    words: dict[str, Any] = {word: getattr(model, field) for word, field in WORDS.get(kind, USUAL).items()}
    words |= {"vocab_size": model.vocab, "tie_word_embeddings": model.tied, **EXTRA.get(kind, {})}
    words |= NAMED.get(model.name, {})
    if model.experts is not None:
        experts = model.experts
        for word in ("num_experts", "num_local_experts", "n_routed_experts"):
            words[word] = experts.count
        words |= {"moe_intermediate_size": experts.intermediate, "num_experts_per_tok": experts.active}
        words |= {
            "shared_expert_intermediate_size": experts.shared_intermediate,
            "first_k_dense_replace": experts.dense_layers,
        }
        words |= {"n_shared_experts": experts.shared or None, "n_group": 1, "topk_group": 1}
        if kind == "mixtral":
            words["intermediate_size"] = experts.intermediate
    if model.latent is not None:
        latent = model.latent
        words |= {"q_lora_rank": latent.q_rank or None, "kv_lora_rank": latent.kv_rank, "qk_nope_head_dim": latent.nope,
                  "qk_rope_head_dim": latent.rope, "v_head_dim": latent.value}  # fmt: skip
        words.pop("head_dim", None)
    if model.vision is None:
        return transformers.AutoConfig.for_model(kind, **words)
    vision = model.vision
    seen: dict[str, Any] = {"depth": vision.layers, "patch_size": vision.patch, "spatial_merge_size": vision.merge,
                            "num_heads": vision.heads}  # fmt: skip
    if kind == "qwen2_vl":
        seen |= {
            "embed_dim": vision.hidden,
            "hidden_size": model.hidden,
            "mlp_ratio": vision.intermediate // vision.hidden,
        }
    else:
        seen |= {
            "hidden_size": vision.hidden,
            "intermediate_size": vision.intermediate,
            "out_hidden_size": model.hidden,
        }
    tied = words.pop("tie_word_embeddings")
    return transformers.AutoConfig.for_model(
        kind, text_config={**words, "tie_word_embeddings": tied}, vision_config=seen, tie_word_embeddings=tied
    )


if __name__ == "__main__":
    main(sys.argv[1])
