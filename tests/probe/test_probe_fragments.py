"""Varying lengths: two steps stand for all, and the cache of the allocator grows beyond its fullest step."""

from oomdoc.memory.allocator import Allocator
from oomdoc.probe.fragments import reserved_by_varying
from oomdoc.probe.ledger import Ledger

MIB = 1 << 20


def run(sizes: list[int], extra: int = 0) -> Ledger:
    """A ledger with weights and one step for each size: two tensors that live through it."""
    ledger = Ledger()
    ledger.born(100 * MIB, "load", "weights")
    for number, size in enumerate(sizes):
        ledger.enter("forward", f"step {number + 1}", "activations")
        first = ledger.born(size, "mul")
        second = ledger.born(2 * size, "mm")
        if number == 0:
            ledger.enter("step", "step 1", "workspace")
            ledger.born(7 * MIB, "zeros_like", "optimizer")
        if extra and number == len(sizes) - 1:
            ledger.died(ledger.born(extra, "only the last step"))
        ledger.died(first)
        ledger.died(second)
    return ledger


def test_reserved_exceeds_what_one_step_needs() -> None:
    ledger = run([64 * MIB, 32 * MIB, 64 * MIB])
    plain = ledger.replay().peak_reserved_bytes
    varied = reserved_by_varying(ledger, 0.5, Allocator(), None)
    assert varied is not None
    assert varied > plain + 32 * MIB


def test_a_card_of_that_size_gives_the_cache_back() -> None:
    ledger = run([64 * MIB, 32 * MIB, 64 * MIB])
    varied = reserved_by_varying(ledger, 0.5, Allocator(total_bytes=360 * MIB), None)
    assert varied is not None
    assert varied <= 360 * MIB


def test_steps_that_differ_in_kind_are_not_compared() -> None:
    assert reserved_by_varying(run([64 * MIB, 32 * MIB, 64 * MIB], extra=MIB), 0.5, Allocator(), None) is None
    assert reserved_by_varying(run([64 * MIB]), 0.5, Allocator(), None) is None
