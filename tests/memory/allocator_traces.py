"""Traces for the allocator: made by a generator of our own, so that a seed and a few parameters are the whole trace.

An event is ("alloc", name, bytes, stream), ("free", name) or ("empty_cache",); names are numbered from 0.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from oomdoc.memory.allocator import SMALL_BUFFER, Allocator, OutOfMemory

Event: TypeAlias = tuple[Any, ...]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# (lowest, highest) bytes of the classes that a mix draws from
MIXES: dict[str, tuple[tuple[int, int], ...]] = {
    "small": ((1, 600), (512, 64 * KIB), (64 * KIB, MIB)),
    "around_1mib": ((MIB - 1024, MIB + 1024), (MIB, 2 * MIB), (1, 4 * KIB)),
    "around_10mib": ((10 * MIB - 2048, 10 * MIB + 2048), (MIB + 1, 12 * MIB)),
    "middle": ((MIB + 1, 20 * MIB), (2 * MIB, 64 * MIB)),
    "large": ((20 * MIB, 512 * MIB), (MIB, 20 * MIB)),
    "huge": ((256 * MIB, 4 * GIB), (20 * MIB, 256 * MIB)),
    "all": ((1, 4 * KIB), (4 * KIB, MIB), (MIB, 20 * MIB), (20 * MIB, 256 * MIB), (256 * MIB, 2 * GIB)),
    "on_the_limits": tuple((size * MIB, size * MIB) for size in (1, 10, 20, 44, 64, 70, 84, 100, 128, 256, 356, 512)),
}


class Numbers:
    """A 64-bit linear congruential generator (Knuth's MMIX constants): equal on every Python."""

    def __init__(self, seed: int) -> None:
        self.state = (seed * 2654435761 + 88172645463325252) % (1 << 64)

    def below(self, limit: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self.state >> 11) % limit

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)


def random_trace(
    seed: int, events: int, mix: str, *, live_bytes: int, streams: int = 1, flush: int = 0
) -> Iterator[Event]:
    """Allocate below `live_bytes` and free above it, at random; every `flush` events or so the cache is emptied."""
    numbers = Numbers(seed)
    classes = MIXES[mix]

    def drawn() -> int:
        low, high = classes[numbers.below(len(classes))]
        return numbers.between(low, high)

    repeated = [drawn() for _ in range(12)]
    live: list[tuple[int, int]] = []
    held = name = 0
    for _ in range(events):
        if flush and not numbers.below(flush):
            yield ("empty_cache",)
            continue
        grows = held < live_bytes and (not live or numbers.below(100) < 62)
        if grows:
            size = repeated[numbers.below(12)] if numbers.below(2) else drawn()
            yield ("alloc", name, size, numbers.below(streams))
            live.append((name, size))
            held += size
            name += 1
        else:
            index = len(live) - 1 - numbers.below(min(len(live), 8)) if numbers.below(3) else numbers.below(len(live))
            freed, size = live[index]
            live[index] = live[-1]
            live.pop()
            held -= size
            yield ("free", freed)


class Training:
    """One training run's events; labels name what is alive."""

    def __init__(self, layers: int, hidden: int) -> None:
        self.layers = layers
        self.hidden = hidden
        self.shapes = [hidden * hidden, hidden * hidden // 4, hidden * hidden * 3, hidden]
        self.count = 0
        self.names: dict[str, int] = {}

    def alloc(self, label: str, size: int) -> Event:
        self.names[label] = self.count
        self.count += 1
        return ("alloc", self.names[label], size, 0)

    def free(self, label: str) -> Event:
        return ("free", self.names.pop(label))

    def forward(self, length: int) -> Iterator[Event]:
        for layer in range(self.layers):
            for part in range(6):
                yield self.alloc(f"a{layer}.{part}", 2 * length * self.hidden * (1 + part % 3))
            yield self.alloc("t", 4 * length * self.hidden)
            yield self.free("t")
        yield self.alloc("logits", 4 * length * 32000)
        yield self.alloc("dlogits", 4 * length * 32000)
        yield self.free("logits")

    def backward(self, length: int) -> Iterator[Event]:
        for layer in reversed(range(self.layers)):
            yield self.alloc("da", 2 * length * self.hidden * 3)
            for part, size in enumerate(self.shapes):
                if f"g{layer}.{part}" not in self.names:
                    yield self.alloc(f"g{layer}.{part}", 2 * size)
                yield self.alloc("tmp", 2 * size)
                yield self.free("tmp")
            for part in reversed(range(6)):
                yield self.free(f"a{layer}.{part}")
            yield self.free("da")
        yield self.free("dlogits")

    def optimize(self) -> Iterator[Event]:
        for layer in range(self.layers):
            for part, size in enumerate(self.shapes):
                if f"m{layer}.{part}" not in self.names:
                    yield self.alloc(f"m{layer}.{part}", 4 * size)
                    yield self.alloc(f"v{layer}.{part}", 4 * size)
                yield self.alloc("update", 4 * size)
                yield self.free("update")


def training_trace(seed: int, *, layers: int, hidden: int, tokens: int, steps: int) -> Iterator[Event]:
    """Weights, then steps of activations up and down, gradients, optimizer state and its temporaries."""
    numbers = Numbers(seed)
    run = Training(layers, hidden)
    for layer in range(layers):
        for part, size in enumerate(run.shapes):
            yield run.alloc(f"w{layer}.{part}", 2 * size)
    for step in range(steps):
        length = tokens - numbers.below(1 + tokens // 8)
        yield from run.forward(length)
        yield from run.backward(length)
        yield from run.optimize()
        if step % 2:  # zero_grad(set_to_none=True), every other time
            for label in [label for label in run.names if label.startswith("g")]:
                yield run.free(label)


def dry_run_trace(recorded: Iterable[int]) -> Iterator[Event]:
    """Births as their bytes, deaths as minus the number of the birth, counted from 1."""
    count = 0
    for number in recorded:
        if number > 0:
            yield ("alloc", count, number, 0)
            count += 1
        else:
            yield ("free", -number - 1)


def make_trace(case: dict[str, Any]) -> Iterator[Event]:
    """The events of a recorded case."""
    if case["kind"] == "dry_run":
        return dry_run_trace(case["trace"])
    given = {key: value for key, value in case.items() if key not in ("kind", "settings", "answer")}
    return random_trace(**given) if case["kind"] == "random" else training_trace(**given)


def simulate(events: Iterable[Event], settings: dict[str, Any]) -> dict[str, Any]:
    """Our answer: a checksum of every allocation's offset (-1 for a failed one), the failures, the statistics."""
    allocator = Allocator(**settings)
    handles: list[int] = []
    failures: list[list[Any]] = []
    for event in events:
        if event[0] == "alloc":
            try:
                handles.append(allocator.malloc(event[2], event[3]))
            except OutOfMemory as error:
                failures.append([len(handles), str(error)])
                handles.append(0)
        elif event[0] == "free":
            allocator.free(handles[event[1]])
        else:
            allocator.empty_cache()
    offsets = [handle - SMALL_BUFFER if handle else -1 for handle in handles]
    checksum = zlib.crc32(json.dumps(offsets).encode())
    return {"offsets": checksum, "failures": failures, "stats": list(allocator.stats)}
