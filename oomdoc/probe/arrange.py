"""How much of a run this machine can play: all ranks, as many as are enough, one, or none; and what that leaves out."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oomdoc.memory.settings import Parallel
from oomdoc.messages import Sentence, sentence
from oomdoc.probe.cards import Card, RefusedError
from oomdoc.probe.plan import Plan, sharding_of

_DIVIDED = ("zero", "fsdp")  # what a rank holds depends on how many there are
_PLAYED = ("none", "ddp", *_DIVIDED)


class Arrangement(NamedTuple):
    """`ranks` of `world` are played in the way `kind`; `said` is what that leaves out."""

    ranks: int
    world: int
    kind: str
    said: tuple[Sentence, ...] = ()


def arrange(plan: Plan, facts: Mapping[str, Any], free: Sequence[Card], *, yes: bool) -> Arrangement:
    """What these cards can play of this run. Raises RefusedError (split, nodes or too_few) where it means nothing.

    Data parallel ranks are alike, so fewer of them tell the same; a divided state (ZeRO, FSDP) needs all of them.
    """
    way = plan.settings.parallel
    if way.kind not in _PLAYED or way.tensor > 1 or way.pipeline > 1 or way.sequence > 1:
        if way.world > 1 or way.tensor > 1 or way.pipeline > 1 or way.sequence > 1:
            raise RefusedError("split", kind=_name(way))
        return Arrangement(1, 1, "none")
    world = max(1, way.world)
    divided = way.kind in _DIVIDED and sharding_of(facts) != "no_shard" and (way.kind == "fsdp" or way.zero_stage > 0)
    if world == 1:  # ZeRO on one card shares nothing, but offloads and keeps its buckets
        return Arrangement(1, 1, way.kind if divided else "none")
    nodes = int(facts.get("parallel.nodes") or 1)
    here = [card for card in free if yes or not card.is_busy]
    enough = min(world, len(here))
    if nodes > 1 and divided:
        raise RefusedError("nodes", nodes=nodes, world=world)
    if divided and enough < world:
        if len(free) >= world:
            raise RefusedError("busy", next(card for card in free if card.is_busy))
        raise RefusedError("too_few", wanted=world, here=len(free), kind=_name(way))
    if enough >= 2:
        said = () if enough == world else (sentence("probe.fewer", count=enough, world=world),)
        return Arrangement(enough, world, "ddp" if not divided else way.kind, said)
    return Arrangement(1, world, "none", (sentence("probe.one_alone", world=world),))


def _name(way: Parallel) -> str:
    if way.kind == "zero":
        return f"ZeRO-{way.zero_stage}"
    if way.kind in ("fsdp", "ddp", "dp"):
        return {"fsdp": "FSDP", "ddp": "DDP", "dp": "nn.DataParallel"}[way.kind]
    sizes = (("tensor", way.tensor), ("pipeline", way.pipeline), ("sequence", way.sequence))
    return next((f"{name} parallel {size}" for name, size in sizes if size > 1), way.kind)


def job_of(
    plan: Plan, facts: Mapping[str, Any], found: Arrangement, deepspeed: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What every rank is told of how the work is spread; empty for one rank alone with nothing to divide."""
    if found.kind == "none":
        return {}
    way = plan.settings.parallel
    return {
        "kind": found.kind, "world": found.ranks, "stage": way.zero_stage, "offload": way.offload,
        "bucket_elements": way.bucket_elements or None, "sharding": sharding_of(facts),
        "wrap": facts.get("parallel.fsdp_wrap"),
        "deepspeed": dict(deepspeed) if deepspeed is not None and found.kind == "zero" else None,
    }  # fmt: skip
