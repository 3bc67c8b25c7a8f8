"""The configurations whose peaks are measured on a GPU: sizes, methods, attention, optimizers, phases."""

# ruff: noqa: PERF401
# a table reads better line by line than as comprehensions

from typing import Any

_TEXT = {
    "train.precision": "bfloat16",
    "train.pure_precision": True,
    "train.max_length": 1024,
    "train.sequence_tokens": 1024,
    "train.per_device_batch_size": 1,
    "train.packing": True,
    "train.gradient_checkpointing": False,
    "train.optimizer": "adamw_torch",
    "model.attention": "sdpa",
}
_LORA = {"train.method": "lora", "lora.rank": 16, "lora.target_modules": ["all-linear"], "lora.dropout": 0.0}
_FULL = {"train.method": "full"}
_IMAGE = {"train.num_images": 1, "image.height": 672, "image.width": 672}


def _row(name: str, model: str, *parts: dict[str, Any], **changes: Any) -> tuple[str, dict[str, Any]]:
    facts: dict[str, Any] = {"model.name": model, **_TEXT}
    for part in parts:
        facts |= part
    return name, facts | {key.replace("__", "."): value for key, value in changes.items()}


def rows() -> list[tuple[str, dict[str, Any]]]:
    """(name, canonical facts) of every configuration; names are stable, since recorded figures refer to them."""
    out = []
    for model in ("SmolLM2-135M", "Qwen2.5-0.5B", "Qwen3-0.6B", "Llama-3.2-1B", "gemma-2-2b", "Qwen2.5-3B"):
        out.append(_row(f"{model}/full", model, _FULL))
    for model in (
        "Qwen2.5-0.5B",
        "Llama-3.2-1B",
        "Qwen2.5-7B",
        "Llama-3.1-8B",
        "Mistral-7B-v0.1",
        "Phi-3-mini-4k-instruct",
    ):
        out.append(_row(f"{model}/lora", model, _LORA))
        out.append(_row(f"{model}/lora/checkpointing", model, _LORA, train__gradient_checkpointing=True))
    for length in (512, 2048, 4096, 8192):
        out.append(
            _row(
                f"Qwen2.5-0.5B/full/{length}",
                "Qwen2.5-0.5B",
                _FULL,
                train__max_length=length,
                train__sequence_tokens=length,
            )
        )
    for batch in (2, 4, 8):
        out.append(_row(f"Llama-3.2-1B/lora/batch-{batch}", "Llama-3.2-1B", _LORA, train__per_device_batch_size=batch))
    out.append(
        _row("Llama-3.2-1B/lora/padded", "Llama-3.2-1B", _LORA, train__per_device_batch_size=4, train__packing=False)
    )
    for attention in ("eager", "flash_attention_2"):
        out.append(
            _row(
                f"Qwen2.5-0.5B/full/{attention}",
                "Qwen2.5-0.5B",
                _FULL,
                model__attention=attention,
                train__max_length=2048,
                train__sequence_tokens=2048,
            )
        )
    for optimizer in ("adamw_torch_fused", "sgd", "adafactor", "adamw_8bit", "paged_adamw_8bit"):
        out.append(_row(f"Qwen2.5-0.5B/full/{optimizer}", "Qwen2.5-0.5B", _FULL, train__optimizer=optimizer))
    mixed = {"train.pure_precision": False, "train.mixed_precision": True}
    out.append(_row("Qwen2.5-0.5B/full/mixed", "Qwen2.5-0.5B", _FULL, mixed))
    out.append(
        _row("Qwen2.5-0.5B/full/mixed/checkpointing", "Qwen2.5-0.5B", _FULL, mixed, train__gradient_checkpointing=True)
    )
    out.append(_row("Qwen2.5-0.5B/full/float32", "Qwen2.5-0.5B", _FULL, train__precision="float32"))
    out.append(_row("Qwen2.5-0.5B/full/accumulation", "Qwen2.5-0.5B", _FULL, train__gradient_accumulation_steps=4))
    out.append(
        _row(
            "Qwen2.5-7B/qlora",
            "Qwen2.5-7B",
            _LORA,
            train__method="qlora",
            quant__bits=4,
            train__gradient_checkpointing=True,
        )
    )
    out.append(_row("Llama-3.2-1B/dora", "Llama-3.2-1B", _LORA, train__method="dora"))
    out.append(
        _row(
            "Qwen3-30B-A3B/lora",
            "Qwen3-30B-A3B",
            _LORA,
            lora__target_modules=["q_proj", "v_proj"],
            train__gradient_checkpointing=True,
        )
    )
    for model in (
        "Qwen2-VL-2B-Instruct",
        "Qwen2.5-VL-3B-Instruct",
        "Qwen3-VL-2B-Instruct",
        "InternVL3-1B",
        "SmolVLM-256M-Instruct",
    ):
        out.append(_row(f"{model}/lora/image", model, _LORA, _IMAGE))
    out.append(
        _row(
            "Qwen2.5-VL-3B-Instruct/full/image",
            "Qwen2.5-VL-3B-Instruct",
            _FULL,
            _IMAGE,
            train__freeze_vision_tower=False,
            train__optimizer="sgd",
        )
    )
    out.append(
        _row(
            "Qwen2.5-VL-7B-Instruct/lora/image-1288",
            "Qwen2.5-VL-7B-Instruct",
            _LORA,
            _IMAGE,
            image__height=1288,
            image__width=1288,
            train__max_length=4096,
            train__sequence_tokens=2637,
            train__gradient_checkpointing=True,
        )
    )
    evaluation = {"eval.strategy": "steps", "eval.per_device_batch_size": 8}
    out.append(_row("Qwen2.5-0.5B/full/eval", "Qwen2.5-0.5B", _FULL, evaluation))
    generation = {"eval.predict_with_generate": True, "eval.max_new_tokens": 512, "eval.per_device_batch_size": 4}
    out.append(_row("Llama-3.2-1B/lora/generate", "Llama-3.2-1B", _LORA, generation))
    inference = {"train.method": "inference", "inference.prompt_tokens": 2048, "inference.max_new_tokens": 256}
    out.append(_row("Qwen2.5-7B/inference", "Qwen2.5-7B", inference))
    for model in ("bert-base-uncased", "t5-small", "whisper-small", "vit-base-patch16-224"):
        out.append(
            _row(
                f"{model}/full",
                model,
                _FULL,
                train__precision="float32",
                train__max_length=448,
                train__sequence_tokens=448,
            )
        )
    return out
