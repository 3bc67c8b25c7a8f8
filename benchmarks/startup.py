"""Whole-process time of `oomdoc diagnose` on a 200 kB log against `python -c "import click, pydantic, yaml"`.

Run by hand: `python benchmarks/startup.py [--runs 15] [--command path/to/oomdoc]`. The two are run alternately, so that
each ratio compares neighbours in time; the median of the ratios is what to quote (aim: 2.5 or less). Asserts nothing.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "ms-swift-ovis2"
STEP = (
    "{{'loss': {loss:.4f}, 'acc': 0.51, 'grad_norm': 1.{step:03d}, 'learning_rate': 1e-05, 'memory(GiB)': {memory:.2f},"
    " 'train_speed(iter/s)': 0.12, 'epoch': 0.{step}, 'global_step/max_steps': '{step}/3000', 'percentage': '1%'}}\n"
)


def log_of(size: int) -> str:
    """The shipped example with training steps in its middle, about `size` bytes."""
    lines = (EXAMPLE / "train.log").read_text(encoding="utf-8").splitlines(keepends=True)
    steps, length = [], sum(map(len, lines))
    while length < size:
        step = len(steps)
        steps.append(STEP.format(loss=2 - step / 2000, step=step, memory=23 + step % 3 / 10))
        length += len(steps[-1])
    return "".join([*lines[:20], *steps, *lines[20:]])


def timed(command: list[str], state: str) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one process, its output thrown away; its history lies in the folder `state`."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["XDG_STATE_HOME"] = state
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--size", type=int, default=200_000, help="bytes of the log")
    parser.add_argument("--command", default=str(Path(sys.executable).parent / "oomdoc"))
    options = parser.parse_args()
    python = str(Path(options.command).parent / "python")
    reference = [python if Path(python).exists() else sys.executable, "-c", "import click, pydantic, yaml"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "train.log")
        log.write_text(log_of(options.size), encoding="utf-8")
        diagnose = [options.command, "diagnose", str(log)]
        timed(diagnose, folder)  # byte code and the compiled base, as on any second run
        pairs = [(timed(diagnose, folder), timed(reference, folder)) for _ in range(options.runs)]
    for place, kind in enumerate(("wall", "CPU")):
        ratios = [ours[place] / theirs[place] for ours, theirs in pairs]
        ours, theirs = (statistics.median(pair[side][place] for pair in pairs) for side in (0, 1))
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"{kind}: oomdoc {1000 * ours:.0f} ms, imports {1000 * theirs:.0f} ms,"
            f" ratio {middle:.2f} (quartiles {low:.2f} to {high:.2f}, {len(ratios)} pairs)"
        )


if __name__ == "__main__":
    main()
