"""The dry run beside torch.distributed._tools.MemTracker on the same model and step: peaks and seconds.

    python benchmarks/dryrun_memtracker.py --python .venv-torch [--layers 32]

Both count bytes of storages without rounding, with eager attention (MemTracker sees the CPU's fused attention, the dry
run the card's) and AdamW's foreach path. cuBLAS workspaces, which only the dry run knows, are taken out.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from oomdoc.probe.dryrun import dry_run
from oomdoc.probe.host import interpreter

GIB = 1 << 30
CHILD = """
import sys, json, time, warnings, resource
warnings.filterwarnings("ignore")
started = time.perf_counter()
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
import transformers
from transformers import AutoConfig, AutoModelForCausalLM
transformers.logging.set_verbosity_error()
job = json.loads(sys.argv[1])
config = AutoConfig.for_model(job["config"].pop("model_type"), **job["config"])
with FakeTensorMode(allow_non_fake_inputs=True):
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="eager")
    model.config.use_cache = False
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, foreach=True)
    ids = torch.full((1, job["tokens"]), 7)
    tracker = MemTracker()
    tracker.track_external(model, optimizer, ids)
    with tracker:
        for step in range(2):
            model(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if step == 0:
                tracker.reset_mod_stats()
    peak = tracker.get_tracker_snapshot("peak")
total = max(sum(v for k, v in part.items() if "otal" in str(k)) for part in peak.values())
print(json.dumps({"peak": total, "seconds": time.perf_counter() - started,
                  "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


def config(layers: int) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": layers,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "vocab_size": 32000,
        "tie_word_embeddings": False,
        "max_position_embeddings": 4096,
    }


def memtracker(python: str, job: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-c", CHILD, json.dumps(job)], capture_output=True, text=True, check=False, timeout=900
    )
    if done.returncode:
        raise SystemExit(f"MemTracker failed: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def unrounded_peak(trace: list[Any]) -> int:
    """The highest sum of live bytes over the trace, without cuBLAS workspaces."""
    live: dict[int, int] = {}
    total = most = 0
    for event in trace:
        if isinstance(event, int):
            total -= live.pop(-event)
        else:
            live[event[0]] = 0 if event[5] == "cublas_workspace" else event[1]
            total += live[event[0]]
            most = max(most, total)
    return most


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=1024)
    arguments = parser.parse_args()
    facts = {
        "train.method": "full",
        "train.pure_precision": True,
        "train.precision": "bfloat16",
        "train.gradient_checkpointing": False,
        "train.sequence_tokens": arguments.tokens,
        "train.per_device_batch_size": 1,
        "train.optimizer": "adamw_torch",
        "model.attention": "eager",
    }
    started = time.perf_counter()
    found = dry_run(facts, config(arguments.layers), python=arguments.python)
    ours = time.perf_counter() - started
    traced = dry_run(facts, config(arguments.layers), python=arguments.python, trace=True)
    peak = unrounded_peak(traced.answer["trace"])
    started = time.perf_counter()
    theirs = memtracker(interpreter(arguments.python), {"config": config(arguments.layers), "tokens": arguments.tokens})
    took = time.perf_counter() - started
    print(f"{'':12} {'peak bytes':>18} {'GiB':>8} {'seconds':>8} {'RSS GiB':>8}")
    print(f"{'dry run':12} {peak:18,} {peak / GIB:8.3f} {ours:8.2f} {found.answer['rss_bytes'] / GIB:8.2f}")
    print(f"{'MemTracker':12} {theirs['peak']:18,} {theirs['peak'] / GIB:8.3f} {took:8.2f} {theirs['rss'] / GIB:8.2f}")
    print(
        f"difference {100 * (peak / theirs['peak'] - 1):+.3f} %, {took / ours:.1f} times faster "
        "(whole processes, imports included)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
