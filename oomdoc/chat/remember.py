"""The state of a conversation between two turns as JSON and back: what a resumed conversation knows is what it knew."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oomdoc.chat.keep import given_back, kept
from oomdoc.chat.reply import Effect
from oomdoc.chat.state import State
from oomdoc.engine.question import questions
from oomdoc.facts.case import Case

_EDGE: Final = 64 << 10  # bytes at both ends of a file that tell whether it is still the one that was read
_ASKED: Final = 40
# Requests that can be cut off in the middle; watching and leaving cannot.
INTERRUPTIBLE: Final = frozenset({"read", "apply", "undo", "dry_run", "probe", "export"})


@dataclass(frozen=True, slots=True)
class Doing:
    """A request that was made and whose end was not told yet; `at` is when, in seconds since the epoch."""

    kind: str
    plan: int | None
    paths: tuple[str, ...]
    at: float

    @classmethod
    def of(cls, effect: Effect) -> "Doing":
        """The request of an effect, made now."""
        return cls(effect.kind, effect.plan, tuple(effect.paths), time.time())

    @property
    def note(self) -> str:
        """How the journal of written changes names it, so that a change is found again after a kill."""
        return f"plan {self.plan}, asked at {self.at:.3f}"

    def as_values(self) -> dict[str, Any]:
        """JSON values."""
        return {"kind": self.kind, "plan": self.plan, "paths": list(self.paths), "at": self.at}

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> "Doing":
        """What `as_values` gave."""
        return cls(values["kind"], values["plan"], tuple(values["paths"]), values["at"])


class Cases:
    """Numbers for the cases of a conversation, so that a turn stores only those that are new."""

    def __init__(self) -> None:
        self._known: list[tuple[int, Case]] = []
        self._last = 0

    def number(self, case: Case) -> tuple[int, bool]:
        """The number of a case, and whether it was given just now."""
        for number, known in self._known:
            if known is case:
                return number, False
        self._last += 1
        self._known.append((self._last, case))
        return self._last, True

    def adopt(self, number: int, case: Case) -> Case:
        """A case that was read back under its number."""
        self._known.append((number, case))
        self._last = max(self._last, number)
        return case

    def keep(self, numbers: list[int]) -> None:
        """Forget all others."""
        self._known = [one for one in self._known if one[0] in numbers]


def snapshot(state: State, cases: Cases, folder: Path | None) -> tuple[dict[str, Any], dict[int, str]]:
    """The state as JSON values, and the new cases as JSON texts by their number."""
    fresh: dict[int, str] = {}

    def number(case: Case) -> int:
        given, is_new = cases.number(case)
        if is_new:
            fresh[given] = case.model_dump_json(exclude_defaults=True)
        return given

    raw = number(state.raw)
    before = [(number(case), names) for case, names in state.before]
    numbers = [raw, *(given for given, _ in before)]
    cases.keep(numbers)
    if fresh:
        state.prints = {**prints_of(state.raw, folder), **state.prints}
    return {
        "raw": raw, "before": before, "cases": numbers, "plans": kept(state.plans), "skipped": sorted(state.skipped),
        "pinned": kept(state.pinned), "ruled_out": list(state.ruled_out), "most_gpus": state.most_gpus,
        "topic": state.topic, "shown": state.shown, "applied": state.applied, "by_hand": state.by_hand,
        "partly": state.partly,
        "entry": state.entry, "pastes": state.pastes, "pending": state.pending.term.name if state.pending else None,
        "prints": dict(state.prints),
    }, fresh  # fmt: skip


def restore(state: State, values: Mapping[str, Any], cases: Cases, load: Callable[[int], str]) -> None:
    """Fill a new state with what was kept. Raises KeyError, TypeError or ValueError for what cannot be read."""

    def case(number: int) -> Case:
        return cases.adopt(number, Case.model_validate_json(load(number)))

    state.replace(case(values["raw"]))
    state.before = [(case(number), names) for number, names in values["before"]]
    state.plans = given_back(values["plans"])
    state.skipped = set(values["skipped"])
    state.pinned = given_back(values["pinned"])
    state.ruled_out = list(values["ruled_out"])
    state.most_gpus, state.topic = values["most_gpus"], values["topic"]
    state.shown, state.applied, state.entry = values["shown"], values["applied"], values["entry"]
    state.by_hand, state.partly = values.get("by_hand"), values.get("partly")
    state.pastes, state.prints = values["pastes"], dict(values["prints"])
    if values["pending"]:
        asked = questions(state.diagnosis.judgements, state.values, _ASKED)
        state.pending = next((one for one in asked if one.term.name == values["pending"]), None)


def prints_of(case: Case, folder: Path | None) -> dict[str, str]:
    """The fingerprint of each file a case was read from, by the name it has there."""
    names = {read.name for read in case.inputs} | {fact.source.file for fact in case.facts if fact.source.file}
    found = {name: fingerprint(_path(name, folder)) for name in sorted(names) if not name.startswith("<")}
    return {name: known for name, known in found.items() if known is not None}


def changed(prints: Mapping[str, str], folder: Path | None) -> tuple[list[str], list[str]]:
    """Files that are not what they were when they were read, and files that are gone."""
    now = {name: fingerprint(_path(name, folder)) for name in prints}
    gone = [name for name, known in now.items() if known is None]
    return [name for name, known in now.items() if known is not None and known != prints[name]], gone


def fingerprint(path: Path) -> str | None:
    """Size and a digest of both ends; None where there is no such file."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            ends = file.read(_EDGE)
            if size > _EDGE:
                file.seek(max(size - _EDGE, _EDGE))
                ends += file.read(_EDGE)
    except (OSError, ValueError):
        return None
    return f"{size}-{hashlib.sha256(ends).hexdigest()[:24]}"


def _path(name: str, folder: Path | None) -> Path:
    path = Path(name).expanduser()
    return path if path.is_absolute() or path.exists() or folder is None else folder / path
