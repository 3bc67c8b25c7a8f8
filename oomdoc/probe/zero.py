"""DeepSpeed's configuration for a probe: the run's own with its "auto" values filled in, or one made of its facts.

Standard library only, so that both sides can read it.
"""

from __future__ import annotations

import copy
from typing import Any

_DROPPED = (  # what belongs to other steps of a run, or would write files
    "scheduler", "tensorboard", "wandb", "csv_monitor", "comet", "flops_profiler", "autotuning", "checkpoint",
    "data_efficiency", "curriculum_learning", "train_batch_size", "elasticity", "dump_state", "wall_clock_breakdown",
)  # fmt: skip


def deepspeed_config(plan: dict[str, Any]) -> dict[str, Any]:
    """A configuration that deepspeed.initialize takes, of the plan's batch, precision and ranks.

    "auto" means what transformers puts in its place (integrations/deepspeed.py, trainer_config_process).
    """
    ranks = plan.get("ranks") or {}
    own = ranks.get("deepspeed")
    config = copy.deepcopy(own) if isinstance(own, dict) else _of_facts(plan, ranks)
    for name in _DROPPED:
        config.pop(name, None)
    hidden = _hidden(plan.get("config") or {})
    half = str(plan.get("autocast") or plan.get("dtype") or "bfloat16")
    filled = {
        "reduce_bucket_size": hidden * hidden, "stage3_prefetch_bucket_size": int(0.9 * hidden * hidden),
        "stage3_param_persistence_threshold": 10 * hidden, "gradient_clipping": float(plan.get("max_grad_norm") or 0.0),
        "lr": 1e-5, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0,
    }  # fmt: skip
    _fill(config, filled)
    for name, kind in (("bf16", "bfloat16"), ("fp16", "float16")):
        section = config.get(name)
        if isinstance(section, dict) and section.get("enabled") == "auto":
            section["enabled"] = half == kind
    if (config.get("fp16") or {}).get("enabled"):
        config["fp16"]["loss_scale"] = 1.0  # a scale that is still being found skips the first steps and their states
    config["train_micro_batch_size_per_gpu"] = int(plan.get("batch") or 1)
    config["gradient_accumulation_steps"] = max(1, min(2, int(plan.get("accumulation") or 1)))
    config["zero_allow_untested_optimizer"] = True
    config.setdefault("zero_optimization", {"stage": int(ranks.get("stage") or 0)})
    config["steps_per_print"] = 1 << 30
    return config


def _of_facts(plan: dict[str, Any], ranks: dict[str, Any]) -> dict[str, Any]:
    zero: dict[str, Any] = {"stage": int(ranks.get("stage") or 0)}
    if ranks.get("bucket_elements"):
        zero |= {"reduce_bucket_size": ranks["bucket_elements"], "allgather_bucket_size": ranks["bucket_elements"]}
    if ranks.get("offload") in ("optimizer", "all"):
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if ranks.get("offload") == "all" and zero["stage"] >= 3:
        zero["offload_param"] = {"device": "cpu", "pin_memory": True}
    half = str(plan.get("autocast") or plan.get("dtype") or "bfloat16")
    return {
        "zero_optimization": zero, "bf16": {"enabled": half == "bfloat16"}, "fp16": {"enabled": half == "float16"},
        "gradient_clipping": float(plan.get("max_grad_norm") or 0.0),
    }  # fmt: skip


def _fill(section: dict[str, Any], values: dict[str, Any]) -> None:
    """Replace "auto" by what stands for it; an "auto" that nothing stands for is left out, as the library's default."""
    for name, value in list(section.items()):
        if isinstance(value, dict):
            _fill(value, values)
        elif value == "auto" and name != "enabled":
            if name in values:
                section[name] = values[name]
            else:
                del section[name]


def _hidden(config: dict[str, Any]) -> int:
    for each in (config, config.get("text_config") or {}):
        for name in ("hidden_size", "d_model", "n_embd", "dim"):
            if isinstance(each.get(name), int):
                return int(each[name])
    return 4096
