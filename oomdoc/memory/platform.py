"""From tensors to what the card shows: allocator slack, CUDA context, communication buffers, other processes."""

import re
from collections.abc import Iterable
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


def outside(parts: Iterable[Part], settings: Settings) -> Outside:
    """What lies around the tensors of a peak.

    Slack: a share of the step's own tensors, by how much shapes vary (constants.yaml, fragmentation); it cannot exceed
    what is left of the card, since the allocator returns unused segments before it fails. Low is the tensors alone with
    the smallest context, high adds the whole slack's error.
    """
    alive = tuple(parts)
    allocated = total(alive)
    table = constants()
    cublas = table["cublas"]["hopper_bytes" if settings.hopper else "bytes"]
    context = context_part(settings)
    beside = [context, *nccl_parts(settings)]
    if settings.other_processes:
        beside.append(Part("other_processes", "other processes", settings.other_processes))
    kind = "expandable" if settings.expandable else settings.lengths
    share, loose = table["fragmentation"][kind]["share"], table["fragmentation"][kind]["error"]
    moving = sum(each.bytes for each in alive if each.component in _DYNAMIC)
    if settings.checkpointing == "off" and kind == "varying":  # many small tensors find a hole; few large ones do not
        stored = sum(each.bytes for each in alive if each.component == "activations")
        moving -= int(0.8 * stored)
    room = settings.capacity - allocated - total(beside) if settings.capacity else 1 << 62
    slack = cublas + max(0, min(int(share * moving), room))
    error = int(loose * moving)
    reserved = allocated + slack
    device = reserved + total(beside)
    doubt = spread(alive)
    beside.append(Part("allocator_slack", "kept by the allocator", slack, error))
    low = allocated + total(beside[:-1]) - beside[0].error - doubt
    high = device + doubt + min(error, max(0, room)) + sum(each.error for each in beside[:-1])
    return Outside(reserved, device, max(0, low), high, tuple(beside))


def context_part(settings: Settings) -> Part:
    """The CUDA context with its loaded kernels; larger before torch 2.1, which loaded more of them."""
    entry = constants()["context"]
    if settings.torch is not None and holds("<2.1", settings.torch):
        return Part("context", "CUDA context", entry["old_bytes"], entry["old_error"], "torch before 2.1")
    return Part("context", "CUDA context", entry["bytes"], entry["error"], "kernels and libraries")


@cache
def capacity(gpu_name: str) -> int | None:
    """Memory of a GPU by its name, as PyTorch reports it; a size within the name ("A100-80GB") settles variants."""
    plain = re.sub(r"[^a-z0-9]", "", gpu_name.lower().replace("nvidia", ""))
    stated = re.search(r"(\d{2,3})\s?g(?:i?b)?\b", gpu_name.lower())
    best: tuple[int, int] | None = None
    for name, size in _cards():
        if (
            name
            and (name in plain or plain in name)
            and (not stated or abs(size / GIB - float(stated[1])) < 0.12 * float(stated[1]))
        ):
            match = min(len(name), len(plain))
            if best is None or match > best[0]:
                best = (match, size)
    if best is not None and best[0] >= 2:
        return best[1]
    return int(float(stated[1]) * 0.99 * GIB) if stated else None


@cache
def _cards() -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for document in base.section("gpus").values():
        entries: Any = document.get("gpus", document) if isinstance(document, dict) else document
        rows = entries.items() if isinstance(entries, dict) else ((entry.get("name", ""), entry) for entry in entries)
        for name, entry in rows:
            if not isinstance(entry, dict):
                continue
            size = entry.get("total_bytes") or int(
                float(entry.get("torch_total_gib_typical") or entry.get("torch_gib") or 0) * GIB
            )
            found.extend((re.sub(r"[^a-z0-9]", "", str(each).lower().replace("nvidia", "")), size)
                         for each in (name, *entry.get("aliases", ())) if size)  # fmt: skip
    return tuple(found)
