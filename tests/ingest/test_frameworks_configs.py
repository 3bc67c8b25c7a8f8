"""What oomdoc reads in accelerate's flags, PEFT's and DeepSpeed's settings is what their own classes held."""

import json
from pathlib import Path
from typing import Any

import pytest

from oomdoc.facts.fact import TRUST, Fact
from oomdoc.ingest.settings import ingest_settings
from oomdoc.ingest.syntax.detect import parse

FOLDER = Path(__file__).parent.parent / "fixtures/configs"


def cases(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    assert len(found) >= 50
    return found


def read(case: dict[str, Any]) -> dict[str, Any]:
    best: dict[str, Fact] = {}
    for fact in ingest_settings([parse(case["text"], case["file"])]).facts:
        held = best.get(fact.name)
        if held is None or TRUST[fact.source.how] < TRUST[held.source.how]:
            best[fact.name] = fact
    return {name: fact.value for name, fact in best.items()}


SHARDING = {"1": "full_shard", "2": "shard_grad_op"}
PRECISION = {"bf16": "bfloat16", "fp16": "float16"}


@pytest.mark.parametrize("case", cases("accelerate"), ids=lambda case: case["text"][18:-22])
def test_the_flags_of_accelerate_mean_what_its_parser_says(case: dict[str, Any]) -> None:
    found, held = read(case), case["values"]
    assert found["parallel.world_size"] == held["num_processes"]
    assert found.get("train.precision") == PRECISION.get(held["mixed_precision"])
    kind = "ddp" if held["num_processes"] > 1 else "none"
    if held["use_fsdp"]:
        kind = "fsdp"
        strategy = held["fsdp_sharding_strategy"]
        assert found["parallel.fsdp_sharding"] == SHARDING.get(strategy, strategy.lower())
        assert (found.get("parallel.offload") == "all") == (held["fsdp_offload_params"] == "true")
    elif held["use_deepspeed"]:
        assert found["parallel.zero_stage"] == held["zero_stage"]
        kind = "zero" if held["zero_stage"] else kind
        assert (found.get("parallel.offload") == "optimizer") == (held["offload_optimizer_device"] == "cpu")
        assert found.get("train.gradient_accumulation_steps") == held["gradient_accumulation_steps"]
    assert found["parallel.kind"] == kind


PEFT = {
    "r": "lora.rank",
    "lora_alpha": "lora.alpha",
    "lora_dropout": "lora.dropout",
    "target_modules": "lora.target_modules",
    "modules_to_save": "lora.modules_to_save",
}


@pytest.mark.parametrize("case", cases("peft"))
def test_a_lora_config_holds_what_was_read(case: dict[str, Any]) -> None:
    found = read(case)
    for field, value in case["values"].items():
        if field == "use_dora":
            assert found["train.method"] == "dora"
            continue
        told = found[PEFT[field]]
        if field == "target_modules" and isinstance(value, list):
            assert sorted(told) == value
        else:
            assert (list(told) if isinstance(told, tuple) else told) == (
                [value] if field == "target_modules" else value
            )


@pytest.mark.parametrize("case", cases("deepspeed"))
def test_deepspeed_reads_its_file_the_same_way(case: dict[str, Any]) -> None:
    found, held = read(case), case["values"]
    assert found["parallel.zero_stage"] == held["stage"]
    assert found["train.per_device_batch_size"] == held["micro_batch"]
    assert found["train.gradient_accumulation_steps"] == held["accumulation"]
    assert found.get("train.precision") == held["precision"]
    assert found.get("parallel.zero_bucket_elements") == held["bucket"]
    on_cpu = "all" if held["param_device"] == "cpu" else "optimizer" if held["optimizer_device"] == "cpu" else "none"
    assert found.get("parallel.offload", "none") == on_cpu
