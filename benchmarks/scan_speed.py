"""A generated multi-rank log through the reader, against `grep -aE 'out of memory|OutOfMemory'` on the same file.

    python benchmarks/scan_speed.py [--mib 1024] [--rounds 5] [--file PATH]

Prints paired wall and processor times, their ratio and the reader's peak memory (its counting child included).
Needs that much disk space in the temporary folder.
"""

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

READER = """
import resource, sys
from oomdoc.ingest.read import read_inputs
case = read_inputs([sys.argv[1]])
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(peak // 1024, len([event for event in case.events if event.kind == "oom"]), case.value("oom.rank"))
"""
RANKS = 8


def generate(path: Path, mebibytes: int) -> None:
    """Steps of eight ranks; rank 3 fails first, shortly before the end."""
    random.seed(1)
    lines = [
        f"[rank{n % RANKS}]: 2025-11-12 11:25:13,{n % 1000:03d} - INFO - step {n} {{'loss': {random.random():.4f}, "
        f"'grad_norm': {random.random():.6f}, 'learning_rate': 1.2e-05, 'memory(GiB)': 63.{n % 100:02d}}}\n"
        for n in range(4000)
    ]
    block = "".join(lines).encode()
    size = mebibytes << 20
    with path.open("wb") as file:
        while file.tell() < size - (2 << 20):
            file.write(block)
        for rank in (3, *(rank for rank in range(RANKS) if rank != 3)):
            stack = ["Traceback (most recent call last):", '  File "/w/train.py", line 10, in <module>', "    main()"]
            stack.append(
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 674.00 MiB. GPU 0 has a total "
                "capacity of 79.14 GiB of which 100.75 MiB is free. Of the allocated memory 78.18 GiB is allocated by "
                "PyTorch, and 69.36 MiB is reserved by PyTorch but unallocated."
            )
            file.write("".join(f"[rank{rank}]: {line}\n" for line in stack).encode())
        while file.tell() < size:
            file.write(block)


def timed(command: list[str]) -> tuple[float, float, str]:
    """Wall seconds, processor seconds and standard output of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--file", type=Path, help="an existing log instead of a generated one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder, "big.log")
        if options.file is None:
            generate(path, options.mib)
        ratios, said = [], ""
        for _ in range(options.rounds):
            grep, grep_cpu, _ = timed(["grep", "-aE", "out of memory|OutOfMemory", os.fspath(path)])
            wall, cpu, said = timed([sys.executable, "-c", READER, os.fspath(path)])
            ratios.append((wall / grep, cpu / grep_cpu))
            print(f"grep {grep:.2f} s ({grep_cpu:.2f} cpu), reader {wall:.2f} s ({cpu:.2f} cpu): x{wall / grep:.2f}")
        peak, failures, rank = said.split()
        wall_ratio, cpu_ratio = (statistics.median(pair) for pair in zip(*ratios, strict=True))
        print(f"median x{wall_ratio:.2f} wall, x{cpu_ratio:.2f} cpu; peak {peak} MiB")
        print(f"{failures} events, rank {rank} first")


if __name__ == "__main__":
    main()
