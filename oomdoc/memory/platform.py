"""From tensors to what the card shows: allocator slack, CUDA context, communication buffers, other processes."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from oomdoc.facts import base
from oomdoc.memory.knowledge import constants, holds
from oomdoc.memory.parallel import nccl_parts
from oomdoc.memory.parts import Part, spread, total
from oomdoc.memory.settings import Settings

GIB = 1 << 30
_DYNAMIC = ("activations", "logits", "workspace", "kv_cache", "gathered")


class Outside(NamedTuple):
    """Reserved and device bytes of a peak, their bounds, and the parts that are not tensors."""

    reserved: int
    device: int
    low: int
    high: int
    parts: tuple[Part, ...]


def outside(peak: Sequence[Part], moments: Iterable[Sequence[Part]], settings: Settings) -> Outside:
    """What lies around the tensors: reserved and device bytes over all moments of a run, and their bounds.

    Slack: a share of the step's own tensors, by how much shapes vary (constants.yaml, fragmentation). The moment that
    needs most with its slack decides, which need not be the one with most tensors. Slack cannot exceed what is left of
    the card, since the allocator returns unused segments before it fails. Low is the tensors alone with the smallest
    context; high adds the slack's own spread.
    """
    table = constants()
    cublas = table["cublas"]["hopper_bytes" if settings.hopper else "bytes"]
    beside = [context_part(settings), *nccl_parts(settings)]
    if settings.other_processes:
        beside.append(Part("other_processes", "other processes", settings.other_processes))
    around = total(beside)
    entry = table["fragmentation"]["expandable" if settings.expandable else settings.lengths]
    share = entry[
        "checkpointed"
    ]  # of large tensors that come and go; stored layers are many and smaller: they find holes
    stored = entry["stored"] if settings.checkpointing == "off" else share
    allocated = total(peak)
    wanted, moving = allocated, 0
    pinned = 0 if settings.lora is not None else int(entry["states"] * _sum_of(peak, "gradients"))
    for parts in moments:
        layers = _sum_of(parts, "activations")
        dynamic = sum(each.bytes for each in parts if each.component in _DYNAMIC)
        kept = int(share * (dynamic - layers) + stored * layers)
        wanted = max(wanted, total(parts) + kept + (pinned if dynamic else 0))
        moving = max(moving, dynamic)
    room = max(0, settings.capacity - allocated - around) if settings.capacity else 1 << 62
    slack = cublas + min(wanted - allocated, room)
    error = min(int(entry["error"] * moving), max(room, cublas))
    doubt = spread(peak) + int(table["unmodelled"]["share"] * (allocated - _sum_of(peak, "weights")))
    device = allocated + slack + around
    low = allocated + around - sum(each.error for each in beside) - doubt
    high = device + doubt + error + sum(each.error for each in beside)
    beside.append(Part("allocator_slack", "kept by the allocator", slack, error))
    return Outside(allocated + slack, device, max(0, low), high, tuple(beside))


def _sum_of(parts: Iterable[Part], component: str) -> int:
    return sum(each.bytes for each in parts if each.component == component)


def context_part(settings: Settings) -> Part:
    """The CUDA context with its loaded kernels; larger before torch 2.1, which loaded more of them."""
    entry = constants()["context"]
    if settings.torch is not None and holds("<2.1", settings.torch):
        return Part("context", "CUDA context", entry["old_bytes"], entry["old_error"], "torch before 2.1")
    return Part("context", "CUDA context", entry["bytes"], entry["error"], "kernels and libraries")


@cache
def capacity(gpu_name: str) -> int | None:
    """Memory of a GPU by its name, as PyTorch reports it; a size within the name ("A100-80GB") settles variants."""
    plain = _squeezed(re.sub(r"^\s*\d+\s*[x*×]\s*", "", gpu_name.lower()))
    stated = re.search(r"(\d{2,3})\s?g(?:i?b)?\b", gpu_name.lower())
    bare = re.sub(r"\d+g(?:i?b)?$", "", plain) if stated else plain
    ranked: list[tuple[int, int, int]] = []
    for known, size in _cards():
        if not bare or (stated and abs(size / GIB - float(stated[1])) > 0.12 * float(stated[1])):
            continue
        rank = 0 if known in (plain, bare) else 1 if _extends(known, bare) else 2 if _extends(bare, known) else 3
        if rank < 3:
            ranked.append((rank, len(known) if rank == 1 else -len(known), size))
    if ranked:
        return min(ranked)[2]
    return int(float(stated[1]) * 0.99 * GIB) if stated else None


def _extends(longer: str, shorter: str) -> bool:
    return len(shorter) > 1 and longer.startswith(shorter) and not longer[len(shorter) : len(shorter) + 1].isdigit()


@cache
def _cards() -> tuple[tuple[str, int], ...]:
    """(squeezed name or alias, usable bytes) of every card that `knowledge/gpus.yaml` knows the size of."""
    cards: dict[str, Any] = base.section("gpus")["gpus.yaml"]["cards"]
    found: list[tuple[str, int]] = []
    for name, entry in cards.items():
        usable = entry.get("usable_gib") or ()
        usable = usable if isinstance(usable, list | tuple) else (usable,)
        size = sorted(usable)[len(usable) // 2] if usable else 0.985 * (entry.get("memory_gib") or 0)
        if size:
            found.extend((_squeezed(each), int(size * GIB)) for each in (name, *entry.get("aliases", ())))
    return tuple(found)


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]|nvidia|geforce|tesla|rtx|gtx", "", re.sub(r"\(.*?\)", "", name.lower()))
