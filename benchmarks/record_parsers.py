"""Record how frameworks' own argument parsers read generated command lines, as fixtures for the tests.

Run in an environment that has the frameworks (CPU is enough):

    python benchmarks/record_parsers.py tests/fixtures/parsers

One JSON file a parser: the versions, and for each command line every field of the parsed dataclass that the tests look
at. The lines are drawn with a fixed seed, so that a new version gives the same lines and comparable values.
"""

import argparse
import contextlib
import dataclasses
import importlib
import io
import json
import random
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

LINES = 60
TRAINER: dict[str, list[Any]] = {
    "per_device_train_batch_size": [1, 2, 4, 16],
    "per_device_eval_batch_size": [1, 4],
    "gradient_accumulation_steps": [1, 4, 32],
    "gradient_checkpointing": [True, False],
    "bf16": [True, False],
    "optim": ["adamw_torch", "adafactor", "paged_adamw_8bit"],
    "eval_strategy": ["no", "steps", "epoch"],
    "eval_steps": [50],
    "eval_accumulation_steps": [2, 8],
    "dataloader_num_workers": [0, 4],
    # dataloader_pin_memory is left out: the parser switches it off itself on a machine without a GPU
    "group_by_length": [True, False],
    "use_liger_kernel": [False],
    "torch_empty_cache_steps": [10],
    "save_only_model": [True],
    "prediction_loss_only": [True, False],
}
PARSERS: dict[str, dict[str, Any]] = {
    "hf-trainer": {
        "package": "transformers",
        "classes": ["transformers:TrainingArguments"],
        "program": "run_clm.py",
        "options": TRAINER,
    },
    "hf-seq2seq": {
        "package": "transformers",
        "classes": ["transformers:Seq2SeqTrainingArguments"],
        "program": "run_summarization.py",
        "options": {**TRAINER, "predict_with_generate": [True, False], "generation_max_length": [64, 128]},
    },
    "trl-sft": {
        "package": "trl",
        "classes": ["trl:ScriptArguments", "trl:SFTConfig", "trl:ModelConfig"],
        "program": "trl sft",
        "options": {
            **TRAINER,
            "max_length": [512, 4096],
            "packing": [True, False],
            "padding_free": [True, False],
            "use_peft": [True],
            "lora_r": [8, 64],
            "lora_alpha": [16],
            "load_in_4bit": [True],
            "attn_implementation": ["sdpa", "flash_attention_2"],
        },
    },
    "trl-dpo": {
        "package": "trl",
        "classes": ["trl:ScriptArguments", "trl:DPOConfig", "trl:ModelConfig"],
        "program": "trl dpo",
        "options": {**TRAINER, "max_length": [512, 2048], "max_prompt_length": [128], "max_completion_length": [256]},
    },
    "llamafactory": {
        "package": "llamafactory",
        "classes": [
            f"llamafactory.hparams:{name}Arguments"
            for name in ("Model", "Data", "Training", "Finetuning", "Generating")
        ],
        "program": "llamafactory-cli train",
        "always": ["--model_name_or_path", "Qwen/Qwen2-VL-7B-Instruct", "--use_cpu", "True"],
        "options": {
            **{name: values for name, values in TRAINER.items() if name != "gradient_checkpointing"},
            "stage": ["sft", "dpo", "rm"],
            "cutoff_len": [1024, 8192],
            "finetuning_type": ["lora", "full", "freeze"],
            "disable_gradient_checkpointing": [True, False],
            "lora_rank": [8, 32],
            "lora_target": ["all", "q_proj,v_proj"],
            "quantization_bit": [4, 8],
            "freeze_vision_tower": [True, False],
            "enable_liger_kernel": [True, False],
            "pure_bf16": [True, False],
            "predict_with_generate": [True, False],
        },
    },
    "ms-swift": {
        "package": "ms-swift",
        "classes": ["swift.llm.argument:TrainArguments"],
        "program": "swift sft",
        "always": ["--model", "Qwen/Qwen2.5-VL-7B-Instruct"],
        "raw": True,  # its dataclass looks the model up on the network; the argument parser alone does not
        "options": {
            **{name: TRAINER[name] for name in ("per_device_train_batch_size", "per_device_eval_batch_size")},
            "gradient_checkpointing": [True, False],
            "vit_gradient_checkpointing": [True, False],
            "max_length": [1024, 8192],
            "train_type": ["lora", "full"],
            "lora_rank": [8, 64],
            "target_modules": ["all-linear"],
            "freeze_vit": [True, False],
            "freeze_aligner": [True, False],
            "freeze_llm": [True, False],
            "attn_impl": ["flash_attn", "sdpa", "eager"],
            "quant_bits": [4, 8],
            "packing": [True, False],
            "padding_free": [True, False],
            "max_pixels": [602112, 1003520],
            "max_new_tokens": [128],
            "predict_with_generate": [True, False],
            "use_liger_kernel": [True, False],
            "sequence_parallel_size": [1, 2],
            "eval_accumulation_steps": [4],
            "truncation_strategy": ["delete", "left"],
        },
    },
    "trl-grpo": {
        "package": "trl",
        "classes": ["trl:ScriptArguments", "trl:GRPOConfig", "trl:ModelConfig"],
        "program": "trl grpo",
        "options": {
            "gradient_accumulation_steps": [8, 16],
            "per_device_train_batch_size": [8, 16],
            "gradient_checkpointing": [True, False],
            "max_completion_length": [128, 1024],
            "max_prompt_length": [256],
            "num_generations": [4, 8],
            "optim": ["adamw_torch", "adafactor"],
        },
    },
}


