"""How much of a run a machine can play, and what every rank is told."""

from typing import Any

import pytest

from oomdoc.probe.arrange import arrange, job_of
from oomdoc.probe.cards import Card, RefusedError
from oomdoc.probe.plan import plan_of

GIB = 1 << 30
RUN = {"model.name": "Qwen2.5-0.5B", "train.method": "full", "train.precision": "bfloat16",
       "train.pure_precision": True, "train.sequence_tokens": 512, "train.per_device_batch_size": 1}  # fmt: skip


def machine(*used: int) -> list[Card]:
    return [Card(number, "A100", 80 * GIB, gib * GIB) for number, gib in enumerate(used)]


def played(cards: list[Card], *, yes: bool = False, **facts: Any) -> Any:
    run = {**RUN, **{name.replace("__", "."): value for name, value in facts.items()}}
    return arrange(plan_of(run), run, cards, yes=yes)


@pytest.mark.parametrize(
    ("cards", "facts", "expected"),
    [
        (machine(0), {}, (1, 1, "none")),
        (machine(0, 0), {"parallel__world_size": 2, "parallel__kind": "ddp"}, (2, 2, "ddp")),
        (machine(0, 0), {"parallel__world_size": 8, "parallel__kind": "ddp"}, (2, 8, "ddp")),
        (machine(0), {"parallel__world_size": 8, "parallel__kind": "ddp"}, (1, 8, "none")),
        (machine(0, 40), {"parallel__world_size": 2, "parallel__kind": "ddp"}, (1, 2, "none")),
        (machine(0, 0), {"parallel__world_size": 2, "parallel__zero_stage": 3}, (2, 2, "zero")),
        (machine(0, 0), {"parallel__world_size": 2, "parallel__kind": "fsdp"}, (2, 2, "fsdp")),
        (machine(0), {"parallel__world_size": 1, "parallel__zero_stage": 2, "parallel__offload": "optimizer"},
         (1, 1, "zero")),
        (machine(0), {"parallel__world_size": 4, "parallel__kind": "fsdp", "parallel__fsdp_sharding": "no_shard"},
         (1, 4, "none")),
        (machine(0, 0), {"parallel__world_size": 16, "parallel__kind": "ddp", "parallel__nodes": 2}, (2, 16, "ddp")),
    ],
)  # fmt: skip
def test_as_much_is_played_as_tells_the_truth(cards: list[Card], facts: dict[str, Any], expected: Any) -> None:
    found = played(cards, **facts)
    assert found[:3] == expected
    if found.ranks < found.world:
        (left_out,) = found.said
        assert str(found.world) in left_out.en
        assert str(found.world) in left_out.zh
        assert ("bucket" in left_out.en) == (found.ranks == 1)


@pytest.mark.parametrize(
    ("cards", "facts", "reason"),
    [
        (machine(0), {"parallel__world_size": 8, "parallel__zero_stage": 3}, "too_few"),
        (machine(0, 0), {"parallel__world_size": 4, "parallel__kind": "fsdp"}, "too_few"),
        (machine(0, 30), {"parallel__world_size": 2, "parallel__zero_stage": 2}, "busy"),
        (machine(0, 0), {"parallel__world_size": 16, "parallel__zero_stage": 3, "parallel__nodes": 2}, "nodes"),
        (machine(0, 0), {"parallel__world_size": 2, "parallel__kind": "device_map"}, "split"),
        (machine(0, 0), {"parallel__world_size": 2, "parallel__tensor_parallel": 2}, "split"),
        (machine(0, 0), {"parallel__world_size": 2, "parallel__kind": "dp"}, "split"),
    ],
)
def test_what_a_machine_cannot_play_is_refused(cards: list[Card], facts: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        played(cards, **facts)
    assert caught.value.reason == reason


def test_busy_cards_count_after_a_yes() -> None:
    assert played(machine(0, 30), yes=True, parallel__world_size=2, parallel__zero_stage=2).ranks == 2


def test_every_rank_is_told_how_the_work_is_spread() -> None:
    run = {**RUN, "parallel.world_size": 2, "parallel.kind": "fsdp", "parallel.fsdp_wrap": "TRANSFORMER_BASED_WRAP",
           "parallel.fsdp_sharding": "shard_grad_op auto_wrap"}  # fmt: skip
    plan = plan_of(run)
    job = job_of(plan, run, arrange(plan, run, machine(0, 0), yes=False), {"zero_optimization": {}})
    assert (job["kind"], job["world"], job["sharding"]) == ("fsdp", 2, "shard_grad_op")
    assert job["deepspeed"] is None
    run = {**RUN, "parallel.world_size": 2, "parallel.zero_stage": 2}
    plan = plan_of(run)
    own = {"zero_optimization": {"stage": 2, "reduce_bucket_size": 5}}
    assert job_of(plan, run, arrange(plan, run, machine(0, 0), yes=False), own)["deepspeed"] == own
    alone = arrange(plan_of(RUN), RUN, machine(0), yes=False)
    assert job_of(plan_of(RUN), RUN, alone, None) == {}
