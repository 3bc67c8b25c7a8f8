"""FSDP's strategies: what is gathered while a step computes, and that it is let go before the optimizer steps."""

import pytest

from oomdoc.memory.predict import predict

GIB = 1 << 30
RUN = {
    "model.name": "Qwen2.5-7B",
    "train.method": "full",
    "train.precision": "bfloat16",
    "train.pure_precision": True,
    "train.per_device_batch_size": 1,
    "train.max_length": 2048,
    "train.sequence_tokens": 2048,
    "train.gradient_checkpointing": True,
    "parallel.kind": "fsdp",
    "parallel.world_size": 8,
}


def phases(sharding: str) -> dict[str, int]:
    found = predict({**RUN, "parallel.fsdp_sharding": sharding}).phases
    return {phase.phase: phase.allocated_bytes for phase in found}


def test_weights_that_stay_gathered_weigh_until_the_backward_pass_is_done():
    whole, kept = phases("full_shard"), phases("shard_grad_op")
    assert kept["forward"] - whole["forward"] > 8 * GIB  # the rest of 7.6e9 parameters in 16 bit
    assert kept["backward"] > whole["backward"]
    assert kept["step"] == whole["step"]


@pytest.mark.parametrize("sharding", ["no_shard", "NO_SHARD"])
def test_without_shards_every_rank_holds_all(sharding):
    assert phases(sharding)["step"] > 3 * phases("full_shard")["step"]
