"""How long a dry run takes and what it needs: whole processes, imports included.

    python benchmarks/dryrun_speed.py --python .venv-torch [--repeat 3]

Targets on two CPU cores: 7B text step <= 6 s, Qwen2.5-VL-7B with one 1288x1288 image <= 15 s, 70B class <= 40 s, peak
resident memory <= 2.5 GiB each. Exit status 1 where a best time misses its target.
"""

import argparse
import sys
import time
from typing import Any

from oomdoc.memory.predict import architecture_of
from oomdoc.probe.dryrun import dry_run

GIB = 1 << 30
FULL = {
    "train.method": "full",
    "train.pure_precision": True,
    "train.precision": "bfloat16",
    "train.gradient_checkpointing": False,
    "train.per_device_batch_size": 1,
    "train.optimizer": "adamw_torch",
}
CASES: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("7B text, full step", {**FULL, "model.name": "Qwen2.5-7B", "train.sequence_tokens": 2048}, 6.0),
    (
        "7B text, checkpointing",
        {**FULL, "model.name": "Qwen2.5-7B", "train.sequence_tokens": 2048, "train.gradient_checkpointing": True},
        6.0,
    ),
    (
        "7B text, LoRA (peft)",
        {
            **FULL,
            "train.method": "lora",
            "lora.target_modules": ["all-linear"],
            "model.name": "Qwen2.5-7B",
            "train.sequence_tokens": 2048,
        },
        15.0,
    ),
    (
        "Qwen2.5-VL-7B, 1288x1288",
        {
            **FULL,
            "model.name": "Qwen2.5-VL-7B-Instruct",
            "train.sequence_tokens": 2637,
            "train.num_images": 1,
            "image.height": 1288,
            "image.width": 1288,
            "train.freeze_vision_tower": False,
        },
        15.0,
    ),
    ("70B text, full step", {**FULL, "model.name": "Llama-3.1-70B", "train.sequence_tokens": 4096}, 40.0),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    late = 0
    print(
        f"{'case':28} {'best s':>7} {'worst s':>8} {'target':>7} {'RSS GiB':>8} "
        f"{'peak GiB':>9} {'parameters':>16} {'catalog':>8} {'operators':>10}"
    )
    for name, facts, target in CASES:
        seconds = []
        for _ in range(arguments.repeat):
            started = time.perf_counter()
            found = dry_run(facts, python=arguments.python)
            seconds.append(time.perf_counter() - started)
        answer = found.answer
        exact = "exact" if answer["parameters"] == architecture_of(facts).counts.total else "differs"
        print(
            f"{name:28} {min(seconds):7.2f} {max(seconds):8.2f} {target:7.0f} {answer['rss_bytes'] / GIB:8.2f} "
            f"{answer['allocated_bytes'] / GIB:9.2f} {answer['parameters']:16,} {exact:>8} {answer['operators']:10,}",
            flush=True,
        )
        late += min(seconds) > target or answer["rss_bytes"] > 2.5 * GIB
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