def draw(options: dict[str, list[Any]], chance: random.Random, always: list[str]) -> list[str]:
    """Words of one command line: some options, in every spelling that the parser accepts."""
    words = ["--output_dir", "out", *always]
    for name in chance.sample(sorted(options), chance.randint(0, min(8, len(options)))):
        value = chance.choice(options[name])
        if value is True and chance.random() < 0.4:
            words.append(f"--{name}")
        elif chance.random() < 0.3:
            words.append(f"--{name}={value}")
        else:
            flag = name.replace("_", "-") if chance.random() < 0.2 else name
            words += [f"--{flag}", str(value)]
    if chance.random() < 0.15:
        words += words[2:4]  # given twice: the last one counts
    return words


def parsed(classes: list[type], words: list[str], fields: set[str], *, raw: bool) -> dict[str, Any] | None:
    """What the framework's own parser makes of it; None where it refuses. `raw`: before the dataclass is made."""
    from transformers import HfArgumentParser

    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            parser = HfArgumentParser(classes)
            if raw:
                return {name: value for name, value in vars(parser.parse_args(words)).items() if name in fields}
            found = parser.parse_args_into_dataclasses(args=words)
    except (SystemExit, ValueError, ImportError, RuntimeError):
        return None
    values: dict[str, Any] = {}
    for one in found:
        for field in dataclasses.fields(one):
            if field.name in fields:
                value = getattr(one, field.name)
                values[field.name] = getattr(value, "value", value)
    return values


def record(name: str, folder: Path) -> str:
    """Record one parser; returns a line for the terminal."""
    recipe = PARSERS[name]
    classes = []
    for place in recipe["classes"]:
        module, _, attribute = place.partition(":")
        classes.append(getattr(importlib.import_module(module), attribute))
    chance = random.Random(f"{name}")
    fields = {*recipe["options"], "fp16"}
    cases: list[dict[str, Any]] = []
    refused = 0
    while len(cases) < LINES and refused < LINES:
        words = draw(recipe["options"], chance, recipe.get("always", ["--use_cpu", "True"]))
        values = parsed(classes, words, fields, raw=recipe.get("raw", False))
        if values is None:
            refused += 1
            continue
        cases.append({"command": " ".join([recipe["program"], *words]), "values": values})
    body = {
        "framework": name.replace("hf-seq2seq", "hf-trainer"),
        "package": recipe["package"],
        "version": version(recipe["package"]),
        "transformers": version("transformers"),
        "refused": refused,
        "cases": cases,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(body, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    return f"{name}: {len(cases)} lines, {refused} refused, {recipe['package']} {body['version']}"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--only", choices=sorted(PARSERS))
    chosen = arguments.parse_args()
    for name in [chosen.only] if chosen.only else sorted(PARSERS):
        print(record(name, chosen.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
