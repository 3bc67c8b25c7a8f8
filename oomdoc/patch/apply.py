"""Writes a plan: all files or none, each whole, with a backup first and a journal that undo reads."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oomdoc.messages import Said, reason
from oomdoc.patch.document import Original, digest
from oomdoc.patch.edits import EditPlan, FileEdit
from oomdoc.patch.errors import PatchError
from oomdoc.patch.state import entries, locked, renamed, state_folder, temporary_of, write_json, written_beside


@dataclass(frozen=True, slots=True)
class Applied:
    """What was written: the id that undo takes, the files, the folder of the backups."""

    id: str
    files: tuple[str, ...]
    backup: Path


def apply(plan: EditPlan, *, note: str = "", folder: Path | None = None) -> Applied:
    """Replace every file of a plan atomically. Raises PatchError with nothing changed.

    Refused: symbolic and hard links, read-only files, files changed since they were read, a second process at work,
    a full disk. A process killed at any moment leaves each file either old or new, and undo restores all of them.
    """
    if not plan.files:
        for hand in plan.by_hand[:1]:
            native = hand.native or f"{hand.fact} = {hand.value}"
            raise PatchError("only_by_hand", native=native, why=Said(hand.why("en"), hand.why("zh")))
        raise PatchError("nothing")
    state = folder or state_folder()
    with locked(state):
        _sweep(state)
        for edit in plan.files:
            _check(edit)
        name = _new_id(state)
        backups = state / "backups" / name
        temporaries: list[Path] = []
        try:
            records = [_record(edit, backups, number) for number, edit in enumerate(plan.files)]
            for edit, record in zip(plan.files, records, strict=True):
                record["temporary"] = str(temporary_of(_path(edit).absolute(), name))
            entry = {"id": name, "time": datetime.now(UTC).isoformat(timespec="seconds"), "note": note,
                     "state": "begun", "made": [made.native for made in plan.made], "files": records}  # fmt: skip
            write_json(state / "journal" / f"{name}.json", entry)  # first: a killed process's files can be swept away
            for edit in plan.files:
                path = _path(edit).absolute()
                data, mode = edit.original.encoded(edit.text), path.stat().st_mode & 0o7777
                temporaries.append(written_beside(path, data, mode, mark=name))
        except OSError as error:
            _drop(temporaries)
            raise PatchError("no_room", file=plan.files[0].original.name, reason=reason(error)) from None
        except BaseException:
            _drop(temporaries)
            raise
        _replace(plan.files, temporaries, records)
        write_json(state / "journal" / f"{name}.json", {**entry, "state": "done"})
    return Applied(name, tuple(edit.original.name for edit in plan.files), backups)


def copies(plan: EditPlan, target: Path) -> list[Path]:
    """Write the changed files into a folder under their own names instead. Raises PatchError where one is there."""
    written = []
    target.mkdir(parents=True, exist_ok=True)
    for edit in plan.files:
        path = target / _path(edit).name
        try:
            with path.open("xb") as out:
                out.write(edit.original.encoded(edit.text))
        except FileExistsError:
            raise PatchError("exists", file=str(path)) from None
        except OSError as error:
            raise PatchError("no_room", file=str(path), reason=reason(error)) from None
        written.append(path)
    return written


def undo(name: str | None = None, *, folder: Path | None = None) -> Applied:
    """Restore the files of one change, the last by default. Raises PatchError where that would lose a later edit."""
    state = folder or state_folder()
    with locked(state):
        _sweep(state)
        entry = _entry(state, name)
        restored: list[tuple[Path, bytes]] = []
        for record in entry["files"]:
            path, data = Path(record["path"]), _backup(record)
            now = _now(path)
            if now == record["before"]:
                continue
            if now is not None and now != record["after"]:
                raise PatchError("changed_after", file=str(path))
            restored.append((path, data))
        try:
            mark = f"{entry['id']}-undo"
            _drop([temporary_of(path, mark) for path, _ in restored])
            temporaries = [written_beside(path, data, _mode(path), mark=mark) for path, data in restored]
        except OSError as error:
            raise PatchError("no_room", file=str(restored[0][0]), reason=reason(error)) from None
        for (path, _), temporary in zip(restored, temporaries, strict=True):
            try:
                renamed(temporary, path)
            except OSError as error:
                _drop(temporaries)
                raise PatchError("half", file=str(path), reason=reason(error)) from None
        write_json(state / "journal" / f"{entry['id']}.json", {**entry, "state": "undone"})
    return Applied(entry["id"], tuple(record["path"] for record in entry["files"]), state / "backups" / entry["id"])


def history(folder: Path | None = None) -> list[dict[str, Any]]:
    """The journal, the oldest change first."""
    return entries(folder or state_folder())


def settled(folder: Path | None = None) -> list[dict[str, Any]]:
    """The journal, oldest first, after what a killed process left behind was settled. Raises PatchError where another
    process is writing."""
    state = folder or state_folder()
    with locked(state):
        _sweep(state)
        return entries(state)


def in_force(documents: Sequence[Original], folder: Path | None = None) -> list[dict[str, Any]]:
    """The applied changes that these documents still hold, the oldest first: what was tried before this failure."""
    digests = {str(doc.path.absolute()): doc.digest for doc in documents if doc.path is not None}
    return [
        entry
        for entry in history(folder)
        if entry["state"] == "done" and any(digests.get(record["path"]) == record["after"] for record in entry["files"])
    ]


def _path(edit: FileEdit) -> Path:
    assert edit.original.path is not None
    return edit.original.path


def _check(edit: FileEdit) -> None:
    path, name = _path(edit), edit.original.name
    try:
        mode = path.lstat()
    except OSError as error:
        raise PatchError("unreadable", file=name, reason=reason(error)) from None
    if stat.S_ISLNK(mode.st_mode):
        raise PatchError("symlink", file=name)
    if not stat.S_ISREG(mode.st_mode):
        raise PatchError("not_regular", file=name)
    if mode.st_nlink > 1:
        raise PatchError("linked", file=name)
    if not mode.st_mode & stat.S_IWUSR or not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise PatchError("read_only", file=name)
    if digest(path.read_bytes()) != edit.original.digest:
        raise PatchError("changed", file=name)
    edit.original.encoded(edit.text)


def _record(edit: FileEdit, backups: Path, number: int) -> dict[str, str]:
    backups.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = _path(edit).absolute()
    data = path.read_bytes()
    kept = backups / f"{number}-{path.name}"
    renamed(written_beside(kept, data, 0o600), kept)
    after = digest(edit.original.encoded(edit.text))
    return {"path": str(path), "before": edit.original.digest, "after": after, "backup": str(kept)}


def _replace(edits: Sequence[FileEdit], temporaries: Sequence[Path], records: Sequence[dict[str, str]]) -> None:
    """All files or none: what was replaced before one fails is put back. Raises PatchError."""
    for number, (edit, temporary) in enumerate(zip(edits, temporaries, strict=True)):
        problem = _replaced(edit, temporary)
        if problem is not None:
            _drop(temporaries)
            _put_back(records[:number])
            raise problem


def _replaced(edit: FileEdit, temporary: Path) -> PatchError | None:
    """One file replaced, or why it was not."""
    try:
        if digest(_path(edit).read_bytes()) != edit.original.digest:  # the last moment to notice an editor's save
            return PatchError("changed", file=edit.original.name)
        renamed(temporary, _path(edit))
    except OSError as error:
        return PatchError("no_room", file=edit.original.name, reason=reason(error))
    return None


def _put_back(records: Sequence[dict[str, str]]) -> None:
    for record in records:
        path = Path(record["path"])
        try:
            renamed(written_beside(path, _backup(record), _mode(path), mark="back"), path)
        except OSError as error:
            raise PatchError("half", file=record["path"], reason=reason(error)) from None


def _sweep(state: Path) -> None:
    """Settle what a killed process left: its temporary files go, and the journal says whether its change was made."""
    for entry in entries(state):
        if entry.get("state") != "begun":
            continue
        _drop([Path(record["temporary"]) for record in entry["files"]])
        made = any(_now(Path(record["path"])) == record["after"] for record in entry["files"])
        write_json(state / "journal" / f"{entry['id']}.json", {**entry, "state": "done" if made else "failed"})


def _now(path: Path) -> str | None:
    """The fingerprint of a file as it is; None where it is gone."""
    try:
        return digest(path.read_bytes())
    except OSError:
        return None


def _drop(temporaries: Sequence[Path]) -> None:
    for temporary in temporaries:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _new_id(state: Path) -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    taken = {entry["id"] for entry in entries(state)}
    return next(name for number in range(1000) if (name := f"{stamp}-{number:03}") not in taken)


def _entry(state: Path, name: str | None) -> dict[str, Any]:
    known = entries(state)
    if name is not None:
        entry: dict[str, Any] | None = next((entry for entry in known if entry["id"] == name), None)
        if entry is None:
            raise PatchError("unknown_entry", id=name)
        if entry["state"] == "undone":
            raise PatchError("undone_already", id=name)
        return entry
    last: dict[str, Any]
    for last in reversed(known):
        if last["state"] == "done":
            return last
    raise PatchError("no_journal")


def _backup(record: dict[str, str]) -> bytes:
    try:
        data = Path(record["backup"]).read_bytes()
    except OSError:
        data = b""
    if digest(data) != record["before"]:
        raise PatchError("backup_lost", file=record["path"])
    return data


def _mode(path: Path) -> int | None:
    with suppress(OSError):
        return path.stat().st_mode & 0o7777
    return None
