"""Generated command lines mean what they meant to the frameworks' own parsers (benchmarks/record_parsers.py)."""

import json
from pathlib import Path
from typing import Any

import pytest

from oomdoc.facts.fact import TRUST, Fact, Source
from oomdoc.ingest.settings import ingest_settings
from oomdoc.ingest.syntax import shell

FIXTURES = Path(__file__).parent.parent / "fixtures" / "parsers"
RECORDED = sorted(FIXTURES.glob("*.json"))

FACTS = {
    "per_device_train_batch_size": "train.per_device_batch_size",
    "per_device_eval_batch_size": "eval.per_device_batch_size",
    "gradient_accumulation_steps": "train.gradient_accumulation_steps",
    "gradient_checkpointing": "train.gradient_checkpointing",
    "disable_gradient_checkpointing": "train.gradient_checkpointing",
    "eval_strategy": "eval.strategy",
    "eval_accumulation_steps": "eval.accumulation_steps",
    "dataloader_num_workers": "train.cpu_workers",
    "group_by_length": "train.group_by_length",
    "use_liger_kernel": "train.liger_kernel",
    "enable_liger_kernel": "train.liger_kernel",
    "torch_empty_cache_steps": "train.empty_cache_steps",
    "save_only_model": "train.save_only_model",
    "prediction_loss_only": "eval.prediction_loss_only",
    "predict_with_generate": "eval.predict_with_generate",
    "generation_max_length": "eval.max_new_tokens",
    "max_length": "train.max_length",
    "cutoff_len": "train.max_length",
    "max_prompt_length": "train.max_prompt_length",
    "max_completion_length": "train.max_completion_length",
    "num_generations": "train.num_generations",
    "packing": "train.packing",
    "padding_free": "train.padding_free",
    "attn_implementation": "model.attention",
    "lora_rank": "lora.rank",
    "lora_target": "lora.target_modules",
    "quantization_bit": "quant.bits",
    "quant_bits": "quant.bits",
    "train_type": "train.method",
    "freeze_vit": "train.freeze_vision_tower",
    "freeze_aligner": "train.freeze_projector",
    "freeze_llm": "train.freeze_language_model",
    "vit_gradient_checkpointing": "train.vision_gradient_checkpointing",
    "max_new_tokens": "eval.max_new_tokens",
    "sequence_parallel_size": "parallel.sequence_parallel",
    "truncation_strategy": "train.truncation",
    "target_modules": "lora.target_modules",
    "finetuning_type": "train.method",
    "freeze_vision_tower": "train.freeze_vision_tower",
    "pure_bf16": "train.pure_precision",
    "stage": "train.stage",
}
INVERTED = {"disable_gradient_checkpointing"}
OPTIMIZER_MAY_BE_UNKNOWN = {"adamw_torch_fused"}  # the default depends on the version of torch


def read(body: dict[str, Any], command: str) -> dict[str, Fact]:
    versions = [
        Fact(name="env.transformers", value=body["transformers"], source=Source(how="log")),
        Fact(name="env.trl", value=body["version"], source=Source(how="log")),
    ]
    text = f"{body['package']}=={body['version']}"
    found: dict[str, Fact] = {}
    for fact in ingest_settings([shell.parse(command, "run.sh")], text, versions).facts:
        held = found.get(fact.name)
        if held is None or TRUST[fact.source.how] < TRUST[held.source.how]:
            found[fact.name] = fact
    return found


def expected(field: str, value: Any) -> Any:
    if field in INVERTED:
        return not value
    if field in {"lora_target", "target_modules"}:
        return tuple(value.split(",")) if isinstance(value, str) else tuple(value)
    return value


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_every_recorded_field_has_the_value_its_own_parser_gave(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    assert len(body["cases"]) >= 50
    compared = 0
    for case in body["cases"]:
        facts = read(body, case["command"])
        assert facts["framework.name"].value
        for field, value in case["values"].items():
            name = FACTS.get(field)
            if name is None or (value is None and name not in facts):
                continue
            if field == "use_liger_kernel" and "enable_liger_kernel" in case["values"]:
                continue  # LLaMA-Factory's own switch is the one it reads
            assert name in facts, (field, value, case["command"])
            wanted = expected(field, value)
            if name == "train.method" and facts[name].value == "qlora" and facts["quant.bits"].value:
                continue  # LoRA on quantised weights, which the frameworks have no name for
            assert facts[name].value == wanted, (field, case["command"])
            compared += 1
    assert compared >= 5 * len(body["cases"])


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_precision_and_optimizer_agree(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    for case in body["cases"]:
        facts, values = read(body, case["command"]), case["values"]
        if values.get("bf16") is True:
            assert facts["train.precision"].value == "bfloat16", case["command"]
        elif values.get("bf16") is False and not values.get("fp16") and not values.get("pure_bf16"):
            assert "train.precision" not in facts, case["command"]
        optimizer = values.get("optim")
        if "train.optimizer" in facts:
            assert facts["train.optimizer"].value == optimizer, case["command"]
        elif optimizer is not None:
            assert optimizer in OPTIMIZER_MAY_BE_UNKNOWN, case["command"]


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_what_the_parser_accepted_is_never_called_misspelt(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    for case in body["cases"]:
        issues = ingest_settings([shell.parse(case["command"], "run.sh")]).issues
        assert [issue.kind for issue in issues if issue.kind not in {"bounds_nothing", "inactive"}] == []
