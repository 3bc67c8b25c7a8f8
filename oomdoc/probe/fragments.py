"""What batches of varying length do to the cache of the allocator: many steps made out of two, and replayed.

Two steps of one model at two lengths make the same requests, each linear in the length (fused attention keeps nothing
quadratic). So a step of any length in between is known without running it. Standard library only, Python 3.9+.
"""

# ruff: noqa: B905
# Python 3.9 has no strict=

from __future__ import annotations

from oomdoc.memory.allocator import Allocator
from oomdoc.probe.ledger import Ledger, Shares

# shares of the longest sample, one a step: spread evenly, the longest now and then (golden-ratio sequence, rounded)
LENGTHS = (0.62, 0.24, 0.85, 0.47, 1.0, 0.71, 0.33, 0.94, 0.56, 0.18, 0.80, 0.42, 1.0, 0.65, 0.27, 0.89)
EVENTS = 600_000


def reserved_by_varying(ledger: Ledger, short: float, allocator: Allocator, shares: Shares | None) -> int | None:
    """Peak of reserved bytes after many steps of varying length, None where the two steps do not correspond.

    The ledger ends with a step at `short` times the length and one at the whole length; `allocator` is new.
    """
    starts = _starts(ledger)
    if len(starts) < 3:
        return None
    first, second = starts[-2], starts[-1]
    less, more = ledger.events[first:second], ledger.events[second : _end(ledger)]
    pairs = _pair(ledger, less, more, shares)
    if pairs is None:
        return None
    handles: dict[int, int] = {}
    for event in ledger.events[: starts[0]]:
        _apply(allocator, handles, event, _size(ledger, event, shares))
    for number, length in enumerate(LENGTHS[: max(3, EVENTS // max(1, len(more)))]):
        share = (length - short) / (1.0 - short)
        for event, low, high in pairs:
            _apply(allocator, handles, event, max(1, int(low + (high - low) * share)))
        if number == 0:  # what the first step leaves for good: optimizer state, cuBLAS workspaces
            for event in _left(ledger.events[starts[0] : first]):
                _apply(allocator, handles, event, _size(ledger, event, shares))
    return allocator.peak_reserved_bytes


def _starts(ledger: Ledger) -> list[int]:
    """Where each training step begins (its first forward)."""
    found = []
    labels = set()
    for mark in ledger.marks:
        if mark.phase == "forward" and mark.label.split(",")[0] not in labels:
            labels.add(mark.label.split(",")[0])
            found.append(mark.at)
    return found


def _left(events: list[int]) -> list[int]:
    """Births among the events whose deaths are not."""
    dead = {-event for event in events if event < 0}
    return [event for event in events if event > 0 and event not in dead]


def _end(ledger: Ledger) -> int:
    after = [mark.at for mark in ledger.marks if mark.phase in ("eval", "generate")]
    return min(after, default=len(ledger.events))


def _size(ledger: Ledger, event: int, shares: Shares | None) -> int:
    allocation = ledger.allocations[abs(event)]
    return allocation.nbytes if shares is None else shares.of(allocation)


def _pair(ledger: Ledger, less: list[int], more: list[int], shares: Shares | None) -> list[tuple[int, int, int]] | None:
    """(event of the longer step, bytes in the shorter, bytes in the longer); deaths have no bytes. None if unlike."""
    tail = more[len(less) :]  # after the last step the optimizer's state dies
    if len(less) > len(more) or any(event > 0 for event in tail):
        return None
    twins: dict[int, int] = {}
    pairs = []
    for one, other in zip(less, more):
        if (one > 0) != (other > 0):
            return None
        if one > 0:
            if str(ledger.allocations[one].op) != str(ledger.allocations[other].op):
                return None
            twins[one] = other
            pairs.append((other, _size(ledger, one, shares), _size(ledger, other, shares)))
        else:
            if twins.get(-one) != -other:
                return None
            pairs.append((other, 0, 0))
    return pairs


def _apply(allocator: Allocator, handles: dict[int, int], event: int, nbytes: int) -> None:
    if event > 0:
        handles[event] = allocator.malloc(nbytes)
    else:
        allocator.free(handles.pop(-event, 0))
