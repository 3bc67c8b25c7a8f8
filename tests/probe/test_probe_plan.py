"""From facts to a worker's plan: precision, adapters, phases, images; what cannot be planned says why."""

import json
from pathlib import Path

import pytest

from oomdoc.memory.catalog import resolve
from oomdoc.probe.configs import NoConfigError, config_of
from oomdoc.probe.plan import PlanError, capability, plan_of, read

BASE = {
    "model.name": "Qwen2.5-7B-Instruct",
    "train.method": "lora",
    "train.max_length": 1024,
    "train.precision": "bfloat16",
}


def test_lora_plan_keeps_weights_in_half_precision_and_adapters_in_float32() -> None:
    job = plan_of(BASE).job
    assert job["dtype"] == "bfloat16"
    assert job["autocast"] == "bfloat16"
    assert job["lora"]["dtype"] == "float32"
    assert job["tokens"] == 1024
    assert job["phases"] == ["train"]


def test_the_config_of_a_catalog_model_has_its_shapes() -> None:
    model = resolve("Qwen2.5-7B-Instruct")
    assert model is not None
    config = config_of(model)
    assert (config["model_type"], config["hidden_size"], config["num_hidden_layers"]) == ("qwen2", 3584, 28)
    assert [way["how"] for way in plan_of({**BASE, "model.name": model.name}).job["builds"]] == ["own"]


def test_a_diffusion_model_cannot_be_built_from_the_catalog() -> None:
    model = resolve("stable-diffusion-v1-5")
    assert model is not None
    with pytest.raises(NoConfigError):
        config_of(model)


def test_a_config_file_beats_the_catalog(tmp_path: Path) -> None:
    config = {
        "model_type": "qwen2",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "vocab_size": 1000,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    job = plan_of({**BASE, "model.config_path": str(tmp_path)}).job
    assert job["config"] == config
    assert job["path"] == str(tmp_path)


@pytest.mark.parametrize(("content", "reason"), [("{", "not JSON"), ("[1]", "object")])
def test_a_broken_config_is_named(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    with pytest.raises(PlanError, match=reason):
        read(str(file))
    with pytest.raises(PlanError, match="cannot read"):
        read(str(tmp_path / "absent.json"))


def test_generation_at_evaluation_adds_its_phase() -> None:
    facts = {**BASE, "eval.predict_with_generate": True, "eval.per_device_batch_size": 2, "eval.max_new_tokens": 64}
    job = plan_of(facts).job
    assert job["phases"] == ["train", "generate"]
    assert job["new_tokens"] == 64


def test_inference_does_not_train() -> None:
    job = plan_of({"model.name": "Qwen2.5-7B", "train.method": "inference", "inference.max_new_tokens": 32}).job
    assert job["phases"] == ["generate"]
    assert job["checkpointing"] is False


def test_batches_of_unequal_samples_carry_a_padding_mask() -> None:
    assert plan_of({**BASE, "train.per_device_batch_size": 4}).job["padded"] is True
    assert plan_of({**BASE, "train.per_device_batch_size": 4, "train.packing": True}).job["padded"] is False
    assert plan_of(BASE).job["padded"] is False


def test_zero_and_fsdp_become_partition_arithmetic() -> None:
    zero = plan_of({**BASE, "parallel.zero_stage": 2, "parallel.world_size": 8}).job["parallel"]
    assert (zero["stage"], zero["ranks"]) == (2, 8)
    fsdp = plan_of({**BASE, "parallel.kind": "fsdp", "parallel.world_size": 4}).job["parallel"]
    assert (fsdp["stage"], fsdp["ranks"]) == (3, 4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H100 80GB", (9, 0)),
        ("A100-80GB", (8, 0)),
        ("NVIDIA A10", (8, 6)),
        ("RTX 4090", (8, 9)),
        ("Tesla T4", (7, 5)),
        ("V100-32GB", (7, 0)),
        (None, (8, 0)),
    ],
)
def test_capability_by_name(name: str | None, expected: tuple[int, int]) -> None:
    assert capability(name) == expected
