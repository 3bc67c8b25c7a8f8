"""Record PyTorch's own allocator on the events of real dry runs, for the tests of the simulator.

    python benchmarks/record_dry_run_traces.py --python .venv-torch

Each run is taken on a card that it nearly fills, so that cached segments are given back and asked for again, and on one
that is too small. Needs what `record_allocator_traces.py` needs, and an environment with torch and transformers.
"""

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any

from record_allocator_traces import ORACLE, OTHER, ROOT, ask, build

from oomdoc.probe.host import Worker
from oomdoc.probe.plan import plan_of

sys.path.insert(0, str(ROOT / "tests" / "memory"))
from allocator_traces import make_trace, simulate

FIXTURE = ROOT / "tests" / "fixtures" / "allocator" / "dry_runs.json.gz"
MIB = 1 << 20
_FULL = {"train.method": "full", "train.precision": "bfloat16"}
_LORA = {"train.method": "lora", "train.precision": "bfloat16"}
RUNS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Qwen2.5-0.5B", {**_FULL, "train.per_device_batch_size": 4, "train.max_length": 2048}),
    ("Llama-3.2-1B", {**_LORA, "lora.dropout": 0.1, "train.per_device_batch_size": 2, "train.max_length": 1024}),
    ("Qwen2.5-7B", {"train.method": "qlora", "quant.bits": 4, "train.per_device_batch_size": 1,
                    "train.max_length": 2000, "train.gradient_checkpointing": True, "framework.name": "litgpt"}),
    ("Qwen2.5-VL-3B-Instruct", {**_LORA, "train.per_device_batch_size": 1, "train.sequence_tokens": 1500,
                                "train.num_images": 1, "image.height": 1008, "image.width": 756}),
    ("gpt2", {**_FULL, "train.precision": "float32", "train.per_device_batch_size": 8, "train.max_length": 777,
              "model.attention": "eager"}),
    ("google/flan-t5-base", {**_FULL, "train.per_device_batch_size": 3, "train.max_length": 384}),
    ("openai/whisper-small", {**_FULL, "train.per_device_batch_size": 2, "train.max_length": 200}),
    ("Llama-3.2-3B", {"train.method": "inference", "inference.batch_size": 4, "inference.prompt_tokens": 2048,
                      "inference.max_new_tokens": 128}),
)  # fmt: skip
CONFS = (
    "", "max_split_size_mb:64", "expandable_segments:True", "garbage_collection_threshold:0.6",
    "roundup_power2_divisions:4",
)  # fmt: skip


def compact(trace: list[Any]) -> list[int]:
    """Births as their bytes, deaths as minus the number of the birth; storages of no bytes are left out."""
    numbers: dict[int, int] = {}
    out: list[int] = []
    for event in trace:
        if isinstance(event, list):
            if event[1] > 0:
                numbers[event[0]] = len(numbers) + 1
                out.append(event[1])
        elif -event in numbers:
            out.append(-numbers[-event])
    return out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--python", help="the environment with torch and transformers")
    options.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "allocator-oracle")
    given = options.parse_args()
    if not ORACLE.is_dir():
        print(f"skipped: no {ORACLE}")
        return
    program = given.folder / "trace"
    if not program.exists():
        program = build(given.folder)
    recorded = []
    with Worker(given.python) as worker:
        for number, (model, facts) in enumerate(RUNS):
            job = {**plan_of({"model.name": model, **facts}).job, "trace": True, "capacity_bytes": None}
            found = worker.ask(job, timeout=300)
            case: dict[str, Any] = {"kind": "dry_run", "name": model, "trace": compact(found["trace"])}
            case["runs"] = []
            events = list(make_trace(case))
            for share, conf in (
                (103, CONFS[number % 5]),
                (101, CONFS[(number + 2) % 5]),
                (85, CONFS[(number + 1) % 5]),
            ):
                total = found["allocated_bytes"] * share // 100 + OTHER + 600 * MIB
                settings = {"conf": conf, "total_bytes": total // (2 * MIB) * 2 * MIB, "other_bytes": OTHER}
                answer = ask(program, events, settings)
                agrees = "agrees" if simulate(events, settings) == answer else "DIFFERS"
                print(
                    f"{model:24} {len(events):6} events  {conf or '-':36} {answer['stats'][9:11]} {agrees}", flush=True
                )
                case["runs"].append({"settings": settings, "answer": answer})
            recorded.append(case)
    FIXTURE.write_bytes(gzip.compress(json.dumps(recorded, separators=(",", ":")).encode(), mtime=0))
    print(f"{len(recorded)} dry runs, {FIXTURE.stat().st_size:,} bytes -> {FIXTURE}")


if __name__ == "__main__":
    main()
