"""How many GPUs the lines of a log show."""

import pytest

from oomdoc.ingest.document import plain
from oomdoc.ingest.ranks import read


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("step 1, mem_usage:cuda:0 8GB\nstep 1, mem_usage:cuda:2 8GB\nstep 1, mem_usage:cuda:1 8GB\n", 3),
        ("rank: 1, memory allocated: 0\nrank: 0, memory allocated: 0\n", 2),
        ("tensors on cuda:0 only\n", None),
        ("cuda:0 and cuda:3\n", None),
        ("  rank      : 1 (local_rank: 1)\n  rank : 0 (local_rank: 0)\n", None),
        ("nothing here\n", None),
    ],
)
def test_ranks_without_a_gap_are_the_gpus(text: str, count: int | None) -> None:
    assert [fact.value for fact in read(plain(text))] == ([count] if count else [])
