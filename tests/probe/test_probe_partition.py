"""What one rank holds under ZeRO, FSDP and DDP, and when its exchange buffers are there."""

from types import SimpleNamespace
from typing import Any

import pytest

from oomdoc.probe.ledger import Allocation, Ledger
from oomdoc.probe.partition import BUCKET_ELEMENTS, Exchange, shares_of
from oomdoc.probe.plan import plan_of

MIB = 1 << 20


def parameter(elements: int, width: int = 2) -> Any:
    return SimpleNamespace(numel=lambda: elements, element_size=lambda: width)


def model(layers: int = 4, each: int = 8 * MIB, words: int = 4 * MIB) -> tuple[Any, list[Any]]:
    """A model of so many layers and an embedding, in elements of two bytes."""
    named = [("model.embed_tokens.weight", parameter(words))]
    for number in range(layers):
        named += [(f"model.layers.{number}.mlp.weight", parameter(each // 2)),
                  (f"model.layers.{number}.attention.weight", parameter(each // 2))]  # fmt: skip
    return SimpleNamespace(named_parameters=lambda: iter(named)), [value for _, value in named]


def held(parallel: dict[str, Any], **shape: int) -> dict[str, dict[str, int]]:
    """Exchange bytes at the end of each part of the second step."""
    ledger = Ledger()
    built, trainable = model(**shape)
    exchange = Exchange(built, trainable, parallel, ledger)
    exchange.start()
    out: dict[str, dict[str, int]] = {}
    for _ in range(2):
        for part in ("forward", "backward", "done"):
            getattr(exchange, part)()
            live = ledger.live_at(len(ledger.events) - 1)
            out[part] = {}
            for each in live:
                out[part][each.component] = out[part].get(each.component, 0) + each.nbytes
    return out


WHOLE = 2 * (4 * 8 + 4) * MIB
LAYER, ROOT = 2 * 8 * MIB, 2 * 4 * MIB


@pytest.mark.parametrize(
    ("parallel", "forward", "backward", "done"),
    [
        ({"kind": "none", "ranks": 1}, {}, {}, {}),
        ({"kind": "ddp", "ranks": 1}, {}, {}, {}),
        ({"kind": "ddp", "ranks": 8}, {"buckets": WHOLE}, {"buckets": WHOLE}, {"buckets": WHOLE}),
        ({"kind": "zero", "ranks": 8, "stage": 1, "bucket_elements": 5 * MIB}, {}, {"buckets": 10 * MIB}, {}),
        ({"kind": "zero", "ranks": 8, "stage": 2}, {}, {"buckets": 2 * BUCKET_ELEMENTS}, {}),
        ({"kind": "zero", "ranks": 8, "stage": 3, "bucket_elements": 5 * MIB},
         {"gathered": 2 * WHOLE, "buckets": 10 * MIB, "gradients": WHOLE},
         {"gathered": WHOLE, "buckets": 10 * MIB, "gradients": WHOLE},
         {"buckets": 10 * MIB, "gradients": WHOLE}),
        ({"kind": "fsdp", "ranks": 8, "stage": 3, "sharding": "full_shard"},
         {"gathered": ROOT + 2 * LAYER}, {"gathered": ROOT + 2 * LAYER, "buckets": LAYER}, {}),
        ({"kind": "fsdp", "ranks": 8, "stage": 3, "sharding": "shard_grad_op"},
         {"gathered": WHOLE}, {"gathered": WHOLE, "buckets": LAYER}, {}),
        ({"kind": "fsdp", "ranks": 8, "stage": 3, "sharding": "no_shard"}, {}, {}, {}),
        ({"kind": "fsdp", "ranks": 1, "stage": 3, "sharding": "full_shard"}, {}, {}, {}),
    ],
)  # fmt: skip
def test_buffers_are_there_while_the_libraries_hold_them(
    parallel: dict[str, Any], forward: dict[str, int], backward: dict[str, int], done: dict[str, int]
) -> None:
    assert held(parallel) == {"forward": forward, "backward": backward, "done": done}


def test_zero_3_keeps_no_more_gathered_than_it_uses_again_soon() -> None:
    found = held({"kind": "zero", "ranks": 8, "stage": 3}, layers=32, each=200 * MIB)["forward"]["gathered"]
    layer = 2 * 200 * MIB
    assert found == 2 * (500_000_000 + 2 * 50_000_000) + layer
    assert found < 33 * layer


def test_gradients_of_zero_3_are_counted_once() -> None:
    way = {"kind": "zero", "ranks": 4, "stage": 3}
    built, trainable = model()
    assert share(way, Exchange(built, trainable, way, Ledger()).gradients) == 0.0
    two = {"kind": "zero", "ranks": 4, "stage": 2}
    assert share(two, Exchange(built, trainable, two, Ledger()).gradients) == 0.25


def test_adapters_in_a_wider_type_do_not_widen_deepspeeds_buckets() -> None:
    ledger = Ledger()
    built, _ = model()
    adapters = [parameter(1000, 4)]
    both = [*built.named_parameters(), ("model.layers.0.lora_A.weight", adapters[0])]
    exchange = Exchange(SimpleNamespace(named_parameters=lambda: iter(both)), adapters, {"kind": "zero", "stage": 3,
                        "ranks": 8, "bucket_elements": 5 * MIB}, ledger)  # fmt: skip
    exchange.start()
    assert ledger.allocations[1].nbytes == 10 * MIB


def share(parallel: dict[str, Any], component: str, phase: str = "backward") -> float:
    shares = shares_of(parallel)
    allocation = Allocation(1000, component, phase, "")
    return 1.0 if shares is None else shares.of(allocation) / 1000


@pytest.mark.parametrize(
    ("parallel", "weights", "gradients", "optimizer", "master"),
    [
        ({"ranks": 1, "stage": 3}, 1.0, 1.0, 1.0, 1.0),
        ({"ranks": 4, "stage": 0}, 1.0, 1.0, 1.0, 1.0),
        ({"ranks": 4, "stage": 1}, 1.0, 1.0, 0.25, 0.25),
        ({"ranks": 4, "stage": 2}, 1.0, 0.25, 0.25, 0.25),
        ({"ranks": 4, "stage": 3}, 0.25, 0.25, 0.25, 0.25),
        ({"ranks": 4, "stage": 3, "sharding": "no_shard"}, 1.0, 1.0, 1.0, 1.0),
        ({"ranks": 4, "stage": 3, "sharding": "shard_grad_op"}, 0.25, 0.25, 0.25, 0.25),
        ({"ranks": 4, "stage": 3, "widened": 2}, 0.5, 0.5, 0.5, 0.5),
        ({"ranks": 4, "stage": 1, "offload": "optimizer"}, 1.0, 1.0, 0.0, 0.0),
        ({"ranks": 4, "stage": 2, "offload": "optimizer"}, 1.0, 0.0, 0.0, 0.0),
        ({"ranks": 4, "stage": 3, "offload": "optimizer"}, 0.25, 0.0, 0.0, 0.0),
        ({"ranks": 4, "stage": 3, "offload": "all"}, 0.0, 0.0, 0.0, 0.0),
        ({"ranks": 1, "stage": 2, "offload": "optimizer"}, 1.0, 0.0, 0.0, 0.0),
    ],
)
def test_stages_divide_and_offloading_takes_away(
    parallel: dict[str, Any], weights: float, gradients: float, optimizer: float, master: float
) -> None:
    found = [share(parallel, name) for name in ("weights", "gradients", "optimizer", "master_weights")]
    assert found == [weights, gradients, optimizer, master]
    assert share(parallel, "activations") == 1.0


def test_what_an_optimizer_takes_for_a_moment_is_divided_with_its_state() -> None:
    assert share({"ranks": 4, "stage": 1}, "workspace", "step") == 0.25
    assert share({"ranks": 4, "stage": 1}, "workspace", "backward") == 1.0
    assert share({"ranks": 4, "stage": 2, "offload": "optimizer"}, "workspace", "step") == 0.0


def test_fsdp_under_mixed_precision_computes_in_the_narrow_type_and_keeps_wide_shards() -> None:
    run = {"model.name": "Qwen2.5-0.5B", "train.method": "full", "train.precision": "bfloat16",
           "train.pure_precision": False, "train.mixed_precision": True, "parallel.world_size": 4}  # fmt: skip
    job = plan_of({**run, "parallel.kind": "fsdp", "parallel.fsdp_sharding": "full_shard auto_wrap"}).job
    assert (job["dtype"], job["autocast"], job["parallel"]["widened"]) == ("float32", "bfloat16", 2)
    assert job["parallel"]["sharding"] == "full_shard"
    for other in ({"parallel.kind": "ddp"}, {"parallel.kind": "fsdp", "parallel.fsdp_sharding": "no_shard"}):
        job = plan_of({**run, **other}).job
        assert job["dtype"] == "float32"
        assert not job["parallel"].get("widened")
