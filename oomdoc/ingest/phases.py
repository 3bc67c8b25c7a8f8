"""What the run was doing when it failed: from traceback frames, and without one from the lines before the message.

Meanings of frames and lines are data (`knowledge/logs/frames.yaml`, `phases.yaml`).
"""

import re
from bisect import bisect_right
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from oomdoc.facts import base
from oomdoc.facts.case import Frame
from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.document import Document
from oomdoc.ingest.progress import progress
from oomdoc.ingest.tracebacks import Traceback

__all__ = ["Judgement", "judge", "progress"]

# A sign further above than this belongs to another part of the run.
_LOOK_BACK = 60_000


@dataclass(frozen=True)
class Judgement:
    """Phase, part of a step, module and innermost own function at a failure; None is unknown.

    The names are the choices of `run.phase`, `run.subphase` and `oom.module`; `evidence` are physical line numbers.
    """

    phase: str | None = None
    subphase: str | None = None
    module: str | None = None
    function: str | None = None
    evidence: tuple[int, ...] = ()


def judge(document: Document, traceback: Traceback | None, line: int | None) -> Judgement:
    """The phase at a message on physical line `line`, from its traceback and from what was printed before it."""
    found = _from_frames(traceback) if traceback and traceback.frames else Judgement()
    if found.phase is None:
        sign = _last_sign(document, traceback.start_line if traceback and traceback.frames else line)
        if sign is not None:
            offset, entry = sign
            found = replace(
                found,
                phase=entry["phase"],
                module=found.module or entry.get("module"),
                evidence=(*found.evidence, document.at(offset).number),
            )
    return found if found.phase else _from_progress(document, found)


def _from_progress(document: Document, found: Judgement) -> Judgement:
    """A run that had counted steps was training, or evaluating where its last bar says so."""
    counted = {fact.name: fact for fact in progress(document)}
    for name, phase in (("run.eval_step", "eval"), ("run.step", "train"), ("run.epoch", "train")):
        fact = counted.get(name)
        if fact is not None and fact.source.line is not None:
            return replace(found, phase=phase, evidence=(*found.evidence, fact.source.line))
    return found


@cache
def _frames() -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]], tuple[str, ...]]:
    """Entries by function name, entries for any function, and path parts of foreign code."""
    knowledge = base.section("logs")["frames.yaml"]
    by_function: dict[str, list[dict[str, Any]]] = {}
    anywhere = []
    for entry in knowledge["frames"]:
        for function in entry.get("function", ()):
            by_function.setdefault(function, []).append(entry)
        if "function" not in entry:
            anywhere.append(entry)
    return by_function, anywhere, tuple(knowledge["foreign"])


def _meanings(frame: Frame) -> list[dict[str, Any]]:
    """The entries that a frame matches, in the order of the file."""
    by_function, anywhere, _ = _frames()
    path = frame.file.replace("\\", "/")
    return [
        entry
        for entry in (*by_function.get(frame.function.rpartition(".")[2], ()), *anywhere)
        if ("file" not in entry or any(part in path for part in entry["file"]))
        and ("code" not in entry or (frame.code is not None and any(part in frame.code for part in entry["code"])))
    ]


def _from_frames(traceback: Traceback) -> Judgement:
    phase: tuple[int, str] | None = None
    subphase: str | None = None
    module: tuple[int, str] | None = None
    for frame in traceback.frames:  # outermost first: what comes later stands nearer to the failure
        for entry in _meanings(frame):
            firmness = 0 if entry.get("last") else 1 if entry.get("weak") else 2
            if "phase" in entry and (phase is None or firmness >= phase[0]):
                phase = (firmness, entry["phase"])
            if "subphase" in entry:
                subphase = entry["subphase"]
            if "module" in entry:
                weight = 3 if entry.get("outer") else firmness
                if module is None or weight >= module[0]:
                    module = (weight, entry["module"])
    named = phase[1] if phase else None
    if named is None and subphase in {"backward", "optimizer_step", "gradient_clip"}:
        named = "train"
    return Judgement(
        phase=named,
        subphase=subphase,
        module=module[1] if module else None,
        function=own_function(traceback.frames),
        evidence=(traceback.start_line, traceback.end_line),
    )


def own_function(frames: tuple[Frame, ...]) -> str | None:
    """`file.py:function` of the innermost frame that is neither PyTorch's nor Python's."""
    foreign = _frames()[2]
    for frame in reversed(frames):
        path = frame.file.replace("\\", "/")
        packaged = "site-packages/" in path or "dist-packages/" in path
        own = path.rpartition("-packages/")[2] if packaged else path
        if packaged and own.startswith("torch/"):
            continue
        if not any(part in (own if packaged else path) for part in foreign) and frame.function != "<module>":
            return f"{own.rpartition('/')[2]}:{frame.function}"
    return None


@lru_cache(maxsize=2)
def _signs(text: str) -> list[tuple[int, dict[str, Any]]]:
    """Offsets and entries of all signs in a text, sorted."""
    found = []
    for entry in base.section("logs")["phases.yaml"]["signs"]:
        needs = entry["needs"]
        place = text.find(needs)
        while place >= 0:
            end = text.find("\n", place)
            if "pattern" not in entry or re.search(entry["pattern"], text[place : end if end >= 0 else len(text)]):
                found.append((place, entry))
            place = text.find(needs, place + len(needs)) if end < 0 else text.find(needs, end)
    return sorted(found, key=lambda pair: pair[0])


def _last_sign(document: Document, line: int | None) -> tuple[int, dict[str, Any]] | None:
    """The last sign before a physical line (or in the whole document)."""
    end = len(document.text)
    if line is not None:
        index = bisect_right(document.lines, line, key=lambda entry: entry.number)
        end = document.start_of(index) if index < len(document.lines) else end
    start = max(end - _LOOK_BACK, 0)
    weak = None
    for place, entry in reversed(_signs(document.text[start:end])):
        if not entry.get("weak"):
            return start + place, entry
        weak = weak or (start + place, entry)
    return weak
