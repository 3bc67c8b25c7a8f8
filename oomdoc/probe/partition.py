"""ZeRO, FSDP and DDP by arithmetic: what one rank holds of each component, and the buffers that ranks exchange through.

The buffers enter the ledger when the libraries make them and leave it when they let go of them. Python 3.9+.

DeepSpeed (runtime/zero/stage_1_and_2.py, stage3.py, partitioned_param_coordinator.py; measured with 0.19.8): a reduce
bucket of `reduce_bucket_size` elements whatever the model's size, while gradients are made at stages 1 and 2, all the
time at stage 3, where the partition of the gradients stays too; gathered weights are kept where they are used again
within `stage3_max_reuse_distance`, forwards and backwards, beside the layer at work and what is fetched ahead, which is
there twice while it is put together. FSDP (torch/distributed/fsdp): the root unit and two
layers gathered, one layer's whole gradient; SHARD_GRAD_OP keeps all weights gathered from forward to the end of
backward; under mixed precision shards are float32 and what is gathered is not. DDP (torch/csrc/distributed/c10d/
reducer.cpp): buckets as large as the gradients, from its construction on.
"""

from __future__ import annotations

import re
from typing import Any

from oomdoc.probe.ledger import Ledger, Shares

BUCKET_ELEMENTS = 500_000_000  # reduce_bucket_size
REUSE_ELEMENTS = 1_000_000_000  # stage3_max_reuse_distance: both ways, so half of it to the turn
PREFETCH_ELEMENTS = 50_000_000  # stage3_prefetch_bucket_size
IN_PARTITION = "in the partition"  # gradients that go into a buffer which is counted for itself
_LAYER = re.compile(r"(.*?\.\d+)\.")


def shares_of(parallel: dict[str, Any]) -> Shares | None:
    """Stage 1 shares optimizer state, 2 gradients too, 3 weights too; what is offloaded is not on the card.

    FSDP counts as stage 3; SHARD_GRAD_OP too, since its gathered weights lie beside the shards; NO_SHARD as none.
    """
    ranks, stage = int(parallel.get("ranks") or 1), _stage(parallel)
    offload = parallel.get("offload") or "none"
    components: tuple[str, ...] = ("optimizer", "gradients", "weights")[:stage] if ranks > 1 else ()
    if components:
        components = (*components, "master_weights")
    offloaded: tuple[str, ...] = ()
    if offload in ("optimizer", "all"):
        offloaded = ("optimizer", "master_weights", *(("gradients",) if stage >= 2 else ()))
    if offload == "all" and stage >= 3:
        offloaded = (*offloaded, "weights")
    if parallel.get("kind") == "zero" and stage >= 3:
        offloaded = (*offloaded, IN_PARTITION)
    if not components and not offloaded:
        return None
    return Shares(ranks, components, offloaded, int(parallel.get("widened") or 1))


def _stage(parallel: dict[str, Any]) -> int:
    if parallel.get("sharding") == "no_shard":
        return 0
    return int(parallel.get("stage") or 0)


class Exchange:
    """The buffers of one rank over a training step; each method says that a part of the step begins or ends."""

    def __init__(self, model: Any, trainable: list[Any], parallel: dict[str, Any], ledger: Ledger) -> None:
        self.ledger = ledger
        self.kind = str(parallel.get("kind") or "none")
        self.stage = _stage(parallel)
        self.sharding = str(parallel.get("sharding") or "")
        self.ranks = int(parallel.get("ranks") or 1)
        self._held: list[int] = []
        self._fetched: list[int] = []
        layers: dict[str, int] = {}
        self.whole = self.root = elements = 0
        for name, parameter in model.named_parameters():
            nbytes = parameter.numel() * parameter.element_size()
            self.whole += nbytes
            elements += parameter.numel()
            layer = _LAYER.match(name)
            if layer:
                layers[layer.group(1)] = layers.get(layer.group(1), 0) + nbytes
            else:
                self.root += nbytes
        self.layer = max(layers.values(), default=0)
        self.trained = sum(each.numel() * each.element_size() for each in trainable)
        width = round(self.whole / max(1, elements))  # DeepSpeed casts adapters as well, which are few
        self.width = max(1, width)
        self.bucket = int(parallel.get("bucket_elements") or BUCKET_ELEMENTS) * self.width

    def start(self) -> None:
        """Before the first step: what lives as long as the run."""
        if self.kind == "ddp" and self.ranks > 1:
            self.ledger.born(self.trained, "DDP's gradient buckets", "buckets")
        elif self.kind == "zero" and self.stage >= 3:
            self.ledger.born(self.bucket, "reduce bucket", "buckets")
            self.ledger.born(self.trained, "partition of the gradients", "gradients")

    @property
    def gradients(self) -> str:
        """The component of a parameter's own gradient."""
        return IN_PARTITION if self.kind == "zero" and self.stage >= 3 else "gradients"

    def forward(self) -> None:
        """Weights are gathered; what is gathered at the turn to backward stays until backward ends."""
        for nbytes, held in ((self._gathered(), self._held), (self._ahead(), self._fetched)):
            if nbytes:
                held.append(self.ledger.born(nbytes, "gathered weights", "gathered"))

    def backward(self) -> None:
        """Buffers through which gradients go. What backward needs first is there already."""
        self._strike(self._fetched)
        if self.kind == "zero" and self.stage in (1, 2):
            self._held.append(self.ledger.born(self.bucket, "reduce bucket", "buckets"))
        elif self.kind == "fsdp" and self.stage and self.ranks > 1:
            self._held.append(self.ledger.born(min(self.layer, self.trained), "a layer's whole gradient", "buckets"))

    def done(self) -> None:
        """Backward has ended."""
        self._strike(self._fetched)
        self._strike(self._held)

    def _strike(self, held: list[int]) -> None:
        for number in held:
            self.ledger.died(number)
        held.clear()

    def _gathered(self) -> int:
        if self.stage < 3 or (self.ranks <= 1 and self.kind == "fsdp"):
            return 0
        if self.kind == "fsdp":
            everything = "shard_grad_op" in self.sharding or "zero2" in self.sharding
            return self.whole if everything else min(self.whole, self.root + 2 * self.layer)
        return min(self.whole, (REUSE_ELEMENTS // 2 + PREFETCH_ELEMENTS) * self.width + self.layer)

    def _ahead(self) -> int:
        """What is fetched ahead, as it came, while the weights are made of it."""
        if self.stage < 3 or self.kind == "fsdp":
            return 0
        return min(self.whole, PREFETCH_ELEMENTS * self.width)
