"""Which changes were tried before a log was written: the history's fixes that fit the run, as attempts."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from oomdoc.engine.aftermath import SETTLED
from oomdoc.engine.attempt import Attempt
from oomdoc.facts.case import Case
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.history.place import Print, database, key_of, logs_of, places_of, print_of, starts_as
from oomdoc.history.record import read_from
from oomdoc.history.store import opened

_CLOCKS: Final = 2.0  # seconds by which a file's time may lag behind ours: coarse clocks, another machine's disk


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was tried, the oldest first; `note` is a sentence of [history] saying why something known is not counted."""

    attempts: tuple[Attempt, ...] = ()
    note: str | None = None
    places: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    """The run that is asked about."""

    case: Case
    logs: tuple[Path, ...]
    mark: Print | None
    configs: frozenset[str]
    place: str
    number: int | None


def recall(case: Case, configs: Sequence[str] = (), *, asked: bool = False) -> Recalled:
    """The attempts that the history knows for a case; `asked` says that the person wants them counted, even where the
    log is the same byte for byte. Raises HistoryError."""
    with opened(database(), write=False) as store:
        if store is None:
            return Recalled(note="none" if asked else None)
        logs = tuple(logs_of(read_from(case)))
        mark = print_of(logs) if logs else None
        folder = logs[0].absolute().parent if logs else Path.cwd()
        place = places_of(folder)[0]
        number = store.of_place(mark.whole, place) if mark else None
        run = _Run(case, logs, mark, frozenset(key_of(Path(name)) for name in configs), place, number)
        fixes = [fix for fix in store.fixes() if fix["of"] is not None]
    changed = _journal()
    fitting = [fix for fix in fixes if _fits(fix, run, changed.get(fix["journal"]))]
    tried, over, note = [], set(), None
    for fix in fitting:
        why = _not_after(fix, run, asked=asked)
        if why is None or (fix["outcome"] in SETTLED and _of_this(fix, run)):
            tried.append(fix)
        if why is not None:
            over.add(fix["id"])
            note = why
    attempts = _attempts(tried, over, run, changed)
    if note == "older" and run.configs:  # what was read beside the log is not what the run had
        note = "changed_since"
    told = note if not attempts and (asked or note != "older") else None
    told = "none" if asked and not attempts and told is None else told
    last = fitting[-1] if fitting else None
    places = (("id", str(last["diagnosis"])),) if last else ()
    return Recalled(attempts, told, places)


def _journal() -> dict[str, dict[str, Any]]:
    """The applied changes by id: what was written, and whether it was taken back, is known there alone."""
    from oomdoc.patch.state import entries, state_folder

    return {entry["id"]: entry for entry in entries(state_folder())}


def _fits(fix: dict[str, Any], run: _Run, entry: dict[str, Any] | None) -> bool:
    """Whether a change was made for this run: to a configuration that was given, else in the log's own folder."""
    of = fix["of"]
    if run.configs:
        edited = {key_of(Path(record["path"])) for record in entry["files"]} if entry else set()
        return bool(run.configs & (edited | {one["key"] for one in json.loads(of["configs"])}))
    if run.place != of["places"].split(" ", 1)[0]:
        return False
    for name, column in (("framework.name", "framework"), ("model.name", "model")):
        now = run.case.value(name)
        if isinstance(now, str) and of[column] and now != of[column]:
            return False
    return True


def _not_after(fix: dict[str, Any], run: _Run, *, asked: bool) -> str | None:
    """Why a log says nothing about a change: it was written before it. None where it may speak."""
    if run.mark is None:  # a pipe or a paste: when it was written is for the person to say
        return None if asked else "piped"
    if run.mark.written < fix["at"] - _CLOCKS:
        return "older"
    of = fix["of"]
    if run.mark.whole == of["print"] and not asked:
        return "same_log"
    if run.mark.size > of["size"] and starts_as(run.logs[0], of["head"], of["head_bytes"]):
        lines = [event.line for event in run.case.events if event.fatal]
        if of["line"] in lines:  # appended to: the failure that was diagnosed then decides again
            return "same_failure"
    return None


def _of_this(fix: dict[str, Any], run: _Run) -> bool:
    """Whether a change was made for the very failure that is asked about: what became of it is known to be told."""
    return run.number is not None and fix["diagnosis"] == run.number


def _attempts(
    fixes: Sequence[dict[str, Any]], over: Collection[int], run: _Run, changed: dict[str, dict[str, Any]]
) -> tuple[Attempt, ...]:
    """The fixes as attempts. Open to this run are the latest in force, and what no other log has settled; of those in
    `over`, which came later than its log, only what became of them is told."""
    found: list[Attempt] = []
    for fix in fixes:
        entry = changed.get(fix["journal"] or "")
        undone = entry is not None and entry["state"] not in ("done", "begun")
        by_other = fix["outcome"] is not None and (run.number is None or fix["told_by"] != run.number)
        if undone and not by_other:
            continue
        latest = fix is fixes[-1] and not undone and fix["id"] not in over
        found.append(_attempt(fix, entry, settled=by_other and not latest))
    return tuple(found)


def _attempt(fix: dict[str, Any], entry: dict[str, Any] | None, *, settled: bool) -> Attempt:
    of = fix["of"]
    known = json.loads(of["configs"])
    names = [record["path"] for record in entry["files"]] if entry else [one["name"] for one in known]
    return Attempt(
        name=f"history {fix['diagnosis']}",
        key=fix["id"],
        sets=_values(fix["sets"]),
        before=_values(fix["before"]),
        aside=tuple(json.loads(fix["aside"])),
        remedies=tuple(json.loads(fix["remedies"])),
        natives=tuple(json.loads(fix["natives"])),
        causes=tuple((one["cause"], one["probability"]) for one in json.loads(of["causes"])),
        memory=of["memory"],
        phase=of["phase"],
        step=of["step"],
        files=tuple(name.replace("\\", "/").rsplit("/", 1)[-1] for name in names),
        at=datetime.fromtimestamp(fix["at"], UTC).isoformat(timespec="seconds"),
        predicted_bytes=fix["predicted_bytes"],
        outcome=fix["outcome"] if settled else None,
        seen=fix["seen"] or "untold" if settled else "in_force",
        told_by=("person" if fix["told_by"] is None else f"history {fix['told_by']}") if settled else None,
    )


def _values(text: str) -> dict[str, Value]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()}
