"""Who holds which bytes, and since when: the births and deaths of a dry run, and their replay through the allocator.

Knows nothing of torch; Python 3.9+, the standard library and the allocator only.
"""

# ruff: noqa: B905, RUF007
# Python 3.9 has neither strict= nor pairwise

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from oomdoc.memory.allocator import Allocator, OutOfMemory


class Allocation:
    """One storage: its bytes, what it is for, and where it was made. `module` and `frame` are "" where unknown."""

    __slots__ = ("component", "dtype", "frame", "module", "name", "nbytes", "op", "phase", "shape")

    def __init__(self, nbytes: int, component: str, phase: str, op: str) -> None:
        self.nbytes = nbytes
        self.component = component
        self.phase = phase
        self.op = op
        self.module = ""
        self.name = ""
        self.dtype = ""
        self.shape: tuple[int, ...] = ()
        self.frame: Any = None  # (code, line) until it is printed


class Mark(NamedTuple):
    """From event `at` on, the run is in `phase`; `label` is the step in words."""

    at: int
    phase: str
    label: str


class Peak(NamedTuple):
    """The worst moment of one phase: the event after which most bytes were allocated."""

    phase: str
    label: str
    at: int
    allocated_bytes: int


class Replayed(NamedTuple):
    """What the allocator made of the events. `failure` is the first request that a card of that size refuses."""

    peaks: list[Peak]
    peak_allocated_bytes: int
    peak_reserved_bytes: int
    allocated: list[int]
    reserved: list[int]
    retries: int
    failure: dict[str, Any] | None


class Ledger:
    """Events are ids: positive for a birth, negative for the death of that id. Ids count from 1."""

    def __init__(self) -> None:
        self.allocations: list[Allocation] = [Allocation(0, "workspace", "load", "")]
        self.events: list[int] = []
        self.marks: list[Mark] = [Mark(0, "load", "load")]
        self.phase = "load"
        self.component = "weights"

    def enter(self, phase: str, label: str, component: str) -> None:
        """Begin a phase; what is born in it belongs to `component` until somebody knows better."""
        self.phase = phase
        self.component = component
        self.marks.append(Mark(len(self.events), phase, label))

    def born(self, nbytes: int, op: str, component: str | None = None) -> int:
        """Record a birth and return its id."""
        self.allocations.append(Allocation(nbytes, component or self.component, self.phase, op))
        number = len(self.allocations) - 1
        self.events.append(number)
        return number

    def died(self, number: int) -> None:
        """Record the death of an id."""
        self.events.append(-number)

    def temporary(self, nbytes: int, op: str, component: str = "workspace") -> None:
        """Bytes that a kernel takes and gives back before it returns."""
        if nbytes > 0:
            self.died(self.born(nbytes, op, component))

    def live_at(self, index: int) -> list[Allocation]:
        """The allocations alive after event `index`, the largest first."""
        alive = set()
        for event in self.events[: index + 1]:
            if event > 0:
                alive.add(event)
            else:
                alive.discard(-event)
        return sorted((self.allocations[number] for number in alive), key=lambda a: -a.nbytes)

    def replay(self, allocator: Allocator | None = None, factor: Shares | None = None) -> Replayed:
        """Feed the events to the allocator; `factor` scales what is partitioned over ranks.

        A request that the card refuses is recorded once and the replay goes on with an endless card, so that the full
        need is known as well.
        """
        allocator = allocator or Allocator()
        failure: dict[str, Any] | None = None
        handles: dict[int, int] = {}
        allocated: list[int] = []
        reserved: list[int] = []
        allocations = self.allocations
        for index, event in enumerate(self.events):
            if event > 0:
                nbytes = allocations[event].nbytes if factor is None else factor.of(allocations[event])
                try:
                    handles[event] = allocator.malloc(nbytes)
                except OutOfMemory as error:
                    failure = failure or _failed(index, allocations[event], error)
                    allocator.total_bytes = allocator.allowed_bytes = None
                    handles[event] = allocator.malloc(nbytes)
            else:
                allocator.free(handles.pop(-event, 0))
            allocated.append(allocator.allocated_bytes)
            reserved.append(allocator.reserved_bytes)
        return Replayed(
            self._peaks(allocated), allocator.peak_allocated_bytes, allocator.peak_reserved_bytes, allocated, reserved,
            allocator.retries, failure,
        )  # fmt: skip

    def _peaks(self, allocated: list[int]) -> list[Peak]:
        best: dict[str, Peak] = {}
        bounds = [*self.marks, Mark(len(allocated), "", "")]
        for mark, after in zip(bounds, bounds[1:]):
            if after.at <= mark.at:
                continue
            part = allocated[mark.at : after.at]
            most = max(part)
            if mark.phase not in best or most > best[mark.phase].allocated_bytes:
                best[mark.phase] = Peak(mark.phase, mark.label, mark.at + part.index(most), most)
        return list(best.values())


class Shares:
    """How many bytes of an allocation one rank holds: 1/n of the components that the ranks share out.

    `widened` times where shards are kept in a wider type than the step computes in (FSDP under mixed precision).
    """

    def __init__(self, ranks: int, components: Iterable[str], offloaded: Iterable[str] = (), widened: int = 1) -> None:
        self.widened = widened
        self.ranks = ranks
        self.components = frozenset(components)
        self.offloaded = frozenset(offloaded)

    def of(self, allocation: Allocation) -> int:
        """Bytes on this rank; shards are padded to a whole number of ranks.

        What an optimizer takes for a moment is as large as the share of the state that it updates.
        """
        if allocation.component == "workspace" and allocation.phase == "step":
            if "optimizer" in self.offloaded:
                return 0
            return self._shared(allocation.nbytes) if "optimizer" in self.components else allocation.nbytes
        if allocation.component in self.offloaded:
            return 0
        if allocation.component in self.components:
            return self._shared(allocation.nbytes)
        return allocation.nbytes

    def _shared(self, nbytes: int) -> int:
        return -(-nbytes * self.widened // self.ranks)


def _failed(index: int, allocation: Allocation, error: OutOfMemory) -> dict[str, Any]:
    return {
        "event": index,
        "phase": allocation.phase,
        "op": str(allocation.op),
        "module": allocation.module,
        "shape": list(allocation.shape),
        "dtype": allocation.dtype,
        "tried_to_allocate_bytes": error.tried_to_allocate_bytes,
        "allocated_bytes": error.allocated_bytes,
        "reserved_bytes": error.reserved_bytes,
        "message": str(error),
    }
