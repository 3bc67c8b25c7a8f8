"""Record how accelerate's launcher, PEFT's LoraConfig and DeepSpeed's configuration class read generated settings.

Run in an environment that has the packages (CPU is enough; DS_ACCELERATOR=cpu):

    python benchmarks/record_configs.py tests/fixtures/configs

One JSON file a package: its version and, for each generated text, the values its own class holds afterwards. The texts
are drawn with a fixed seed, so that a new version gives the same texts and comparable values.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

TEXTS = 60
Case = dict[str, Any]


def accelerate(chance: random.Random) -> Case:
    """Flags of `accelerate launch`, and what its parser makes of them."""
    from accelerate.commands.launch import launch_command_parser

    words = ["--num_processes", str(chance.choice([1, 2, 4, 8, 16]))]
    words += chance.choice([[], ["--num_machines", "1"], ["--num_machines=2"]])
    words += chance.choice([[], ["--mixed_precision", "bf16"], ["--mixed-precision=fp16"], ["--mixed_precision", "no"]])
    kind = chance.choice(["plain", "multi", "deepspeed", "fsdp"])
    if kind == "multi":
        words.append("--multi_gpu")
    if kind == "deepspeed":
        words += ["--use_deepspeed", "--zero_stage", str(chance.choice([0, 1, 2, 3]))]
        words += chance.choice([[], ["--offload_optimizer_device", "cpu"], ["--offload_optimizer_device=none"]])
        words += chance.choice([[], ["--gradient_accumulation_steps", "4"]])
    if kind == "fsdp":
        words += ["--use_fsdp", "--fsdp_sharding_strategy"]
        words += [chance.choice(["FULL_SHARD", "SHARD_GRAD_OP", "HYBRID_SHARD", "1", "2"])]
        words += chance.choice([[], ["--fsdp_offload_params", "true"], ["--fsdp_offload_params", "false"]])
    script = ["train.py", "--lr", "1e-4"]
    found = vars(launch_command_parser().parse_args([*words, *script]))
    names = [
        *("num_processes", "mixed_precision", "use_deepspeed", "use_fsdp", "multi_gpu", "zero_stage"),
        *("offload_optimizer_device", "gradient_accumulation_steps", "fsdp_sharding_strategy", "fsdp_offload_params"),
    ]
    text = " ".join(["accelerate", "launch", *words, *script]) + "\n"
    return {"file": "run.sh", "text": text, "values": {name: found[name] for name in names}}


def peft(chance: random.Random) -> Case:
    """A LoraConfig as people write it, and what the object holds."""
    from peft import LoraConfig

    given: dict[str, Any] = {"r": chance.choice([4, 8, 16, 64])}
    if chance.random() < 0.8:
        given["lora_alpha"] = chance.choice([8, 16, 32])
    if chance.random() < 0.6:
        given["lora_dropout"] = chance.choice([0.0, 0.05, 0.1])
    targets = chance.choice(
        [["q_proj", "v_proj"], ["query_key_value"], ["gate_proj", "up_proj", "down_proj"], "all-linear"]
    )
    given["target_modules"] = targets
    if chance.random() < 0.3:
        given["modules_to_save"] = ["embed_tokens", "lm_head"]
    if chance.random() < 0.2:
        given["use_dora"] = True
    held = LoraConfig(**given).to_dict()
    values = {name: held[name] for name in given}
    values["target_modules"] = sorted(targets) if isinstance(held["target_modules"], set) else held["target_modules"]
    if chance.random() < 0.5:
        text = f"config = LoraConfig({', '.join(f'{name}={value!r}' for name, value in given.items())})\n"
        return {"file": "model.py", "text": text, "values": values}
    body = {"peft_type": "LORA", "base_model_name_or_path": "a/b-7b", **given}
    return {"file": "adapter_config.json", "text": json.dumps(body, indent=2), "values": values}


def deepspeed(chance: random.Random) -> Case:
    """A configuration file, and what DeepSpeedConfig reads out of it in a single process."""
    from deepspeed.runtime.config import DeepSpeedConfig

    zero: dict[str, Any] = {"stage": chance.choice([0, 1, 2, 3])}
    if chance.random() < 0.5:
        zero["offload_optimizer"] = {"device": chance.choice(["cpu", "none"]), "pin_memory": True}
    if zero["stage"] == 3 and chance.random() < 0.5:
        zero["offload_param"] = {"device": chance.choice(["cpu", "none"])}
    if chance.random() < 0.5:
        zero["reduce_bucket_size"] = chance.choice([5e8, 200_000_000, 1e6])
    body: dict[str, Any] = {"zero_optimization": zero, "train_micro_batch_size_per_gpu": chance.choice([1, 2, 16])}
    body["gradient_accumulation_steps"] = chance.choice([1, 4, 32])
    body.update(chance.choice([{}, {"bf16": {"enabled": True}}, {"fp16": {"enabled": True, "loss_scale": 0}}]))
    order = list(body)
    chance.shuffle(order)
    config = DeepSpeedConfig(json.loads(json.dumps(body)))
    zero_config = config.zero_config
    values = {
        "stage": int(config.zero_optimization_stage),
        "micro_batch": config.train_micro_batch_size_per_gpu,
        "accumulation": config.gradient_accumulation_steps,
        "optimizer_device": _device(zero_config.offload_optimizer),
        "param_device": _device(zero_config.offload_param),
        "bucket": zero_config.reduce_bucket_size if "reduce_bucket_size" in zero else None,
        "precision": "bfloat16" if "bf16" in body else "float16" if "fp16" in body else None,
    }
    text = json.dumps({key: body[key] for key in order}, indent=chance.choice([None, 2, 4]))
    return {"file": "ds_config.json", "text": text, "values": values}


def _device(offload: Any) -> str | None:
    device = getattr(offload, "device", None)
    return None if device is None else str(getattr(device, "value", device))


RECORDERS: dict[str, Callable[[random.Random], Case]] = {
    "accelerate": accelerate,
    "peft": peft,
    "deepspeed": deepspeed,
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--only", choices=sorted(RECORDERS))
    chosen = arguments.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for name in [chosen.only] if chosen.only else sorted(RECORDERS):
        chance = random.Random(name)
        body = {"package": name, "version": version(name), "cases": [RECORDERS[name](chance) for _ in range(TEXTS)]}
        path = chosen.folder / f"{name}.json"
        path.write_text(json.dumps(body, indent=0, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{name}: {TEXTS} texts, version {body['version']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
