"""Dry run beside closed form on eleven ways of spreading a 7B run over eight ranks: what one rank holds, by component.

    python benchmarks/partition.py --python ENV [--model NAME] [--only WORD]

The dry run divides by arithmetic (oomdoc/probe/partition.py), as the closed form does (oomdoc/memory/parallel.py), but
its buffers come and go. Where they differ the table says by which component.
"""

import argparse
import sys
from typing import Any

from oomdoc.memory.predict import predict
from oomdoc.memory.profile import MemoryProfile
from oomdoc.probe.dryrun import profile_of
from oomdoc.probe.host import Worker
from oomdoc.probe.plan import plan_of

GIB = 1 << 30
RUN = {"train.method": "full", "train.precision": "bfloat16", "train.pure_precision": True, "train.packing": True,
       "train.max_length": 2048, "train.sequence_tokens": 2048, "train.per_device_batch_size": 1,
       "train.gradient_checkpointing": True, "train.optimizer": "adamw_torch", "parallel.world_size": 8,
       "hardware.gpu_name": "A100-80GB"}  # fmt: skip
LORA = {"train.method": "lora", "lora.rank": 16, "lora.target_modules": ["all-linear"]}
MIXED = {"train.pure_precision": False, "train.mixed_precision": True}
WAYS: dict[str, dict[str, Any]] = {
    "ddp, LoRA": {"parallel.kind": "ddp", **LORA},
    "ddp, full": {"parallel.kind": "ddp"},
    "ZeRO-1": {"parallel.zero_stage": 1},
    "ZeRO-2": {"parallel.zero_stage": 2},
    "ZeRO-2, optimizer offloaded": {"parallel.zero_stage": 2, "parallel.offload": "optimizer"},
    "ZeRO-3": {"parallel.zero_stage": 3},
    "ZeRO-3, all offloaded": {"parallel.zero_stage": 3, "parallel.offload": "all"},
    "ZeRO-3, LoRA": {"parallel.zero_stage": 3, **LORA},
    "FSDP full_shard": {"parallel.kind": "fsdp", "parallel.fsdp_sharding": "full_shard"},
    "FSDP full_shard, mixed": {"parallel.kind": "fsdp", "parallel.fsdp_sharding": "full_shard", **MIXED},
    "FSDP shard_grad_op": {"parallel.kind": "fsdp", "parallel.fsdp_sharding": "shard_grad_op"},
}


def main() -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python")
    parser.add_argument("--model", default="Qwen2.5-7B")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    print(f"{'one rank of eight':30} {'phase':9} {'dry run':>8} {'closed':>8} {'':>7}  differences above 0.2 GiB")
    with Worker(arguments.python) as worker:
        for name, way in WAYS.items():
            if arguments.only not in name:
                continue
            facts = {"model.name": arguments.model, **RUN, **way}
            plan = plan_of(facts)
            dry, closed = profile_of(plan, worker.ask(plan.job, 600.0)), predict(facts)
            for phase in ("forward", "backward", "step"):
                ours, theirs = parts(dry, phase), parts(closed, phase)
                one, other = sum(ours.values()), sum(theirs.values())
                if other:
                    print(f"{name:30} {phase:9} {one / GIB:8.2f} {other / GIB:8.2f} {100 * (one / other - 1):+6.1f}%  "
                          f"{differences(ours, theirs)}", flush=True)  # fmt: skip
    return 0


def parts(profile: MemoryProfile, phase: str) -> dict[str, int]:
    """Bytes by component at the worst moment of a phase."""
    out: dict[str, int] = {}
    for each in profile.phases:
        if each.phase == phase:
            for term in each.terms:
                out[term.component] = out.get(term.component, 0) + term.bytes
    return out


def differences(ours: dict[str, int], theirs: dict[str, int]) -> str:
    """Components that differ, the dry run's figure first."""
    names = sorted({*ours, *theirs}, key=lambda name: -abs(ours.get(name, 0) - theirs.get(name, 0)))
    return ", ".join(
        f"{name} {ours.get(name, 0) / GIB:.2f}/{theirs.get(name, 0) / GIB:.2f}"
        for name in names
        if abs(ours.get(name, 0) - theirs.get(name, 0)) > 0.2 * GIB
    )


if __name__ == "__main__":
    sys.exit(main())
