"""A report of `oomdoc diagnose --format json` as what was tried: which of its remedies the new run shows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from oomdoc.engine.attempt import Attempt, effects, equal
from oomdoc.engine.findings import values_of
from oomdoc.facts.case import Case
from oomdoc.facts.fact import TRUST, UNKNOWN, How, Known
from oomdoc.facts.model import Value
from oomdoc.history.recall import Recalled
from oomdoc.ingest.errors import InputError
from oomdoc.messages import reason
from oomdoc.remedies.remedy import Ladder, Remedy, remedies

_SCHEMA: Final = "oomdoc.report/"
_LARGEST: Final = 64 << 20
_KNOWN: Final = (How.ANSWERED, How.LIVE, How.LOG, How.COMMAND, How.CONFIG, How.TOLD)


def read_previous(name: str) -> dict[str, Any]:
    """A report as plain values. Raises InputError with one line that names the file, and the line where it can."""
    path = Path(name)
    try:
        if path.is_dir():
            raise InputError.of(name, "report_folder")
        if path.stat().st_size > _LARGEST:
            raise InputError.of(name, "report_large")
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError.because(name, reason(error)) from None
    except json.JSONDecodeError as error:
        raise InputError.of(f"{name}:{error.lineno}", "not_json_why", why=error.msg.lower()) from None
    except (UnicodeDecodeError, RecursionError):
        raise InputError.of(name, "not_json") from None
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if not isinstance(schema, str) or not schema.startswith(_SCHEMA):
        raise InputError.of(name, "no_report")
    if schema != f"{_SCHEMA}1":
        raise InputError.of(name, "report_version", schema=schema)
    try:
        _checked(raw)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError.of(name, "report_damaged") from None
    return dict(raw)


def tried_since(raw: Mapping[str, Any], case: Case, name: str) -> Recalled:
    """The remedies that moved between a report and a case, as one attempt after those that the report tells of."""
    if raw["verdict"]["outcome"] != "oom":
        return Recalled(note="no_failure", places=(("name", name),))
    earlier = tuple(_earlier(raw))
    before, now = _values(raw), values_of(case)
    moved = [(remedy, changes) for remedy in remedies().values() if (changes := _moved(remedy, before, now, raw, case))]
    if moved:
        sets = {fact: value for _, changes in moved for fact, value in changes.items()}
        aside = tuple(
            remedy.keeps
            for remedy, _ in moved
            if remedy.keeps and _number(before.get(remedy.keeps)) and remedy.keeps in now
            and not equal(before[remedy.keeps], now[remedy.keeps])
        )  # fmt: skip
        sets.update({fact: now[fact] for fact in aside})
        names = tuple(remedy.id for remedy, _ in moved)
        return Recalled((*earlier, _attempt(raw, name, case, sets, before, names, aside)))
    proposed = _proposed(raw, name, case, before)
    return Recalled((*earlier, *proposed), None if proposed else "unseen", (("name", name),))


def _moved(
    remedy: Remedy, before: Mapping[str, Value], now: Mapping[str, Value], raw: Mapping[str, Any], case: Case
) -> dict[str, Value]:
    """The facts by which the new run shows a remedy that the report's run did not have; empty where it shows none."""
    if remedy.saves_nothing:
        return {}
    for fact, ladder in remedy.levels.items():
        if fact not in now or not _stated(case, fact):
            continue
        value, was = now[fact], before.get(fact, UNKNOWN)
        down = not isinstance(ladder, Ladder) or ladder.factor < 1
        if _number(value) and (was is None or (_number(was) and ((value < was) if down else (value > was)))):  # type: ignore[operator]
            return {fact: value}
    wanted: dict[str, Value] = {fact: value for fact, value in remedy.sets.items() if value is not None}
    if not wanted or not all(fact in now and equal(now[fact], value) for fact, value in wanted.items()):
        return {}
    if not all(_stated(case, fact) for fact in wanted):
        return {}
    if all(fact in before for fact in wanted):
        return wanted if any(not equal(before[fact], value) for fact, value in wanted.items()) else {}
    offered = {str(one["id"]) for one in raw.get("remedies", ())}
    return wanted if remedy.id in offered and not any(fact in before for fact in wanted) else {}


