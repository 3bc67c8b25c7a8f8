"""The settings of a run as a table and as JSON (schema `oomdoc.settings/1`, which only grows)."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import PurePath

from oomdoc.facts.fact import TRUST, Fact, How
from oomdoc.facts.model import Value
from oomdoc.ingest.settings import SettingsRead
from oomdoc.ingest.translate import Reading
from oomdoc.messages import Language, say, told
from oomdoc.report.layout import clip, pad, width
from oomdoc.report.mask import mask

SCHEMA = "oomdoc.settings/1"
_WIDEST = (46, 34, 40, 60)


def as_json(read: SettingsRead, language: Language) -> str:
    """One JSON object: framework, settings with their place and whether they are in force, derived facts, issues."""
    force = _in_force(read)
    match = read.match
    body = {
        "schema": SCHEMA,
        "framework": match
        and {
            "name": match.name,
            "title_id": match.id,
            "version": match.version,
            "assumed": match.assumed,
            "confidence": match.confidence,
            "evidence": [asdict(evidence) for evidence in match.evidence],
        },
        "settings": [
            {
                "native": row.native,
                "written": mask(row.written),
                "fact": row.fact.name if row.fact else None,
                "value": _masked(row.fact.value) if row.fact else None,
                "how": row.fact.source.how.value if row.fact else None,
                "status": row.status,
                "in_force": bool(row.fact and force.get(row.fact.name) is row.fact),
                "file": row.file and mask(row.file),
                "line": row.line,
                "note": row.note_zh if language == "zh" else row.note_en,
            }
            for row in read.readings
        ],
        "derived": [
            {"fact": fact.name, "value": _masked(fact.value), "from": list(fact.source.derived_from)}
            for fact in _derived(read)
        ],
        "issues": [
            {
                "kind": issue.kind,
                "native": issue.native,
                "suggestion": issue.suggestion,
                "file": issue.file and mask(issue.file),
                "line": issue.line,
                "fact": issue.fact,
                "stayed": issue.stayed,
                "sentence": mask(issue.zh if language == "zh" else issue.en),
            }
            for issue in read.issues
        ],
        "notes": [mask(told(note, language)) for note in read.notes],
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def as_text(read: SettingsRead, language: Language, *, everything: bool = False) -> str:
    """The table native name | canonical | value | where from, then what did not arrive."""
    lines = [_headline(read, language), ""]
    for issue in read.issues:
        place = f"--> {issue.file}:{issue.line}  " if issue.file else ""
        lines.append(mask(f"! {place}{issue.zh if language == 'zh' else issue.en}"))
    lines += [mask(f"! {told(note, language)}") for note in read.notes]
    if read.issues or read.notes:
        lines.append("")
    titles = tuple(say(language, f"settings.{key}") for key in ("native", "canonical", "value", "where"))
    rows = [titles, *_rows(read, language, everything)]
    columns = [min(max(width(row[i]) for row in rows), _WIDEST[i]) for i in range(4)]
    for row in rows:
        cells = [pad(clip(cell, columns[i]), columns[i]) for i, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _headline(read: SettingsRead, language: Language) -> str:
    if read.match is None:
        return say(language, "settings.no_framework")
    signs = ", ".join(evidence.sign for evidence in read.match.evidence[:4])
    key = "settings.framework_assumed" if read.match.assumed else "settings.framework"
    return say(language, key, name=read.match.name, version=read.match.version, signs=signs)


def _rows(read: SettingsRead, language: Language, everything: bool) -> Iterator[tuple[str, str, str, str]]:
    force = _in_force(read)
    for row in read.readings:
        if row.fact is None:
            if everything:
                yield row.native, "", mask(row.written), _where(row, language)
            continue
        where = _where(row, language)
        winner = force[row.fact.name]
        if winner is not row.fact and winner.value != row.fact.value:
            where += " " + say(language, "settings.beaten", value=_shown(winner.value), how=_how(winner, language))
        yield row.native, row.fact.name, mask(_shown(row.fact.value)), where
    for fact in _derived(read):
        yield (
            "",
            fact.name,
            _shown(fact.value),
            say(language, "settings.from", names=", ".join(fact.source.derived_from)),
        )


def _derived(read: SettingsRead) -> list[Fact]:
    listed = {id(row.fact) for row in read.readings}
    hidden = {"framework.name", "framework.version", "framework.settings_issue", "framework.lost_settings"}
    return [fact for fact in read.facts if id(fact) not in listed and fact.name not in hidden]


def _in_force(read: SettingsRead) -> dict[str, Fact]:
    force: dict[str, Fact] = {}
    for fact in read.facts:
        held = force.get(fact.name)
        if held is None or TRUST[fact.source.how] < TRUST[held.source.how]:
            force[fact.name] = fact
    return force


def _where(row: Reading, language: Language) -> str:
    file = PurePath(row.file).name if row.file else ""
    place = f"{file}:{row.line}" if file and row.line else file
    if row.fact is not None and row.fact.source.how is How.DEFAULT and not row.file:
        source = row.fact.source
        version = (source.version or "").removesuffix(" (assumed)")
        mark = say(language, "settings.assumed_mark") if version != source.version else ""
        return say(language, "settings.default", name=source.framework or "", version=version) + mark
    word = say(language, f"settings.status_{row.status}")
    return mask(f"{word}, {place}" if place else word)


def _how(fact: Fact, language: Language) -> str:
    return say(language, f"settings.how_{fact.source.how.value}")


def _shown(value: Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _masked(value: Value) -> Value:
    return mask(value) if isinstance(value, str) else value
