"""The same published rows asked of other estimators: accelerate's, DeepSpeed's two ZeRO formulas, and oomdoc.

    python benchmarks/memory_peers.py [ROWS.csv]

Run where torch, transformers and accelerate are installed (deepspeed where it can be); a peer that is missing is left
out and said so. Peers get the same model, built on the meta device from the catalog's dimensions (remote code:
its count), so that all columns see the same rows. What each peer leaves out is part of the result:
none of them knows batch, length, checkpointing or vocabulary.
"""

import collections
import csv
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from memory_accuracy import SHARED, load

from oomdoc.memory.architecture import Architecture
from oomdoc.memory.catalog import resolve
from oomdoc.memory.predict import answer
from oomdoc.memory.weights import layer_parameters

GIB = 1 << 30


def main(rows: Path) -> None:
    if not rows.is_file():
        print(f"no rows at {rows}: skipped", file=sys.stderr)
        return
    ask = load(SHARED / "score_memory.py")
    errors: dict[str, dict[str, list[float]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    peers = available()
    for row in csv.DictReader(rows.open(encoding="utf-8")):
        facts = ask.facts(row) if row["split"] in ("core", "extra") else None
        model = resolve(facts["model.name"]) if facts else None
        if facts is None or model is None:
            continue
        measured = float(row["measured_gib"])
        memory = answer(facts)["memory"]
        figures = {name: peer(model, facts) for name, peer in peers.items()}
        if memory is None or None in figures.values():
            continue
        figures["oomdoc"] = ask.told(row, memory)
        for name, figure in figures.items():
            if figure is not None:
                errors[name][row["split"]].append(figure / measured - 1)
    for name, splits in errors.items():
        for split, found in splits.items():
            sizes = sorted(abs(error) for error in found)
            print(f"{name:34} {split:6} n {len(found):4d}  median {100 * statistics.median(sizes):6.1f} %  MAPE "
                  f"{100 * statistics.mean(sizes):6.1f} %  p95 {100 * sizes[int(0.95 * len(sizes))]:6.1f} %  too low "
                  f"{100 * sum(error < -0.05 for error in found) / len(found):4.0f} %")  # fmt: skip


Peer = Callable[[Architecture, dict[str, Any]], float | None]


def available() -> dict[str, Peer]:
    """The peers that are installed here; GiB of one card for each."""
    found: dict[str, Peer] = {}
    try:
        from accelerate.utils import calculate_maximum_sizes
        from record_parameters import built
    except ImportError as error:
        print(f"accelerate: {error}: left out", file=sys.stderr)
        return found
    sizes: dict[str, tuple[int, int]] = {}

    def size(model: Architecture) -> tuple[int, int]:
        if model.name not in sizes:
            try:
                total, (largest, _) = calculate_maximum_sizes(built(model))
                sizes[model.name] = (int(total), int(largest))
            except Exception:  # remote code: the catalog's count, which is what the peers would have counted
                largest = max(model.vocab * model.hidden, layer_parameters(model))
                sizes[model.name] = (4 * model.counts.total, 4 * largest)
        return sizes[model.name]

    def accelerate_training(model: Architecture, facts: dict[str, Any]) -> float | None:
        known = size(model)  # bytes in float32; `accelerate estimate-memory` prints 4x of the dtype's size for Adam
        share = {8: 0.25, 4: 0.125}.get(facts.get("quant.bits") or 16, 0.5)
        return known[0] * share * (1 if facts.get("train.method") in ("inference", "load") else 4) / GIB

    found["accelerate estimate-memory"] = accelerate_training
    try:
        from deepspeed.runtime.zero.stage3 import estimate_zero3_model_states_mem_needs as zero3
        from deepspeed.runtime.zero.stage_1_and_2 import estimate_zero2_model_states_mem_needs as zero2
    except Exception as error:  # it fails in many ways where there is no GPU
        print(f"deepspeed: {type(error).__name__}: {error}: left out", file=sys.stderr)
        return found

    def deepspeed2(model: Architecture, facts: dict[str, Any]) -> float | None:
        known = size(model)
        gpus = int(facts.get("parallel.world_size") or 1)
        return float(zero2(known[0] // 4, num_gpus_per_node=gpus, cpu_offload=False)[1]) / GIB

    def deepspeed3(model: Architecture, facts: dict[str, Any]) -> float | None:
        known = size(model)
        gpus = int(facts.get("parallel.world_size") or 1)
        needs = zero3(known[0] // 4, known[1] // 4, num_gpus_per_node=gpus, cpu_offload=False, cpu_offload_params=False)
        return float(needs[1]) / GIB

    found["DeepSpeed ZeRO-2 estimator"], found["DeepSpeed ZeRO-3 estimator"] = deepspeed2, deepspeed3
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "published_memory_dev.csv")
