"""How long the allocator simulator takes for a million events: training-shaped and random traces, several settings."""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "memory")]

from allocator_traces import GIB, Event, random_trace, training_trace  # noqa: E402

from oomdoc.memory.allocator import replay  # noqa: E402

EVENTS = 1_000_000


def traces() -> dict[str, list[Event]]:
    """Two shapes of traces with EVENTS events each, or the next few below."""
    step = list(training_trace(1, layers=32, hidden=4096, tokens=2048, steps=1))
    steps = EVENTS // len(step)
    return {
        "training": list(training_trace(1, layers=32, hidden=4096, tokens=2048, steps=steps + steps // 4))[:EVENTS],
        "random, 600 live": list(random_trace(1, EVENTS, "all", live_bytes=64 * GIB)),
        "random, 20000 live": list(random_trace(2, EVENTS, "small", live_bytes=5 * GIB)),
        "random, full card": list(random_trace(3, EVENTS, "large", live_bytes=22 * GIB)),
    }


def main() -> None:
    print(f"{'trace':20} {'settings':34} {'events':>9} {'seconds':>8} {'failures':>9} {'retries':>8}")
    for name, events in traces().items():
        for conf in ("", "expandable_segments:True", "max_split_size_mb:128"):
            total = 24 * GIB if "full" in name else None
            start = time.perf_counter()
            result = replay(events, total_bytes=total, conf=conf)
            took = time.perf_counter() - start
            counts = f"{len(result.failures):9} {result.stats.retries:8}"
            print(f"{name:20} {conf or '(none)':34} {len(events):9} {took:8.2f} {counts}")


if __name__ == "__main__":
    main()
