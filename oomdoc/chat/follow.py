"""A log that is still being written: reads what is new, and says when memory grows or the run fails."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from oomdoc.messages import Language, say

_EVERY: Final = 0.5
_QUIET: Final = 1.0  # a traceback is written line by line: wait until it rests
_TAIL: Final = 512 << 10
_PIECE: Final = 4 << 20
_TREND_EVERY: Final = 5.0


@dataclass(frozen=True, slots=True)
class News:
    """What a followed log has brought; `kind` is grown (`told`: its bytes), trouble (a sentence), crash, finished (the
    run says that its work is done) or end (nothing more will be written). The run's own part begins at byte `since`."""

    kind: str
    path: str
    told: str = ""
    since: int = 0


class Follower:
    """Follows one file from its present end; `step` is one look, so that tests need no clock."""

    def __init__(self, path: str, language: Language, *, from_start: bool = False) -> None:
        self.path, self._language = path, language
        self._offset = self._since = 0 if from_start else _size(path)
        self._tail = b""
        self._fresh = b""
        self._grew_at = self._judged_at = 0.0
        self._told: set[str] = set()
        self._failed_at: float | None = None
        self._unread = False  # whether something came in which the run's end was not looked for

    def step(self, now: float) -> list[News]:
        """What is new since the last look."""
        grown = self._read()
        news: list[News] = []
        if grown:
            self._grew_at, self._unread = now, True
            if self._failed_at is None and _fails(self._fresh):
                self._failed_at = now
            # The last line may be half written: it is looked at again with what follows.
            self._fresh = self._fresh[self._fresh.rfind(b"\n") + 1 :]
            news.append(News("grown", self.path, str(self._offset)))
        if self._failed_at is not None and now - self._grew_at >= _QUIET:
            self._failed_at, self._unread = None, False
            news.append(News("crash", self.path, since=self._since))
            self._since = self._offset
        elif self._unread and now - self._grew_at >= _QUIET:
            self._unread = False
            if _finished(self._tail):
                news.append(News("finished", self.path))
        elif self._tail and now - self._judged_at >= _TREND_EVERY:
            self._judged_at = now
            news += self._trends()
        return news

    @property
    def waits(self) -> bool:
        """Whether a failure was seen that is still to be told."""
        return self._failed_at is not None

    def _read(self) -> bool:
        size = _size(self.path)
        if size < self._offset:  # a new run writes the same file
            self._offset, self._since, self._tail, self._fresh = 0, 0, b"", b""
            self._told.clear()
        if size == self._offset:
            return False
        with suppress(OSError), open(self.path, "rb") as log:  # noqa: PTH123 (a str, and read in a loop)
            log.seek(self._offset)
            data = log.read(_PIECE)
            self._offset += len(data)
            self._tail = (self._tail + data)[-_TAIL:]
            self._fresh += data
            return bool(data)
        return False

    def _trends(self) -> list[News]:
        from oomdoc.ingest import series
        from oomdoc.ingest.text import clean

        news = []
        for one in series.read(clean(self._tail, self.path)):
            if one.trend in {"leak", "rising"} and one.name not in self._told:
                self._told.add(one.name)
                told = say(
                    self._language, f"tui.watch_{one.trend}", name=one.name, last=_shown(one.points[-1][1], one.unit)
                )
                news.append(News("trouble", self.path, told))
        return news


def follow(
    follower: Follower,
    post: Callable[[News], object],
    stopped: Callable[[], bool],
    ended: Callable[[], bool] = lambda: False,
) -> None:
    """Look until stopped, or until `ended` says that nothing more will be written: then the end is news too."""
    while not stopped():
        is_last = ended()
        news = follower.step(time.monotonic())
        for one in news:
            post(one)
        if is_last and not news and not follower.waits:
            post(News("end", follower.path))
            return
        time.sleep(_EVERY)


def _fails(data: bytes) -> bool:
    from oomdoc.ingest.events import sightings
    from oomdoc.ingest.text import clean

    return any(one.event.kind == "oom" and one.event.fatal for one in sightings(clean(data, "")))


def _finished(data: bytes) -> bool:
    from oomdoc.ingest import finish
    from oomdoc.ingest.text import clean

    return bool(finish.read(clean(data, "")))


def _shown(value: int, unit: str) -> str:
    from oomdoc.facts.units import size

    return size(value) if unit == "bytes" else str(value)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 (called twice a second)
    except OSError:
        return 0
