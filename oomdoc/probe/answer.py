"""What a finished dry run tells: peaks per phase, who held the bytes, the timeline, as plain JSON values."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from oomdoc.memory.allocator import Allocator, OutOfMemory
from oomdoc.probe.fragments import reserved_by_varying
from oomdoc.probe.ledger import Allocation, Replayed, Shares
from oomdoc.probe.partition import shares_of

POINTS = 400  # of the timeline that is sent back
TOP = 15
_INDEX = re.compile(r"\.\d+(?=\.|$)")


def answer(run: Any) -> dict[str, Any]:
    """The JSON answer of a run whose ledger is full."""
    plan, ledger = run.plan, run.ledger
    shares = shares_of(plan.get("parallel") or {})
    allocator = Allocator(
        total_bytes=plan.get("capacity_bytes"),
        other_bytes=plan.get("other_bytes") or 0,
        conf=plan.get("alloc_conf") or "",
    )
    replayed: Replayed = ledger.replay(allocator, shares)
    phases = []
    for peak in replayed.peaks:
        live = ledger.live_at(peak.at)
        phases.append({
            "phase": peak.phase, "moment": peak.label, "event": peak.at, "allocated_bytes": peak.allocated_bytes,
            "reserved_bytes": replayed.reserved[peak.at], "terms": _terms(live, shares),
        })  # fmt: skip
    worst = max(replayed.peaks, key=lambda peak: peak.allocated_bytes)
    live = ledger.live_at(worst.at)
    varied = None
    if plan.get("short"):
        fresh = Allocator(total_bytes=plan.get("card_bytes"), conf=plan.get("alloc_conf") or "")
        try:
            varied = reserved_by_varying(ledger, float(plan["short"]), fresh, shares)
        except OutOfMemory:
            varied = plan.get("card_bytes")
    return {
        "error": None, **run.figures, "phases": phases, "peak_phase": worst.phase,
        "allocated_bytes": replayed.peak_allocated_bytes,
        "reserved_bytes": max(replayed.peak_reserved_bytes, varied or 0),
        "reserved_by_varying_bytes": varied,
        "top_tensors": [_tensor(a, shares) for a in live[:TOP]],
        "top_modules": _modules(live, shares),
        "timeline": _timeline(run, replayed, shares), "events": len(ledger.events), "operators": run.mode.ops,
        "kernels": run.card.chosen, "retries": replayed.retries, "failure": replayed.failure, "notes": run.notes,
        "trace": _trace(run, shares) if plan.get("trace") else None,
    }  # fmt: skip


def _terms(live: list[Allocation], shares: Shares | None) -> list[dict[str, Any]]:
    """Bytes by component and group of modules, rounded as the allocator rounds them."""
    groups: dict[tuple[str, str], list[int]] = {}
    for allocation in live:
        nbytes = allocation.nbytes if shares is None else shares.of(allocation)
        slot = groups.setdefault((allocation.component, _group(allocation)), [0, 0])
        slot[0] += -(-nbytes // 512) * 512
        slot[1] += 1
    order = sorted(groups.items(), key=lambda item: -item[1][0])
    return [
        {"component": key[0], "name": key[1], "bytes": value[0], "count": value[1]} for key, value in order if value[0]
    ]


def _group(allocation: Allocation) -> str:
    if allocation.component in ("weights", "gradients", "optimizer", "kv_cache"):
        return allocation.component
    if allocation.name:
        return allocation.name
    return _INDEX.sub(".*", allocation.module) or allocation.phase


def _modules(live: list[Allocation], shares: Shares | None) -> list[dict[str, Any]]:
    sums: Counter = Counter()  # type: ignore[type-arg]
    for allocation in live:
        if allocation.component not in ("weights", "gradients", "optimizer"):
            sums[allocation.module or allocation.name or allocation.phase] += (
                allocation.nbytes if shares is None else shares.of(allocation)
            )
    return [{"module": name, "bytes": nbytes} for name, nbytes in sums.most_common(TOP)]


def _tensor(allocation: Allocation, shares: Shares | None) -> dict[str, Any]:
    nbytes = allocation.nbytes if shares is None else shares.of(allocation)
    return {
        "bytes": nbytes, "component": allocation.component, "shape": list(allocation.shape), "dtype": allocation.dtype,
        "module": allocation.module, "name": allocation.name, "op": str(allocation.op), "phase": allocation.phase,
        "frame": frame(allocation),
    }  # fmt: skip


def frame(allocation: Allocation) -> str:
    """Where the tensor was made, as file:line in function; "" inside the backward engine."""
    if allocation.frame is None:
        return ""
    code, line = allocation.frame
    parts = Path(code.co_filename).parts
    short = "/".join(parts[parts.index("site-packages") + 1 :]) if "site-packages" in parts else code.co_filename
    return f"{short}:{line} in {code.co_name}"


def _timeline(run: Any, replayed: Replayed, shares: Shares | None) -> dict[str, Any]:
    """At most POINTS points, each the highest moment of its stretch by component, and where phases begin."""
    count = len(replayed.allocated)
    stride = max(1, -(-count // POINTS))
    held: Counter = Counter()  # type: ignore[type-arg]
    allocated, reserved, components = [], [], []
    most, best = -1, {}
    for index, event in enumerate(run.ledger.events):
        allocation = run.ledger.allocations[abs(event)]
        nbytes = allocation.nbytes if shares is None else shares.of(allocation)
        held[allocation.component] += nbytes if event > 0 else -nbytes
        if replayed.allocated[index] > most:
            most, best = replayed.allocated[index], dict(held)
        if index % stride == stride - 1 or index == count - 1:
            allocated.append(most)
            reserved.append(replayed.reserved[index])
            components.append({name: value for name, value in best.items() if value > 0})
            most = -1
    marks = [{"at": mark.at // stride, "phase": mark.phase, "label": mark.label} for mark in run.ledger.marks]
    return {
        "allocated": allocated,
        "reserved": reserved,
        "components": components,
        "marks": marks,
        "events_per_point": stride,
    }


def _trace(run: Any, shares: Shares | None) -> list[Any]:
    """Every event: [id, bytes, frame, module, component] for a birth, -id for a death."""
    out: list[Any] = []
    for event in run.ledger.events:
        if event < 0:
            out.append(event)
        else:
            a = run.ledger.allocations[event]
            out.append(
                [
                    event,
                    a.nbytes if shares is None else shares.of(a),
                    frame(a),
                    a.module or a.name,
                    a.component,
                    str(a.op),
                ]
            )
    return out
