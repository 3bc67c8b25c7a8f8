"""The database: one row for each log that was diagnosed, one for each change applied after it, and how that went.

Paths are kept as keys and, for people, masked; texts of logs are not kept at all.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from oomdoc.messages import Language, reason, said, say, told

VERSION: Final = 1
_SCHEMA: Final = """
create table diagnoses (id integer primary key autoincrement, at real not null, oomdoc text not null,
  place text not null, places text not null, folder text not null, log text not null, print text not null,
  head text not null, head_bytes integer not null, size integer not null, lines integer not null, line integer,
  outcome text not null, memory text not null, phase text not null, step integer, framework text, model text,
  causes text not null, configs text not null);
create unique index diagnoses_by_log on diagnoses (print, place);
create table fixes (id integer primary key autoincrement,
  diagnosis integer not null references diagnoses(id) on delete cascade, at real not null, journal text,
  sets text not null, before text not null, aside text not null, remedies text not null, natives text not null,
  predicted_bytes integer, outcome text, seen text, told_by integer, told_at real);
create index fixes_by_diagnosis on fixes (diagnosis);
"""
_BUSY_SECONDS: Final = 1.0
_MOST: Final = 2000  # diagnoses kept; those with a fix stay


class HistoryError(Exception):
    """The history cannot be used; `key` is a sentence of the section [history]."""

    def __init__(self, key: str, **places: object) -> None:
        super().__init__(say("en", f"history.{key}", **places))
        self.key, self.places = key, places

    def told(self, language: Language) -> str:
        """The sentence in one language."""
        return say(
            language, f"history.{self.key}", **{name: told(place, language) for name, place in self.places.items()}
        )


class Store:
    """One open database; every method raises HistoryError where it cannot be read or written."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, row: Mapping[str, Any]) -> int:
        """Put a diagnosis on disk, in the place of an earlier one of the same log; returns its id.

        One that a change was made for stays as it was: what is read beside the log now is the changed file.
        """
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        fresh = ", ".join(f"{name} = :{name}" for name in row)
        with self._writing():
            self._db.execute("begin immediate")
            known = "select id, exists (select 1 from fixes where diagnosis = d.id) from diagnoses d"
            found = self._db.execute(f"{known} where print = :print and place = :place", row).fetchone()
            if found is None:
                made = self._db.execute(f"insert into diagnoses ({names}) values ({marks})", row)  # noqa: S608 (ours)
                number = int(made.lastrowid or 0)
            else:
                number = int(found[0])
                if not found[1]:
                    self._db.execute(f"update diagnoses set {fresh} where id = {number}", row)  # noqa: S608
            if number % 64 == 0:
                self._db.execute(
                    "delete from diagnoses where id <= ? and id not in (select diagnosis from fixes)", (number - _MOST,)
                )
        return number

    def add_fix(self, row: Mapping[str, Any]) -> int:
        """Put an applied change on disk; returns its id."""
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        with self._writing():
            made = self._db.execute(f"insert into fixes ({names}) values ({marks})", row)  # noqa: S608
        return int(made.lastrowid or 0)

    def settle(self, fix: int, outcome: str, seen: str, told_by: int | None, at: float) -> None:
        """Keep how the run after a change went; `told_by` None: the person said so."""
        with self._writing():
            self._db.execute(
                "update fixes set outcome = ?, seen = ?, told_by = ?, told_at = ? where id = ?",
                (outcome, seen, told_by, at, fix),
            )

    def diagnoses(self, place: str | None = None) -> list[dict[str, Any]]:
        """All rows, the newest last; those of one folder and below where a place is given."""
        where, values = ("where instr(places, ?) > 0", (place,)) if place else ("", ())
        return self._rows(f"select * from diagnoses {where} order by at, id", values)  # noqa: S608

    def diagnosis(self, number: int) -> dict[str, Any] | None:
        """One row."""
        return next(iter(self._rows("select * from diagnoses where id = ?", (number,))), None)

    def of_place(self, whole: str, place: str) -> int | None:
        """The id under which a log is known already, by its print and the key of its folder."""
        rows = self._rows("select id from diagnoses where print = ? and place = ?", (whole, place))
        return int(rows[0]["id"]) if rows else None

    def fixes(self, diagnosis: int | None = None) -> list[dict[str, Any]]:
        """Changes, the oldest first, each with the row of the diagnosis it was made for under `of`."""
        where, values = ("where diagnosis = ?", (diagnosis,)) if diagnosis is not None else ("", ())
        found = self._rows(f"select * from fixes {where} order by at, id", values)  # noqa: S608
        return [{**fix, "of": self.diagnosis(fix["diagnosis"])} for fix in found]

    def forget(self, numbers: Sequence[int]) -> None:
        """Remove diagnoses and what was tried after them from disk, pages included."""
        with self._writing():
            self._db.executemany("delete from diagnoses where id = ?", [(number,) for number in numbers])
        with suppress(sqlite3.Error):
            self._db.execute("pragma wal_checkpoint(truncate)")

    def _rows(self, query: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        try:
            found = self._db.execute(query, values)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]
        except sqlite3.Error as error:
            raise _said(error) from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._db:
                yield
        except sqlite3.Error as error:
            raise _said(error) from None


