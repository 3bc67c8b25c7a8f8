"""The journal of a conversation: SQLite in the user's state folder, every turn on disk before its reply is shown."""

import json
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SCHEMA: Final = """
create table if not exists sessions (id integer primary key, folder text not null, language text not null,
  started real not null);
create table if not exists turns (id integer primary key, session integer not null references sessions(id),
  kind text not null, said text not null, detail text not null, at real not null);
create index if not exists turns_by_session on turns (session, id);
"""
_BUSY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One journalled turn: `kind` is open, say, take, fact or done; `detail` plain JSON values."""

    kind: str
    said: str
    detail: Mapping[str, Any]
    at: float


def state_folder() -> Path:
    """XDG_STATE_HOME/oomdoc, or ~/.local/state/oomdoc."""
    top = os.environ.get("XDG_STATE_HOME")
    return (Path(top) if top else Path.home() / ".local" / "state") / "oomdoc"


class Journal:
    """Turns of one session. Where nothing can be written (read-only home), it keeps them in memory and says so in
    `note`. Two programs may write at once: each has its own session."""

    def __init__(self, path: Path | None = None, *, folder: Path | None = None, language: str = "en") -> None:
        self.note: str | None = None
        self._folder = str((folder or Path.cwd()).absolute())
        self._db = self._connect(path or state_folder() / "journal.sqlite3")
        self._language = language
        self._session: int | None = None
        self.resumed = False

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
        return self._session

    def write(self, kind: str, said: str, detail: Mapping[str, Any] | None = None) -> None:
        """Put one turn on disk; when this returns, a kill loses nothing of it."""
        row = (self.session, kind, said, json.dumps(detail or {}, ensure_ascii=False), time.time())
        try:
            with self._db:
                self._db.execute("insert into turns (session, kind, said, detail, at) values (?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:  # a full disk, a folder that went away: the talk goes on without it
            self.note = str(error)

    def turns(self) -> list[Turn]:
        """All finished turns of this session, oldest first."""
        rows = self._db.execute(
            "select kind, said, detail, at from turns where session = ? order by id", (self.session,)
        ).fetchall()
        return [Turn(kind, said, json.loads(detail), at) for kind, said, detail, at in rows]

    def resume(self) -> bool:
        """Continue the newest session of this folder that has turns; False where there is none."""
        row = self._db.execute(
            "select s.id from sessions s where s.folder = ? and exists (select 1 from turns where session = s.id) "
            "order by s.id desc limit 1",
            (self._folder,),
        ).fetchone()
        if row is None:
            return False
        self._session = int(row[0])
        self.resumed = True
        return True

    def forget(self) -> None:
        """Remove this session and its turns from disk, pages included."""
        if self._session is None:
            return
        with self._db:
            self._db.execute("delete from turns where session = ?", (self._session,))
            self._db.execute("delete from sessions where id = ?", (self._session,))
        with suppress(sqlite3.Error):
            self._db.execute("pragma wal_checkpoint(truncate)")
        self._session = None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _connect(self, path: Path) -> sqlite3.Connection:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # private before SQLite writes a byte
            os.close(handle)
            return self._prepared(sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False))
        except (OSError, sqlite3.Error) as error:
            self.note = str(error)
            return self._prepared(sqlite3.connect(":memory:", check_same_thread=False))

    @staticmethod
    def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")  # a turn is on disk, not in a cache, before its reply is shown
        db.execute("pragma secure_delete = on")
        db.executescript(_SCHEMA)
        return db
