"""The history as text and as JSON (schema `oomdoc.history/1`); what was taken back is asked from the journal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from oomdoc.engine.rule import rules
from oomdoc.facts.units import show, size
from oomdoc.messages import Language, say
from oomdoc.report.layout import wrap
from oomdoc.report.mask import mask

Row = Mapping[str, Any]


def entries_json(found: Sequence[tuple[Row, Sequence[Row]]], undone: frozenset[str]) -> dict[str, Any]:
    """Rows with what followed, as plain values."""
    return {"schema": "oomdoc.history/1", "entries": [_entry(row, fixes, undone) for row, fixes in found]}


def _entry(row: Row, fixes: Sequence[Row], undone: frozenset[str]) -> dict[str, Any]:
    return {
        "id": row["id"], "at": _time(row["at"]), "oomdoc": row["oomdoc"], "folder": row["folder"], "log": row["log"],
        "log_print": row["print"], "log_bytes": row["size"],
        "verdict": {"outcome": row["outcome"], "memory": row["memory"], "phase": row["phase"]},
        "step": row["step"], "framework": row["framework"], "model": row["model"],
        "causes": json.loads(row["causes"]),
        "configs": [{"name": one["name"], "print": one["print"]} for one in json.loads(row["configs"])],
        "fixes": [
            {"at": _time(fix["at"]), "change": fix["journal"], "sets": json.loads(fix["sets"]),
             "before": json.loads(fix["before"]), "remedies": json.loads(fix["remedies"]),
             "native": json.loads(fix["natives"]), "predicted_bytes": fix["predicted_bytes"],
             "undone": fix["journal"] in undone, "outcome": fix["outcome"], "in_force": fix["seen"],
             "told_by": fix["told_by"], "told_at": _time(fix["told_at"]) if fix["told_at"] else None}
            for fix in fixes
        ],
    }  # fmt: skip


def entries_text(
    found: Sequence[tuple[Row, Sequence[Row]]], undone: frozenset[str], language: Language, columns: int, *, wide: bool
) -> str:
    """Two lines an entry and more where something followed; `wide` names the folders too."""
    lines: list[str] = []
    number = max((len(str(row["id"])) for row, _ in found), default=1)
    for row, fixes in found:
        indent = " " * (number + 2)
        where = f"{row['folder']}/{row['log']}" if wide else row["log"]
        lines += wrap(mask(f"{row['id']:>{number}}  {_shown(row['at'])}  {where}"), columns, "", indent)
        lines += wrap(mask(_found(row, language)), columns, indent, indent + "  ")
        for fix in fixes:
            lines += wrap(mask(_followed(fix, undone, language)), columns, f"{indent}-> ", f"{indent}   ")
    return "\n".join(lines) + "\n"


def entry_text(row: Row, fixes: Sequence[Row], undone: frozenset[str], language: Language, columns: int) -> str:
    """Everything that is kept of one diagnosis."""
    return "\n".join(_details(row, fixes, undone, language, columns)) + "\n"


def _details(row: Row, fixes: Sequence[Row], undone: frozenset[str], language: Language, columns: int) -> Iterator[str]:
    colon = say(language, "mark.colon")

    def line(key: str, text: str) -> Iterator[str]:
        return wrap(mask(f"{say(language, f'history.{key}')}{colon}{text}"), columns, "", "  ")

    yield from line("id", str(row["id"]))
    yield from line("when", _shown(row["at"]))
    yield from line("log", f"{row['log']} ({size(row['size'])})")
    yield from line("folder", row["folder"])
    configs = ", ".join(one["name"] for one in json.loads(row["configs"]))
    if configs:
        yield from line("configs", configs)
    yield from line("verdict", _verdict(row, language))
    for cause in json.loads(row["causes"]):
        yield from line("cause", _cause(cause, language))
    for fix in fixes:
        yield ""
        yield from line("fix", _changes(fix))
        yield from line("when", _shown(fix["at"]))
        before = json.loads(fix["before"])
        for name, value in json.loads(fix["sets"]).items():
            was = f"{show(name, before[name])} -> " if name in before else ""
            yield from wrap(mask(f"{name}: {was}{show(name, value)}"), columns, "  ", "    ")
        if fix["predicted_bytes"]:
            yield from line("predicted", size(fix["predicted_bytes"]))
        if fix["journal"]:
            yield from line("undo_id", fix["journal"])
        yield from line("after", _became(fix, undone, language))


def _found(row: Row, language: Language) -> str:
    colon = say(language, "mark.colon")
    causes = json.loads(row["causes"])
    return _verdict(row, language) + (f"{colon}{_cause(causes[0], language)}" if causes else "")


def _verdict(row: Row, language: Language) -> str:
    key = f"oom_{row['memory']}" if row["outcome"] == "oom" else row["outcome"]
    joint = say(language, "mark.comma")
    told = say(language, f"verdict.{key}")
    return told + (joint + say(language, f"phase.{row['phase']}") if row["outcome"] == "oom" else "")


def _cause(cause: Row, language: Language) -> str:
    title = next((rule.title[language] for rule in rules() if rule.path == cause["rule"]), cause["cause"])
    standing = say(language, f"standing.{cause['standing']}")
    told = say(language, "report.standing_with", standing=standing, percent=round(100 * cause["probability"]))
    return f"{title} [{cause['cause']}]" + say(language, "mark.aside", text=told)


def _followed(fix: Row, undone: frozenset[str], language: Language) -> str:
    colon = say(language, "mark.colon")
    return f"{_shown(fix['at'])}  {_changes(fix)}{colon}{_became(fix, undone, language)}"


def _changes(fix: Row) -> str:
    sets = json.loads(fix["sets"])
    return ", ".join(json.loads(fix["natives"]) or [f"{name} = {show(name, value)}" for name, value in sets.items()])


def _became(fix: Row, undone: frozenset[str], language: Language) -> str:
    joint = say(language, "mark.semicolon")
    told = say(language, f"aftermath.{fix['outcome']}" if fix["outcome"] else "history.open")
    if fix["outcome"]:
        key = "history.told_by" if fix["told_by"] else "history.told_by_person"
        told += joint + say(language, key, id=fix["told_by"])
    return told + (joint + say(language, "history.undone") if fix["journal"] in undone else "")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _shown(at: float) -> str:
    return _time(at)[:16].replace("T", " ")