@contextmanager
def opened(path: Path, *, write: bool) -> Iterator[Store | None]:
    """The database; None where there is none yet and nothing is to be written. Raises HistoryError."""
    if not write and not exists(path):
        yield None
        return
    try:
        if write:
            _private(path)
        db = sqlite3.connect(_address(path, write=write), timeout=_BUSY_SECONDS, uri=True)
    except (OSError, sqlite3.Error) as error:
        raise _said(error) from None
    try:
        yield Store(db) if _prepare(db, write=write) else None
    finally:
        db.close()


def _address(path: Path, *, write: bool) -> str:
    """The database as SQLite takes it; without side files where none can be made."""
    address = path.absolute().as_uri()
    if write:
        return address
    still = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    return f"{address}?immutable=1" if still else address


def exists(path: Path) -> bool:
    """Whether there is a database. Raises HistoryError where that may not even be looked at."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _said(error) from None
    return True


def remove(path: Path) -> bool:
    """Take the whole history from disk, damaged or not; False where there was none. Raises HistoryError."""
    there = exists(path)
    try:
        for name in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))):
            name.unlink(missing_ok=True)
    except OSError as error:
        raise _said(error) from None
    return there


def _private(path: Path) -> None:
    """Only the user's own before SQLite writes a byte; its side files take the mode of the database."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(handle).st_mode & 0o077:
            with suppress(OSError):
                os.fchmod(handle, 0o600)
    finally:
        os.close(handle)


def _prepare(db: sqlite3.Connection, *, write: bool) -> bool:
    """Whether there are tables to use; they are made where something is to be written."""
    try:
        version = int(db.execute("pragma user_version").fetchone()[0])
        if version > VERSION:
            raise HistoryError("newer")
        if not write:
            db.execute("pragma query_only = on")
            return version > 0
        if version == 0:
            _create(db)
        db.execute("pragma foreign_keys = on")
        db.execute("pragma secure_delete = on")
        db.execute("pragma synchronous = normal")  # a power cut may lose the last row, never the file
    except sqlite3.Error as error:
        raise _said(error) from None
    return True


def _create(db: sqlite3.Connection) -> None:
    """Make the tables; of two processes that come first, one does."""
    with db:
        db.execute("begin immediate")
        if int(db.execute("pragma user_version").fetchone()[0]) == 0:
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"pragma user_version = {VERSION}")
    with suppress(sqlite3.Error):  # kept by the file; a process that comes second may find it locked
        db.execute("pragma journal_mode = wal")


def _said(error: Exception) -> HistoryError:
    """What went wrong, as one of the sentences."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return HistoryError("busy")
    if isinstance(error, OSError):
        return HistoryError("unwritable", reason=reason(error))
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        key = "read_only" if primary == sqlite3.SQLITE_READONLY else "not_opened"
        return HistoryError("unwritable", reason=said(f"history.{key}"))
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
        return HistoryError("damaged", reason=str(error))
    return HistoryError("failed", reason=str(error))
