"""Reads tables and lines that show the accelerators of the machine: nvidia-smi of every age, gpustat, nvitop, npu-smi,
rocm-smi, environment reports; who holds what.

Shapes of single lines are data (`knowledge/logs/devices.yaml`); the tables, whose rows belong together, are read here.
"""

import re
from collections.abc import Iterator
from dataclasses import field
from functools import cache
from typing import Any, Final

from oomdoc.facts import base
from oomdoc.facts.fact import Fact
from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.ingest import gpu_names
from oomdoc.ingest.digest import digest
from oomdoc.ingest.document import Document
from oomdoc.ingest.stated import stated

_SCALE: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_BAR = r"[|│║┃]"
# |   0  NVIDIA A100-SXM4-80GB          On  | 00000000:07:00.0 Off |    (a long name ends in "...")
_NAME = lazy(rf"^\W*{_BAR}\s*(\d+)\s+([A-Z][^|│║┃]*?)\s+(?:On|Off|N/A|WDDM|TCC|MCDM)\s*{_BAR}\s*[0-9A-Fa-f]{{4,8}}:")
_MEMORY = lazy(rf"{_BAR}\s*(\d+(?:\.\d+)?)([MG])iB\s*/\s*(\d+(?:\.\d+)?)([MG])iB\s")
# |    0   N/A  N/A     12345      C   python                  10240MiB |
_PROCESS = lazy(
    rf"^\W*{_BAR}\s+(\d+)\s+(?:(?:N/A|\d+)\s+(?:N/A|\d+)\s+)?(\d+)\s+(C\+G|C|G|M\+C)\s+(\S.*?)\s+(\d+)MiB\s*{_BAR}"
)
_MIG_ON = lazy(rf"{_BAR}\s+Enabled\s*{_BAR}|MIG devices:|\bMIG \d+g\.\d+gb\b", re.IGNORECASE)
# [0] NVIDIA GeForce RTX 3090 | 45°C,   0 % |  1234 / 24576 MB | user(1100M)
_GPUSTAT = lazy(r"^\W{0,2}\[(\d+)\] (\S.*?)\s*\|[^|]*\|\s*(\d+) / (\d+) MB \|\s*(.*)$")
_GPUSTAT_USER = lazy(r"([\w.-]+)(?::\w+)?(?:/\d+)?\((\d+)M\)")
# | 0     910B3               | OK            | 93.5        45                0    / 0             |
_NPU_NAME = lazy(r"^\|\s*(\d+)\s+((?:Ascend)?(?:910|310)\w*)\s*\|\s*(?:OK|Warning|Alarm|Critical|UNKNOWN)\s*\|")
_NPU_MEMORY = lazy(r"\|\s*\d+\s+(?:\d+\s*/\s*\d+\s+)?(\d+)\s*/\s*(\d+)\s*\|$")
_ROWS_APART: Final = 4


@dataclass
class _Card:
    index: int
    offset: int
    name: str | None = None
    total: int | None = None
    used: int | None = None


@dataclass
class _Seen:
    """What one document shows; a table printed again replaces the one before."""

    cards: dict[int, _Card] = field(default_factory=dict)
    processes: list[tuple[int, int, str, int, int]] = field(default_factory=list)
    partitioned_at: int | None = None


def read(document: Document) -> list[Fact]:
    """Facts `hardware.*` that a program printed."""
    text = document.text
    seen = _Seen()
    if "MiB /" in text or "GiB /" in text or "MiB|" in text:
        _read_smi(document, seen)
    if " MB |" in text:
        _read_gpustat(document, seen)
    if "npu-smi" in text or "| NPU" in text or "910B" in text:
        _read_npu(document, seen)
    facts = _from_cards(document, seen)
    known = {fact.name for fact in facts}
    return facts + [fact for fact in _from_lines(digest(document)) if fact.name not in known]


def _matching(document: Document, *needs: str) -> Iterator[tuple[int, str]]:
    """(offset, line) of the lines that hold one of the words, in order."""
    text, starts = document.text, set()
    for word in needs:
        place = text.find(word)
        while place >= 0:
            start = text.rfind("\n", 0, place) + 1
            end = text.find("\n", place)
            starts.add(start)
            place = text.find(word, end) if end >= 0 else -1
    for start in sorted(starts):
        end = text.find("\n", start)
        yield start, text[start : end if end >= 0 else len(text)]


def _read_smi(document: Document, seen: _Seen) -> None:
    current: _Card | None = None
    for offset, line in _matching(
        document, "MiB /", "MiB|", "MiB |", "MiB  ", "GiB /", ":00.0 ", ".0 O", ".0  ", "Enabled", "MIG "
    ):
        if match := _NAME.match(line):
            current = _Card(int(match[1]), offset, name=match[2].rstrip(" ."))
            seen.cards[current.index] = current
        elif (match := _MEMORY.search(line)) and current is not None:
            if current.total is None and document.index_at(offset) - document.index_at(current.offset) <= _ROWS_APART:
                current.used, current.total = _bytes(match[1], match[2]), _bytes(match[3], match[4])
        elif match := _PROCESS.match(line):
            seen.processes.append((int(match[1]), int(match[2]), match[4], int(match[5]) << 20, offset))
        elif seen.cards and seen.partitioned_at is None and _MIG_ON.search(line):
            seen.partitioned_at = offset


