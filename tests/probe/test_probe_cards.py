"""Which cards a probe may take: what CUDA_VISIBLE_DEVICES leaves, the freest, never a neighbour's, and why not."""

import pytest

from oomdoc.probe.cards import Card, RefusedError, choose_several, neighbours, usable

GIB = 1 << 30
FOUR = """0, NVIDIA A100-SXM4-80GB, 81920, 10, GPU-aaaa1111
1, NVIDIA A100-SXM4-80GB, 81920, 40000, GPU-bbbb2222
2, NVIDIA A100-SXM4-80GB, 81920, 3, GPU-cccc3333
3, NVIDIA A100-SXM4-80GB, 81920, 100, GPU-dddd4444
"""


def reason(caught: pytest.ExceptionInfo[RefusedError]) -> str:
    return caught.value.reason


@pytest.mark.parametrize(
    ("stated", "seen"),
    [
        (None, [0, 1, 2, 3]),
        ("2,0", [2, 0]),
        ("GPU-dddd4444", [3]),
        ("GPU-cccc,1", [2, 1]),
        ("1,9,2", [1]),  # CUDA sees nothing behind the first that it does not find
        ("3,3", [3]),
    ],
)
def test_cuda_visible_devices_is_honoured(stated: str | None, seen: list[int]) -> None:
    environment = {} if stated is None else {"CUDA_VISIBLE_DEVICES": stated}
    assert [card.number for card in usable(lambda: FOUR, environment)] == seen


@pytest.mark.parametrize(
    ("text", "stated", "expected"),
    [
        ("", None, "no_gpu"),
        ("Failed to initialize NVML: Driver/library version mismatch\n", None, "driver"),
        (FOUR, "", "hidden"),
        (FOUR, "-1", "hidden"),
        (FOUR, "MIG-0f3a", "partitioned"),
    ],
)
def test_no_card_has_its_reason(text: str, stated: str | None, expected: str) -> None:
    environment = {} if stated is None else {"CUDA_VISIBLE_DEVICES": stated}
    with pytest.raises(RefusedError) as caught:
        usable(lambda: text, environment)
    assert reason(caught) == expected
    if expected == "driver":
        assert "version mismatch" in caught.value.places["told"]


def test_the_freest_cards_are_taken_in_their_order() -> None:
    found = usable(lambda: FOUR, {})
    assert [card.number for card in choose_several(found, 2, [], None, yes=False)] == [0, 2]
    assert [card.number for card in choose_several(found, 3, [], None, yes=False)] == [0, 2, 3]
    assert [card.number for card in choose_several(found, 2, [3, 0], None, yes=False)] == [0, 3]


def test_what_is_asked_for_beyond_the_machine_is_refused() -> None:
    found = usable(lambda: FOUR, {})
    cases = [(4, [], None, "busy"), (5, [], None, "too_few"), (2, [0], None, "too_few"), (1, [7], None, "hidden"),
             (2, [], 81 * GIB, "too_large")]  # fmt: skip
    for count, devices, cap, expected in cases:
        with pytest.raises(RefusedError) as caught:
            choose_several(found, count, devices, cap, yes=False)
        assert reason(caught) == expected, (count, devices)
    assert len(choose_several(found, 4, [], None, yes=True)) == 4


def test_neighbours_are_named() -> None:
    def query(question: str) -> str:
        assert "compute-apps" in question
        return "GPU-bbbb2222, 4242, /usr/bin/python3\nGPU-aaaa1111, 7, other\n[Insufficient Permissions]\n"

    assert neighbours(Card(1, "A100", 80 * GIB, GIB, "GPU-bbbb2222"), query) == ["python3 (4242)"]
    assert neighbours(Card(2, "A100", 80 * GIB, GIB, "GPU-cccc3333"), query) == []
