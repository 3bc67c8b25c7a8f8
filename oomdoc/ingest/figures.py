"""The figures of one matched message: printed text to bytes, and what follows from them by arithmetic alone.

Figures have the canonical names without `oom.`; a figure that may have lost digits to a cut is not reported.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from oomdoc.facts.lazy import lazy
from oomdoc.ingest.pattern import PROCESS, Field, Node, group_name, parse
from oomdoc.ingest.template import Template

Figures: TypeAlias = dict[str, int | float | str]

# 2^64 - 1 bytes, printed for "unknown" or "no limit" by PyTorch: https://github.com/pytorch/pytorch/issues/30020
UNLIMITED: Final = 1 << 64
_SCALE: Final = {"b": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_FIXED: Final = {"kib": "k", "mib": "m", "gib": "g"}
_PRINTED = lazy(r"(\d+)(?:\.(\d+))?\s*([bkmgt])")
_SIGNALS: Final = {6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
_SIGNAL_WORDS: Final = {"killed": "SIGKILL", "bus error": "SIGBUS", "segmentation fault": "SIGSEGV"}
_ITEM_BYTES: Final = {"half": 2, "bfloat16": 2, "float": 4, "double": 8, "int32": 4, "int64": 8, "int8": 1, "uint8": 1}
# A process holds its context and libraries beside what PyTorch reserved: 0.3 to 1.5 GiB, more with NCCL.
_CONTEXT_LIMIT: Final = 4 << 30


def size(text: str, *, floor: bool = False) -> tuple[int, int]:
    """Bytes and half-width of the rounding of a printed binary size; units are binary whatever their label.

    "2.00 GiB" is 2147483648 within 5368710. With `floor` the printed figure was cut, not rounded: the true one lies
    above it by less than twice the width.
    """
    whole, decimals, unit = _PRINTED.match(text.strip()).groups()  # type: ignore[union-attr]
    shift = _SCALE[unit]
    number = round(int(whole + (decimals or "")) * (1 << shift) / 10 ** len(decimals or ""))
    if not shift:
        return number, 0
    step = (1 << shift) / 10 ** len(decimals or "")
    return number, int(step if floor else step / 2) + 1


def read(
    pattern: str, match: re.Match[str], text: str, template: Template, *, floor: bool = False
) -> tuple[Figures, dict[str, int]]:
    """Figures and tolerances of a match over flattened text; `text` is the original."""
    figures: Figures = {}
    tolerance: dict[str, int] = {}
    for name, kind in _fields(pattern).items():
        group = group_name(name)
        printed = match.group(group)
        if printed is None or kind == "processes":
            continue
        if kind in {"size", "kib", "mib", "gib"}:
            value, width = size(printed + _FIXED.get(kind, ""), floor=floor)
            if value < UNLIMITED:
                figures[f"{name}_bytes"] = value
                tolerance[f"{name}_bytes"] = width
        elif kind == "bytes":
            figures[f"{name}_bytes"] = int(printed.replace(",", ""))
            tolerance[f"{name}_bytes"] = 0
        elif kind == "int":
            figures[name] = int(printed)
        elif kind == "float":
            figures[name] = float(printed)
        elif kind == "exit":
            if match.end(group) < len(text) or _cannot_grow(int(printed)):
                figures[name] = int(printed)
        elif kind == "signame":
            figures[name] = printed.rsplit(".", 1)[-1].upper()
        elif kind == "shape":
            figures[name] = re.sub(r"\s", "", printed)
        else:
            figures[name] = text[match.start(group) : match.end(group)]
    _derive(figures, tolerance, template.means, match.groupdict().get("processes"))
    if template.memory == "host" and "tried_to_allocate_bytes" in figures:
        figures["host_requested_bytes"] = figures["tried_to_allocate_bytes"]
        tolerance["host_requested_bytes"] = tolerance["tried_to_allocate_bytes"]
    return figures, tolerance


def _fields(pattern: str) -> dict[str, str]:
    """Name -> type of every figure in a pattern."""
    found: dict[str, str] = {}

    def walk(nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            if isinstance(node, Field) and node.name != "_":
                found[node.name] = node.type
            for branch in getattr(node, "branches", ()):
                walk(branch)

    walk(parse(pattern))
    return found


def _cannot_grow(code: int) -> bool:
    """No longer number that starts with these digits is an exit code (0..255) or a signal (-1..-64)."""
    return abs(code) * 10 > (64 if code < 0 else 255)


def _derive(figures: Figures, tolerance: dict[str, int], means: Mapping[str, str], processes: str | None) -> None:
    _derive_pool(figures, tolerance, means)
    if processes:
        _derive_processes(figures, tolerance, processes)
    code = figures.get("exit_code")
    if isinstance(code, int) and (signal := _SIGNALS.get(-code if code < 0 else code - 128)):
        figures.setdefault("signal", signal)
    word = figures.get("signal")
    if isinstance(word, str):
        figures["signal"] = _SIGNAL_WORDS.get(" ".join(word.lower().split()), word)
    shape, dtype = figures.get("tensor_shape"), figures.pop("dtype", None)
    if isinstance(shape, str) and isinstance(dtype, str) and (item := _ITEM_BYTES.get(dtype.lower().rstrip("."))):
        total = item
        for length in shape.split(","):
            total *= int(length)
        figures["tried_to_allocate_bytes"] = total
        tolerance["tried_to_allocate_bytes"] = 0


def _derive_pool(figures: Figures, tolerance: dict[str, int], means: Mapping[str, str]) -> None:
    """The two figures of the pool that were not printed.

    Up to 1.3 "cached" leaves live tensors out; from 1.4 "reserved" counts them in; from 2.1 the rest is printed.
    """
    if means.get("cached") == "exclusive" and "cached_bytes" in figures:
        figures["reserved_unallocated_bytes"] = figures.pop("cached_bytes")
        tolerance["reserved_unallocated_bytes"] = tolerance.pop("cached_bytes")
    other = figures.pop("other_allocations_bytes", None)
    if isinstance(other, int) and isinstance(held := figures.get("allocated_bytes"), int):
        figures["process_in_use_bytes"] = held + other
        tolerance["process_in_use_bytes"] = tolerance["allocated_bytes"] + tolerance.pop("other_allocations_bytes")
    for total, first, second, sign in (
        ("reserved_bytes", "allocated_bytes", "reserved_unallocated_bytes", 1),
        ("reserved_unallocated_bytes", "reserved_bytes", "allocated_bytes", -1),
    ):
        a, b = figures.get(first), figures.get(second)
        if total not in figures and isinstance(a, int) and isinstance(b, int):
            figures[total] = max(a + sign * b, 0)
            tolerance[total] = tolerance.get(first, 0) + tolerance.get(second, 0)


def _derive_processes(figures: Figures, tolerance: dict[str, int], processes: str) -> None:
    """Who holds what. In a container the driver's process ids are the host's, so the process takes itself for a
    stranger: it is then the entry just above what PyTorch reserved.
    """
    own: tuple[int, int] | None = None
    strangers: list[tuple[int, int]] = []
    for entry in PROCESS.finditer(processes):
        held = size(entry["size"])
        if held[0] >= UNLIMITED:
            return
        if entry["pid"]:
            strangers.append(held)
        else:
            own = held
    reserved = figures.get("reserved_bytes")
    complete = "allocated_bytes" in figures or "limit_bytes" in figures
    if own is None and isinstance(reserved, int):
        least = reserved - tolerance["reserved_bytes"]
        possible = [held for held in strangers if least <= held[0] + held[1] <= least + _CONTEXT_LIMIT]
        if possible:
            own = min(possible)
            strangers.remove(own)
    if own is None:
        return
    figures["process_in_use_bytes"], tolerance["process_in_use_bytes"] = own
    if complete:
        figures["other_processes_bytes"] = sum(held for held, _ in strangers)
        tolerance["other_processes_bytes"] = sum(width for _, width in strangers)