def _read_gpustat(document: Document, seen: _Seen) -> None:
    for offset, line in _matching(document, " MB |"):
        if match := _GPUSTAT.match(line):
            index = int(match[1])
            seen.cards[index] = _Card(index, offset, match[2], int(match[4]) << 20, int(match[3]) << 20)
            for place, user in enumerate(_GPUSTAT_USER.finditer(match[5])):
                seen.processes.append((index, place, user[1], int(user[2]) << 20, offset))


def _read_npu(document: Document, seen: _Seen) -> None:
    current: _Card | None = None
    for offset, line in _matching(document, "|"):
        if match := _NPU_NAME.match(line):
            name = match[2] if match[2].startswith("Ascend") else f"Ascend {match[2]}"
            current = _Card(int(match[1]), offset, name=name)
            seen.cards[current.index] = current
        elif current is not None and (match := _NPU_MEMORY.search(line)):
            current.used, current.total = int(match[1]) << 20, int(match[2]) << 20
            current = None


def _bytes(number: str, unit: str) -> int:
    return int(float(number) * (1 << _SCALE[unit.lower()]))


def _from_cards(document: Document, seen: _Seen) -> list[Fact]:
    cards = [seen.cards[index] for index in sorted(seen.cards)]
    if not cards:
        return []
    facts = []
    named = next((card for card in cards if card.name and not card.name.endswith("GeForce")), None)
    if named and named.name:
        facts.append(stated(document, "hardware.gpu_name", named.name, named.offset))
    facts.append(stated(document, "hardware.gpu_count", len(cards), cards[0].offset))
    sizes = [card.total for card in cards if card.total]
    if sizes:
        facts.append(stated(document, "hardware.gpu_total_bytes", min(sizes), cards[0].offset))
        if max(sizes) > 1.1 * min(sizes):
            facts.append(stated(document, "hardware.mixed_gpus", True, cards[0].offset))
    if seen.partitioned_at is not None:
        facts.append(stated(document, "hardware.partitioned", True, seen.partitioned_at))
    held = _held_by_others(seen)
    if held is not None:
        facts.append(stated(document, "hardware.other_process_bytes", *held))
    return facts


def _held_by_others(seen: _Seen) -> tuple[int, int] | None:
    """Bytes on the fullest card beside its largest process, where the table names more than one; and the offset.

    A table does not say which process is the run, so this is what others held at least.
    """
    by_card: dict[int, dict[int, tuple[int, int]]] = {}
    for card, pid, _, held, offset in seen.processes:
        by_card.setdefault(card, {})[pid] = (held, offset)
    best: tuple[int, int] | None = None
    for processes in by_card.values():
        sizes = sorted(held for held, _ in processes.values())
        rest = sum(sizes[:-1])
        if rest and (best is None or rest > best[0]):
            best = (rest, min(offset for _, offset in processes.values()))
    return best


@cache
def _lines_known() -> list[dict[str, Any]]:
    return list(base.section("logs")["devices.yaml"]["lines"])


@cache
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source)


def _from_lines(document: Document) -> list[Fact]:
    kept: dict[str, Fact] = {}
    indices: set[str] = set()
    counted_at: int | None = None
    for entry in _lines_known():
        if entry["needs"] not in document.text:
            continue
        for offset, line in _matching(document, entry["needs"]):
            match = _pattern(entry["pattern"]).search(line)
            if match is None:
                continue
            parts = {name: value for name, value in match.groupdict().items() if value is not None}
            for fact in _line_facts(document, offset, parts):
                kept.setdefault(fact.name, fact)
            if entry.get("each"):
                indices.update(parts["list"].split(",") if "list" in parts else [parts["index"]])
                counted_at = offset if counted_at is None else counted_at
    if counted_at is not None and indices:
        kept.setdefault("hardware.gpu_count", stated(document, "hardware.gpu_count", len(indices), counted_at))
    return list(kept.values())


def _line_facts(document: Document, offset: int, parts: dict[str, str]) -> Iterator[Fact]:
    name = parts.get("name")
    if name and (gpu_names.find(name) or gpu_names.card(name)):
        yield stated(document, "hardware.gpu_name", name, offset)
    if "count" in parts:
        yield stated(document, "hardware.gpu_count", int(parts["count"]), offset)
    if "size" in parts:
        yield stated(document, "hardware.gpu_total_bytes", _bytes(parts["size"], parts.get("unit", "")), offset)
    if "host" in parts:
        yield stated(document, "hardware.host_total_bytes", int(parts["host"]) << 20, offset)
    if "hostsize" in parts:
        yield stated(document, "hardware.host_total_bytes", _bytes(parts["hostsize"], parts["hostunit"]), offset)
    if "shmsize" in parts:
        yield stated(document, "hardware.shm_total_bytes", _bytes(parts["shmsize"], parts["shmunit"]), offset)
    if "capability" in parts:
        yield stated(document, "hardware.compute_capability", parts["capability"], offset)
