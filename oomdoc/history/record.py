"""What is kept of a diagnosis, of a change applied after it, and of how the next run went."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from oomdoc import __version__
from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.facts.case import Case
from oomdoc.facts.fact import UNKNOWN
from oomdoc.facts.model import Value
from oomdoc.history.place import Print, database, key_of, logs_of, places_of, print_of, wanted
from oomdoc.history.store import Store, opened
from oomdoc.report.mask import mask

if TYPE_CHECKING:
    from oomdoc.patch.way_out import Offer

_CAUSES: Final = 8
_LINES: Final = 3
_REPAIR: Final = "repair-command"


def keep(diagnosis: Diagnosis, configs: Sequence[str] = ()) -> int | None:
    """Put a diagnosis of log files on disk; None where it is of a pipe, or history is off. Raises HistoryError."""
    logs = logs_of(read_from(diagnosis.case))
    mark = print_of(logs) if logs and wanted() else None
    if mark is None:
        return None
    with opened(database(), write=True) as store:
        assert store is not None
        number = store.add(_row(diagnosis, logs, mark, configs))
        _settle(store, diagnosis, number)
    return number


def keep_offer(diagnosis: Diagnosis, configs: Sequence[str], offer: "Offer", journal: str) -> int | None:
    """Keep that one of the plans of `oomdoc fix` was written; repairs set what their options mean."""
    named = [option.remedy.id for option in offer.plan.options] if offer.plan else []
    named += [step.remedy.id for step in offer.steps]
    natives = tuple(dict.fromkeys(made.native for made in offer.edits.made))
    sets = offer.changes
    if not sets:
        natives, sets = _repaired(offer)
    return keep_fix(
        diagnosis, configs, journal=journal, sets=sets, remedies=named or [_REPAIR], natives=natives,
        predicted_bytes=offer.plan.weight.device if offer.plan else None,
    )  # fmt: skip


def _repaired(offer: "Offer") -> tuple[tuple[str, ...], dict[str, Value]]:
    """The lines that a repair changed, and the facts that only the repaired files state."""
    from oomdoc.ingest.settings import ingest_settings
    from oomdoc.ingest.syntax.detect import parse

    def stated(texts: Sequence[tuple[str, str]]) -> dict[str, Value]:
        said = ingest_settings([parse(text, name) for text, name in texts])
        return {fact.name: fact.value for fact in reversed(said.facts) if fact.source.status == "explicit"}

    files = offer.edits.files
    before = stated([(edit.original.text, edit.original.name) for edit in files])
    after = stated([(edit.text, edit.original.name) for edit in files])
    added = [line[1:].strip(" \\\t") for edit in files for line in edit.diff.splitlines()[2:] if line.startswith("+")]
    return tuple(added[:_LINES]), {name: value for name, value in after.items() if before.get(name) != value}


def keep_fix(
    diagnosis: Diagnosis,
    configs: Sequence[str],
    *,
    journal: str,
    sets: Mapping[str, Value],
    remedies: Sequence[str],
    natives: Sequence[str] = (),
    predicted_bytes: int | None = None,
) -> int | None:
    """Keep that a plan was written after this diagnosis; `journal` is the id that undo takes. Raises HistoryError."""
    from oomdoc.remedies.remedy import remedies as all_remedies  # only an applied plan needs them

    number = keep(diagnosis, configs)
    if number is None:
        return None
    known, base = diagnosis.case, all_remedies()
    aside = [keeps for name in remedies if name in base and (keeps := base[name].keeps)]
    before = {name: value for name in sets if (value := known.value(name)) is not UNKNOWN}
    row = {
        "diagnosis": number, "at": time.time(), "journal": journal, "sets": _text(sets), "before": _text(before),
        "aside": _text(aside), "remedies": _text(list(remedies)),
        "natives": _text([mask(native) for native in natives]), "predicted_bytes": predicted_bytes,
    }  # fmt: skip
    with opened(database(), write=True) as store:
        assert store is not None
        return store.add_fix(row)


def keep_plan(
    diagnosis: Diagnosis, files: Sequence[str], plan: Any, *, journal: str, natives: Sequence[str]
) -> int | None:
    """Keep that a plan of the conversation was written into these files; its sets, remedies and peak are taken."""
    return keep_fix(
        diagnosis, files, journal=journal, sets=plan.sets, remedies=plan.remedies, natives=natives,
        predicted_bytes=plan.device_bytes,
    )  # fmt: skip


def keep_word(journal: str, *, works: bool) -> bool:
    """Keep the person's word on a change that was applied; False where the history does not know it."""
    if not wanted():
        return False
    with opened(database(), write=True) as store:
        assert store is not None
        fixes = [fix for fix in store.fixes() if fix["journal"] == journal]
        for fix in fixes:
            store.settle(fix["id"], "passed" if works else "failed", "untold", None, time.time())
    return bool(fixes)


def read_from(case: Case) -> list[str]:
    """The names of the logs that tell how the run ended: those with its failure, else all."""
    names = [read.name for read in case.inputs if read.kind == "log"]
    failed = {event.file for event in case.events if event.fatal}
    return [name for name in names if name in failed] or names


def _settle(store: Store, diagnosis: Diagnosis, number: int) -> None:
    """What this run has shown about the changes before it."""
    tried = [one for one in diagnosis.aftermath.followed if one.now] if diagnosis.aftermath else []
    if not tried:
        return
    from oomdoc.engine.aftermath import SETTLED  # loaded where something was tried

    known = {fix["id"]: fix for fix in store.fixes()}
    for one in tried:
        fix = known.get(one.attempt.key)
        if fix is None:
            continue
        if one.became in SETTLED or fix["outcome"] not in SETTLED or fix["told_by"] == number:
            store.settle(fix["id"], one.became, one.seen, number, time.time())


def _row(diagnosis: Diagnosis, logs: Sequence[Path], mark: Print, configs: Sequence[str]) -> dict[str, Any]:
    case, verdict = diagnosis.case, diagnosis.verdict
    folder = logs[0].absolute().parent
    places = places_of(folder)
    step = case.value("run.step")
    return {
        "at": time.time(), "oomdoc": __version__, "place": places[0], "places": " ".join(places),
        "folder": mask(str(folder)), "log": mask(", ".join(log.name for log in logs[:4])),
        "print": mark.whole, "head": mark.head, "head_bytes": mark.head_bytes, "size": mark.size,
        "lines": sum(read.lines for read in case.inputs if read.kind == "log"),
        "line": verdict.event.line if verdict.event else None,
        "outcome": verdict.outcome, "memory": verdict.memory, "phase": verdict.phase,
        "step": step if isinstance(step, int) else None,
        "framework": _word(case, "framework.name"), "model": _word(case, "model.name"),
        "causes": _text([
            {"cause": found.rule.cause, "rule": found.rule.path, "standing": found.standing,
             "probability": found.probability}
            for found in diagnosis.findings[:_CAUSES]
        ]),
        "configs": _text([
            {"name": mask(Path(name).name), "key": key_of(Path(name)), "print": found.whole}
            for name in configs if (found := print_of([Path(name)]))
        ]),
    }  # fmt: skip


def _word(case: Case, name: str) -> str | None:
    value = case.value(name)
    return mask(value) if isinstance(value, str) else None


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        value = {name: mask(one) if isinstance(one, str) else one for name, one in value.items()}
    return json.dumps(value, ensure_ascii=False)
