"""Record the errors that PyTorch's own allocator prints, with the true bytes behind them, for the reader's tests.

Needs ../shared/allocator-oracle (the allocator of a torch wheel over a stub CUDA runtime and a stub NVML).
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ORACLE = ROOT.parent / "shared" / "allocator-oracle"
FIXTURE = ROOT / "tests" / "fixtures" / "messages" / "pytorch_allocator.json"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CONTEXT = 430 * MIB  # what the stub NVML adds to the pool for this process
STRANGER = 523 * MIB  # the other process of the stub NVML


@dataclass(frozen=True)
class Run:
    """One run that fails: allocations freed again, live ones after them, and the request that does not fit."""

    name: str
    live: tuple[int, ...]
    request: int
    total: int = 25757220864
    other: int = STRANGER
    freed: tuple[int, ...] = ()
    fraction: float | None = None
    conf: str = ""
    container: bool = False
    asked: int | None = None  # what the driver is asked for, where it is not the segment of the request


RUNS = (
    Run("small request on a full card", (24040 * MIB,), 300 * KIB),
    Run("medium request on a full card", (23650 * MIB,), 5 * MIB + 1, other=900 * MIB),
    Run("24 GiB card", (20 * GIB, 2 * GIB), 3 * GIB + 12345),
    Run("8 GiB card", (6 * GIB, 700 * MIB), 1234567890, total=8361213952),
    Run("80 GiB card", (60 * GIB, 12 * GIB, 3333333333), 8 * GIB + 77, total=85095874560, other=1 * GIB),
    Run("tiny card, figures below one MiB", (300 * KIB,), 40 * MIB, total=36 * MIB, other=2 * MIB),
    Run("others hold most of the card", (2 * GIB,), 3 * GIB, other=20 * GIB),
    Run("nothing left at all", (2 * GIB,), 40 * MIB, total=6 * GIB, other=4 * GIB),
    Run("in a container", (18 * GIB,), 6 * GIB, container=True),
    Run("in a container, 48 GiB", (40 * GIB, 999 * MIB), 7 * GIB, total=51041271808, container=True),
    Run("memory fraction", (10 * GIB,), 4 * GIB, fraction=0.5),
    Run("memory fraction in a container", (7 * GIB,), 2 * GIB, fraction=0.33, container=True),
    Run("fragmented", (4 * GIB, 100 * KIB), 16 * GIB, freed=(9 * GIB,)),
    Run("fragmented, small leftovers", (700 * MIB,) * 12, 16 * GIB, freed=(2 * GIB, 17 * MIB)),
    Run("expandable segments", (12 * GIB, 3 * MIB), 13 * GIB, conf="expandable_segments:True"),
    Run("expandable segments in a container", (22 * GIB,), 2 * GIB, conf="expandable_segments:True", container=True),
    Run(
        "reserve of expandable segments too small",
        (2 * GIB,),
        9 * GIB,
        conf="expandable_segments:True,expandable_segments_reserve:0.3",
    ),
    Run(
        "rounded up to a power of two", (11 * GIB + 1,), 11 * GIB + 1, conf="roundup_power2_divisions:4", asked=12 * GIB
    ),
    Run("split limit", (1 * GIB, 2 * GIB), 21 * GIB, conf="max_split_size_mb:128"),
    Run("rejected before the attempt", (3 * GIB,), 24 * GIB, conf="throw_on_cudamalloc_oom:True", asked=24 * GIB),
)


def replay(program: str, run: Run, own: int) -> list[dict[str, Any]]:
    """The JSON lines of one run with a given NVML figure for this process."""
    trace = [f"a f{place} {size}" for place, size in enumerate(run.freed)]
    trace += [f"f f{place}" for place in range(len(run.freed))]
    trace += [f"a l{place} {size}" for place, size in enumerate(run.live)]
    if run.fraction is not None:
        trace.insert(0, f"frac {run.fraction}")
    trace += [f"a request {run.request}", "p"]
    environment = {
        **os.environ,
        "FAKE_TOTAL": str(run.total),
        "FAKE_OTHER": str(run.other),
        "NVML_SELF": str(own),
        "PYTORCH_ALLOC_CONF": run.conf,
    }
    if run.container:
        environment["NVML_CONTAINER"] = "1"
    done = subprocess.run(
        [program], input="\n".join(trace) + "\n", capture_output=True, text=True, check=True, env=environment
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def segment(request: int) -> int:
    """What the allocator asks the driver for: 2 MiB, 20 MiB, or a multiple of 2 MiB (kSmallBuffer, kLargeBuffer)."""
    if request <= MIB:
        return 2 * MIB
    return 20 * MIB if request < 10 * MIB else -(-request // (2 * MIB)) * 2 * MIB


def record(program: str, run: Run) -> dict[str, Any]:
    """The message and the bytes it stands for, taken from the allocator's statistics and the stub's settings."""
    first = replay(program, run, 0)
    pool = next(line["reserved"] for line in first if line.get("at") == "p")
    own = pool + CONTEXT
    lines = replay(program, run, own)
    failed = [line for line in lines if "oom" in line]
    assert [line["oom"] for line in failed] == ["request"], (run.name, failed)
    state = next(line for line in lines if line.get("at") == "p")
    message = failed[0]["message"].partition("\nException raised from ")[0]  # below are paths of this machine
    true = {
        "tried_to_allocate_bytes": segment(run.request) if run.asked is None else run.asked,
        "gpu_total_bytes": run.total,
        "free_bytes": run.total - run.other - state["reserved"],
        "allocated_bytes": state["allocated"],
        "reserved_bytes": state["reserved"],
        "reserved_unallocated_bytes": state["reserved"] - state["allocated"],
        "process_in_use_bytes": own,
        "other_processes_bytes": STRANGER,
    }
    if run.fraction is not None:
        true["limit_bytes"] = int(run.fraction * run.total)
    if "preemptively rejected" in message:  # this text has one figure
        true = {"tried_to_allocate_bytes": true["tried_to_allocate_bytes"]}
    return {"name": run.name, "request_bytes": run.request, "conf": run.conf, "message": message, "true": true}


def main() -> int:
    if not ORACLE.is_dir():
        print("skipped: ../shared/allocator-oracle is not here", file=sys.stderr)
        return 0
    built = subprocess.run([ORACLE / "build.sh"], capture_output=True, text=True, check=True)
    program = built.stdout.strip().splitlines()[-1]
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    recorded = [record(program, run) for run in RUNS]
    FIXTURE.write_text(json.dumps({"torch": "2.15.0", "runs": recorded}, indent=1) + "\n", encoding="utf-8")
    print(f"{len(recorded)} messages in {FIXTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