def _proposed(raw: Mapping[str, Any], name: str, case: Case, before: Mapping[str, Value]) -> tuple[Attempt, ...]:
    """The report's first remedy that this run plainly does not have: advice that did not arrive is worth a word."""
    for one in raw.get("remedies", ()):
        sets = {fact: _plain(value) for fact, value in (one.get("sets") or {}).items() if value is not None}
        remedy = remedies().get(str(one["id"]))
        aside = (remedy.keeps,) if remedy and remedy.keeps and remedy.keeps in sets else ()
        attempt = _attempt(raw, name, case, sets, before, (str(one["id"]),), aside)
        if sets and any(effect.state == "not_in_force" for effect in effects(attempt, case)):
            return (attempt,)
    return ()


def _attempt(
    raw: Mapping[str, Any], name: str, case: Case, sets: Mapping[str, Value], before: Mapping[str, Value],
    names: Sequence[str], aside: Sequence[str],
) -> Attempt:  # fmt: skip
    verdict = raw["verdict"]
    step = before.get("run.step")
    native = {fact: found.source.native for fact in sets if (found := case.fact(fact)) and found.source.native}
    natives = tuple(_written(native[fact], value) for fact, value in sets.items()) if len(native) == len(sets) else ()
    return Attempt(
        name=name,
        sets=dict(sets),
        before={fact: before[fact] for fact in sets if fact in before},
        aside=tuple(aside),
        remedies=tuple(names),
        natives=natives,
        causes=tuple((str(one["cause"]), float(one["probability"])) for one in raw["findings"]),
        memory=verdict["memory"],
        phase=verdict["phase"],
        step=step if isinstance(step, int) else None,
        files=tuple(_files(raw)),
    )


def _earlier(raw: Mapping[str, Any]) -> Iterator[Attempt]:
    """What the report itself tells of earlier attempts; they are settled."""
    for one in (raw.get("history") or {}).get("attempts", ()):
        yield Attempt(
            name=one["known_from"],
            sets={fact: _plain(value) for fact, value in one["sets"].items()},
            before={fact: _plain(value) for fact, value in one["before"].items()},
            remedies=tuple(one["remedies"]),
            natives=tuple(one["native"]),
            causes=tuple(one["causes"].items()),
            memory=one["memory"],
            phase=one["phase"],
            step=one["step"],
            at=one["applied_at"],
            outcome=one["outcome"],
            seen={True: "in_force", False: "not_in_force"}.get(one["in_force"], "untold"),  # type: ignore[arg-type]
            told_by="report",
        )


def _values(raw: Mapping[str, Any]) -> dict[str, Value]:
    """The most trusted value of every fact of a report."""
    ranked = sorted(raw["facts"], key=lambda one: TRUST[How(one["source"]["how"])])
    found: dict[str, Value] = {}
    for one in ranked:
        found.setdefault(one["name"], _plain(one["value"]))
    return found


def _files(raw: Mapping[str, Any]) -> Iterator[str]:
    told = (one["source"] for one in raw["facts"] if one["source"]["how"] in (How.COMMAND, How.CONFIG))
    names = dict.fromkeys(source.get("file") for source in told)
    return (name.replace("\\", "/").rsplit("/", 1)[-1] for name in names if name)


def _checked(raw: Mapping[str, Any]) -> None:
    """Touch everything that will be read; raises what a damaged report raises."""
    _values(raw), list(_files(raw)), list(_earlier(raw))
    str(raw["verdict"]["outcome"]), str(raw["verdict"]["memory"]), str(raw["verdict"]["phase"])
    [(str(one["cause"]), float(one["probability"])) for one in raw["findings"]]
    [(str(one["id"]), dict(one.get("sets") or {})) for one in raw.get("remedies", ())]


def _stated(case: Case, name: str) -> bool:
    fact = case.fact(name)
    return fact is not None and fact.source.how in _KNOWN


def _number(value: Known) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> Value:
    return tuple(value) if isinstance(value, list) else value


def _written(native: str, value: Value) -> str:
    """An option with its value, as a person would say it."""
    from oomdoc.facts.units import show

    return f"{native} {show('', value)}" if native.startswith("-") else f"{native}: {show('', value)}"
