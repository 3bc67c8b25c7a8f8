"""What evaluation holds beside a forward pass, and what is known of images that nothing describes."""

from typing import Any

import pytest

from oomdoc.memory.catalog import resolve
from oomdoc.memory.closed_form import moments
from oomdoc.memory.reading import from_facts
from oomdoc.memory.vision import in_math, sides

GIB = 1 << 30
BASE: dict[str, Any] = {
    "train.method": "full", "train.precision": "bfloat16", "train.max_length": 1024, "framework.name": "hf-trainer",
    "model.load_dtype": "bfloat16", "train.per_device_batch_size": 4, "eval.per_device_batch_size": 8,
    "eval.strategy": "steps", "eval.accumulation_steps": None, "run.phase": "eval",
}  # fmt: skip


def evaluation(**facts: Any) -> dict[str, int]:
    model = resolve("Qwen2.5-0.5B")
    assert model is not None
    settings = from_facts({**BASE, **{name.replace("__", "."): value for name, value in facts.items()}}, model)
    found = next(moment for moment in moments(model, settings) if moment.phase == "eval")
    return {part.name: part.bytes for part in found.parts}


def test_kept_logits_exist_twice_while_the_next_batch_is_joined() -> None:
    batch = 8 * 1024 * 151_936 * 4
    assert evaluation(run__eval_step=4)["logits kept for metrics"] == 9 * batch  # four batches beside all five
    assert evaluation(run__eval_step=4, eval__accumulation_steps=2)["logits kept for metrics"] == 3 * batch
    assert "logits kept for metrics" not in evaluation(eval__accumulation_steps=1)


def test_every_rank_gathers_the_logits_of_all() -> None:
    one = evaluation(run__eval_step=4)["logits kept for metrics"]
    four = evaluation(run__eval_step=4, parallel__kind="ddp", parallel__world_size=4)["logits kept for metrics"]
    assert four == 4 * one


@pytest.mark.parametrize("facts", [{"run__phase": "train"}, {"eval__prediction_loss_only": True}])
def test_without_metrics_only_the_loss_is_kept(facts: dict[str, Any]) -> None:
    assert "logits kept for metrics" not in evaluation(run__eval_step=4, **facts)


def test_metrics_that_are_known_keep_logits_before_anything_failed() -> None:
    assert evaluation(run__phase="train", eval__compute_metrics=True)["logits kept for metrics"]


@pytest.mark.parametrize(
    ("facts", "cached"),
    [
        ({"env__transformers": "4.57.1"}, True),
        ({"env__transformers": "5.0.0"}, False),
        ({}, False),
        ({"env__transformers": "4.57.1", "framework__name": "llama-factory"}, False),
    ],
)
def test_evaluation_builds_a_cache_where_trainer_leaves_it_on(facts: dict[str, Any], cached: bool) -> None:
    found = evaluation(**facts)
    assert ("key-value cache" in found) == cached
    if cached:
        assert found["key-value cache"] == 8 * 1024 * 2 * 24 * 2 * 64 * 2


VISION: dict[str, Any] = {
    "train.method": "lora", "train.precision": "bfloat16", "train.max_length": 4096, "train.per_device_batch_size": 1,
    "lora.rank": 8, "lora.target_modules": ["query_key_value"], "train.gradient_checkpointing": True,
}  # fmt: skip


def test_an_image_of_fixed_size_is_assumed_and_said() -> None:
    model = resolve("glm-4v-9b")
    assert model is not None
    settings = from_facts(VISION, model)
    assert settings.images.count == 1
    assert any(each.key == "assumed.image_fixed" for each in settings.assumed)


def test_a_failure_in_the_tower_tells_of_an_image() -> None:
    model = resolve("Qwen2.5-VL-7B-Instruct")
    assert model is not None
    assert from_facts(VISION, model).images.count == 0
    settings = from_facts({**VISION, "oom.module": "vision_tower"}, model)
    assert settings.images.count == 1
    height, width = sides(model, settings.images)
    assert height % 28 == width % 28 == 0
    assert height * width <= 12_845_056


def test_adapters_keep_only_the_inputs_of_matrices_they_sit_on() -> None:
    model = resolve("glm-4v-9b")
    assert model is not None
    reached = {**VISION, "lora.reaches_vision_tower": True, "train.vision_gradient_checkpointing": False}

    def kept(targets: list[str]) -> int:
        settings = from_facts({**reached, "lora.target_modules": targets}, model)
        forward = next(moment for moment in moments(model, settings) if moment.phase == "forward")
        return next(part.bytes for part in forward.parts if part.name == "vision tower")

    assert kept(["query_key_value", "dense_h_to_4h", "dense_4h_to_h"]) > 1.3 * kept(["query_key_value"])


def test_deepspeed_casts_weights_whatever_they_were_loaded_in() -> None:
    model = resolve("Qwen2.5-7B")
    assert model is not None
    loaded = {**VISION, "model.load_dtype": "float32"}
    assert from_facts(loaded, model).weights == 4.0
    assert from_facts({**loaded, "parallel.zero_stage": 2, "parallel.world_size": 2}, model).weights == 2.0


def test_old_towers_run_their_attention_in_math() -> None:
    model = resolve("Qwen2.5-VL-7B-Instruct")
    assert model is not None
    seen = {**VISION, "train.num_images": 1, "image.height": 1288, "image.width": 1288}
    assert in_math(model, from_facts({**seen, "env.transformers": "4.49.0"}, model))
    assert not in_math(model, from_facts({**seen, "env.transformers": "4.54.0"}, model))
    flash = {**seen, "env.transformers": "4.49.0", "model.attention": "flash_attention_2"}
    assert not in_math(model, from_facts(flash, model))
