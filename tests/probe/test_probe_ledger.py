"""The ledger's arithmetic: peaks, components, shares, the failure on a small card."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.memory.allocator import Allocator
from oomdoc.probe.ledger import Ledger, Shares

MIB = 1 << 20


def test_peak_of_each_phase_is_its_own_highest_moment() -> None:
    ledger = Ledger()
    weights = ledger.born(64 * MIB, "load", "weights")
    ledger.enter("forward", "step 1", "activations")
    kept = ledger.born(32 * MIB, "op")
    ledger.enter("backward", "step 1", "workspace")
    ledger.died(kept)
    ledger.temporary(16 * MIB, "op")
    replayed = ledger.replay()
    peaks = {peak.phase: peak.allocated_bytes for peak in replayed.peaks}
    assert peaks == {"load": 64 * MIB, "forward": 96 * MIB, "backward": 80 * MIB}
    assert replayed.peak_allocated_bytes == 96 * MIB
    assert [a.nbytes for a in ledger.live_at(1)] == [64 * MIB, 32 * MIB]
    assert weights == 1


def test_backward_that_begins_with_a_death_does_not_count_what_died() -> None:
    ledger = Ledger()
    ledger.enter("forward", "step 1", "activations")
    kept = ledger.born(8 * MIB, "op")
    ledger.enter("backward", "step 1", "workspace")
    ledger.died(kept)
    ledger.born(2 * MIB, "op")
    assert next(p for p in ledger.replay().peaks if p.phase == "backward").allocated_bytes == 2 * MIB


def test_shares_divide_only_their_components_and_round_up() -> None:
    ledger = Ledger()
    ledger.born(10, "load", "weights")
    state = ledger.allocations[ledger.born(10, "step", "optimizer")]
    shares = Shares(4, ("optimizer",))
    assert shares.of(state) == 3
    assert shares.of(ledger.allocations[1]) == 10
    assert Shares(4, ("optimizer",), ("optimizer",)).of(state) == 0


def test_the_first_refused_request_is_recorded_and_the_whole_need_is_still_known() -> None:
    ledger = Ledger()
    ledger.enter("forward", "step 1", "activations")
    for _ in range(4):
        ledger.born(30 * MIB, "aten.mm.default")
    replayed = ledger.replay(Allocator(total_bytes=100 * MIB))
    assert replayed.failure is not None
    assert replayed.failure["tried_to_allocate_bytes"] == 30 * MIB
    assert replayed.failure["phase"] == "forward"
    assert replayed.failure["op"] == "aten.mm.default"
    assert replayed.peak_allocated_bytes == 120 * MIB


@given(st.lists(st.integers(1, 64 * MIB), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_reserved_is_never_less_than_allocated(sizes: list[int], random: object) -> None:
    ledger = Ledger()
    living: list[int] = []
    for size in sizes:
        living.append(ledger.born(size, "op"))
        if random.random() < 0.4:  # type: ignore[attr-defined]
            ledger.died(living.pop(random.randrange(len(living))))  # type: ignore[attr-defined]
    replayed = ledger.replay()
    assert all(a <= r for a, r in zip(replayed.allocated, replayed.reserved, strict=True))
    assert max(p.allocated_bytes for p in replayed.peaks) == max(replayed.allocated)


def test_freeing_twice_is_an_error_of_the_caller_not_a_negative_sum() -> None:
    ledger = Ledger()
    number = ledger.born(MIB, "op")
    ledger.died(number)
    ledger.died(number)
    assert min(ledger.replay().allocated) == 0
    assert ledger.replay().allocated[-1] == pytest.approx(0)
