"""How much PyTorch's allocator keeps beside the tensors, by how the shapes of batches vary.

A training run is played as a trace of mallocs and frees (layers recomputed, logits and their float copies, gradients of
adapters, optimizer state created in the first step) through the allocator simulator, for several models, lengths and
distributions. Prints the slack as a share of the step's own tensors; the figures in knowledge/memory/constants.yaml
(`fragmentation`) are read off this table.

    python benchmarks/fragmentation.py [--steps 200]
"""

import argparse
import random
from collections.abc import Callable
from typing import NamedTuple

from oomdoc.memory.allocator import Allocator
from oomdoc.memory.architecture import Architecture
from oomdoc.memory.catalog import resolve

GIB = 1 << 30


class Outcome(NamedTuple):
    share: float
    allocated: float
    reserved: float


class Run:
    """One training run on a simulated card."""

    def __init__(self, model: Architecture, *, rank: int, checkpointing: bool, full: bool, capacity: int) -> None:
        self.card = Allocator(total_bytes=capacity)
        self.model, self.checkpointing, self.full = model, checkpointing, full
        h, i, q, kv = model.hidden, model.intermediate, model.query_width, model.kv_width
        matrices = [(h, q), (h, kv), (h, kv), (q, h), (h, i), (h, i), (i, h)]
        self.base = [self.card.malloc(2 * a * b) for _ in range(model.layers) for a, b in matrices]
        self.base += [self.card.malloc(2 * model.vocab * h) for _ in range(1 if model.tied else 2)]
        if full:
            self.trained = [2 * a * b for _ in range(model.layers) for a, b in matrices] + [2 * model.vocab * h]
        else:
            self.trained = [4 * rank * n for _ in range(model.layers) for a, b in matrices[:3] for n in (a, b)]
            self.base += [self.card.malloc(size) for size in self.trained]
        self.static = self.card.stats.allocated_bytes
        self.states: list[int] = []
        self.gradients: list[int] = []

    def step(self, tokens: int, *, update: bool) -> None:
        card, m = self.card, self.model
        h, i, kv, v = m.hidden, m.intermediate, m.kv_width, m.vocab
        stored: list[list[int]] = []
        for _ in range(m.layers):
            kept = self._layer(tokens, h, i, kv)
            entry = card.malloc(2 * tokens * h)
            if self.checkpointing:
                self._drop(kept)
                stored.append([entry])
            else:
                stored.append([*kept, entry])
        logits = card.malloc(2 * tokens * v)
        shifted = card.malloc(2 * tokens * v)
        upcast = card.malloc(4 * tokens * v)
        softmax = card.malloc(4 * tokens * v)
        self._drop([upcast, shifted])
        outer = card.malloc(4 * tokens * v)
        inner = card.malloc(4 * tokens * v)
        self._drop([outer, softmax])
        half = card.malloc(2 * tokens * v)
        self._drop([inner, logits])
        gradient = card.malloc(2 * tokens * h)
        self._drop([half])
        new = not self.gradients
        per_layer = len(self.trained) // m.layers
        for place in range(m.layers):
            entries = stored.pop()
            if self.checkpointing:
                entries += self._layer(tokens, h, i, kv)
            moving = [card.malloc(2 * tokens * n) for n in (i, i, i, h, h)]
            if new:
                self.gradients += [
                    card.malloc(size) for size in self.trained[place * per_layer : (place + 1) * per_layer]
                ]
            following = card.malloc(2 * tokens * h)
            self._drop([*entries, *moving, gradient])
            gradient = following
        self._drop([gradient])
        if update:
            if not self.states:
                self.states = [card.malloc(size) for size in (*self.trained, *self.trained)]
            self._drop([card.malloc(size) for size in self.trained])  # foreach: all roots at once, then freed
            self._drop(self.gradients)
            self.gradients = []

    def _layer(self, tokens: int, h: int, i: int, kv: int) -> list[int]:
        sizes = (4 * h, 2 * h, 2 * h, 2 * kv, 2 * kv, 2 * h, 4 * h, 2 * i, 2 * i, 2 * i)
        return [self.card.malloc(tokens * size) for size in sizes]

    def _drop(self, handles: list[int]) -> None:
        for handle in handles:
            self.card.free(handle)


def outcome(model: Architecture, lengths: Callable[[], int], steps: int, **options: bool | int) -> Outcome:
    run = Run(model, rank=64, capacity=400 * GIB, **options)  # type: ignore[arg-type]
    for place in range(steps):
        run.step(lengths(), update=place % 16 == 15 or place < 1)
    stats = run.card.stats
    moving = stats.peak_allocated_bytes - run.static
    return Outcome(
        (stats.peak_reserved_bytes - stats.peak_allocated_bytes) / moving,
        stats.peak_allocated_bytes / GIB,
        stats.peak_reserved_bytes / GIB,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    steps = parser.parse_args().steps
    shapes: dict[str, Callable[[int], Callable[[], int]]] = {
        "fixed": lambda limit: lambda: limit,
        "uniform up to the limit": lambda limit: lambda: random.randint(max(1, limit // 16), limit),
        "lognormal, cut": lambda limit: lambda: min(limit, int(random.lognormvariate(6.5, 0.8))),
        "lognormal, dropped": lambda limit: lambda: _drawn(limit),
    }
    for name in ("Qwen2.5-1.5B", "Qwen-7B", "Mistral-7B-v0.1"):
        model = resolve(name)
        assert model is not None
        for limit in (512, 2048, 8192):
            for label, make in shapes.items():
                random.seed(limit)
                shares = [outcome(model, make(limit), steps, checkpointing=ckpt, full=False) for ckpt in (True, False)]
                print(
                    f"{name:18} {limit:6} {label:26} checkpointed {shares[0].share:5.2f}  stored {shares[1].share:5.2f}"
                    f"   ({shares[0].allocated:.1f} -> {shares[0].reserved:.1f} GiB)",
                    flush=True,
                )


def _drawn(limit: int) -> int:
    while True:
        length = int(random.lognormvariate(7.8, 0.75))
        if 91 <= length <= limit:
            return length


if __name__ == "__main__":
    main()
