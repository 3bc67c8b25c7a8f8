"""The journal of a conversation: SQLite in the user's state folder, every turn on disk before its reply is shown."""

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oomdoc.chat.hold import Hold

_SCHEMA: Final = """
create table if not exists sessions (id integer primary key, folder text not null, language text not null,
  started real not null);
create table if not exists turns (id integer primary key, session integer not null references sessions(id),
  kind text not null, said text not null, detail text not null, at real not null);
create index if not exists turns_by_session on turns (session, id);
create table if not exists states (session integer primary key references sessions(id), state text not null);
create table if not exists cases (session integer not null references sessions(id), number integer not null,
  data blob not null, primary key (session, number));
"""
_BUSY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One journalled turn: `kind` is open, say, take, fact or done; `detail` plain JSON values."""

    kind: str
    said: str
    detail: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class Earlier:
    """A conversation of this folder that could be taken up: how many turns it has, and when it was last heard."""

    turns: int
    at: float


def state_folder() -> Path:
    """XDG_STATE_HOME/oomdoc, or ~/.local/state/oomdoc."""
    top = os.environ.get("XDG_STATE_HOME")
    return (Path(top) if top else Path.home() / ".local" / "state") / "oomdoc"


class Journal:
    """Turns of one session. Where nothing can be written (read-only home), it keeps them in memory and says so in
    `note`. Two programs may write at once: each has its own session, and nobody resumes one that is open elsewhere."""

    def __init__(self, path: Path | None = None, *, folder: Path | None = None, language: str = "en") -> None:
        self.note: str | None = None
        self._folder = str((folder or Path.cwd()).absolute())
        self._path: Path | None = path or state_folder() / "journal.sqlite3"
        self._db = self._connect(self._path)
        self._language = language
        self._session: int | None = None
        self._hold: Hold | None = None
        self.resumed = False
        self.open_elsewhere = False

    @property
    def session(self) -> int:
        """The id of the running session; made when the first turn is written."""
        if self._session is None:
            with self._db:
                made = self._db.execute(
                    "insert into sessions (folder, language, started) values (?, ?, ?)",
                    (self._folder, self._language, time.time()),
                )
            self._session = int(made.lastrowid or 0)
            self._hold = self._held(self._session)
        return self._session

    @property
    def is_on_disk(self) -> bool:
        """Whether the turns outlive the program."""
        return self._path is not None and self.note is None

    def write(
        self,
        kind: str,
        said: str,
        detail: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
        cases: Mapping[int, str] | None = None,
    ) -> None:
        """Put one turn on disk, with the state after it and the cases that are new; a kill loses nothing of it.

        All of it or nothing: `state["cases"]` names the cases that are still needed, the others are removed.
        """
        try:
            row = (self.session, kind, said, json.dumps(detail or {}, ensure_ascii=False), time.time())
            with self._db:
                self._db.execute("insert into turns (session, kind, said, detail, at) values (?, ?, ?, ?, ?)", row)
                if state is not None:
                    self._put_state(state, cases or {})
        except sqlite3.Error as error:  # a full disk, a folder that went away: the talk goes on without it
            self.note = _reason(error)

    def _put_state(self, state: Mapping[str, Any], cases: Mapping[int, str]) -> None:
        data = json.dumps(state, ensure_ascii=False)
        self._db.execute("insert or replace into states (session, state) values (?, ?)", (self.session, data))
        for number, text in cases.items():
            packed = zlib.compress(text.encode("utf-8", "surrogatepass"), 1)
            self._db.execute(
                "insert or replace into cases (session, number, data) values (?, ?, ?)", (self.session, number, packed)
            )
        needed = [int(number) for number in state.get("cases", ())]
        if cases and needed:
            marks = ",".join("?" * len(needed))
            self._db.execute(
                f"delete from cases where session = ? and number not in ({marks})",  # noqa: S608 (question marks only)
                (self.session, *needed),
            )

    def turns(self) -> list[Turn]:
        """All finished turns of this session, oldest first."""
        rows = self._db.execute(
            "select kind, said, detail, at from turns where session = ? order by id", (self.session,)
        ).fetchall()
        return [Turn(kind, said, json.loads(detail), at) for kind, said, detail, at in rows]

    def state(self) -> dict[str, Any] | None:
        """The state after the last turn; None for a session that has none."""
        row = self._db.execute("select state from states where session = ?", (self.session,)).fetchone()
        return dict(json.loads(row[0])) if row else None

    def case(self, number: int) -> str:
        """A case of this session as JSON; KeyError where it is not kept."""
        row = self._db.execute(
            "select data from cases where session = ? and number = ?", (self.session, number)
        ).fetchone()
        if row is None:
            raise KeyError(number)
        return zlib.decompress(row[0]).decode("utf-8", "surrogatepass")

    def pasted(self, number: int) -> str | None:
        """The text of the paste of a number."""
        row = self._db.execute(
            "select said from turns where session = ? and kind = 'say' and json_extract(detail, '$.paste') = ?",
            (self.session, number),
        ).fetchone()
        return str(row[0]) if row else None

    def earlier(self) -> Earlier | None:
        """The newest conversation of this folder in which something was said and that no other program holds."""
        row = self._db.execute(
            "select s.id, count(*), max(t.at) from sessions s join turns t on t.session = s.id "
            "where s.folder = ? and t.kind in ('say', 'fact') and s.id is not ? group by s.id "
            "order by s.id desc limit 1",
            (self._folder, self._session),
        ).fetchone()
        if row is None or self._is_held(int(row[0])):
            return None
        return Earlier(int(row[1]), float(row[2]))

    def resume(self) -> bool:
        """Continue the newest session of this folder in which something was said; False where there is none, or (then
        `open_elsewhere`) where another program has it open."""
        row = self._db.execute(
            "select s.id from sessions s where s.folder = ? and exists (select 1 from turns where session = s.id "
            "and kind <> 'open') order by s.id desc limit 1",
            (self._folder,),
        ).fetchone()
        if row is None:
            return False
        hold = self._held(int(row[0]))
        if hold is not None and not hold.is_ours:
            self.open_elsewhere = True
            return False
        self._session, self._hold = int(row[0]), hold
        self.resumed = True
        return True

    def forget(self) -> None:
        """Remove this session and its turns from disk, pages included."""
        if self._session is None:
            return
        with self._db:
            for table in ("turns", "states", "cases"):
                self._db.execute(f"delete from {table} where session = ?", (self._session,))  # noqa: S608
            self._db.execute("delete from sessions where id = ?", (self._session,))
        with suppress(sqlite3.Error):
            self._db.execute("pragma wal_checkpoint(truncate)")
        self._let_go()
        self._session = None

    def close(self) -> None:
        """Close the file."""
        self._let_go()
        self._db.close()

    def _let_go(self) -> None:
        if self._hold is not None:
            self._hold.release()
            self._hold = None

    def _held(self, session: int) -> Hold | None:
        return Hold(self._path.with_name(f"{self._path.name}-{session}.open")) if self._path is not None else None

    def _is_held(self, session: int) -> bool:
        hold = self._held(session)
        if hold is None:
            return False
        ours = hold.is_ours
        hold.release()
        return not ours

    def _connect(self, path: Path) -> sqlite3.Connection:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # private before SQLite writes a byte
            os.close(handle)
            return self._prepared(sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False))
        except (OSError, sqlite3.Error) as error:
            self.note = _reason(error)
            self._path = None
            return self._prepared(sqlite3.connect(":memory:", check_same_thread=False))

    @staticmethod
    def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")  # a turn is on disk, not in a cache, before its reply is shown
        db.execute("pragma secure_delete = on")
        db.executescript(_SCHEMA)
        return db


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).lower()
