"""Work for the doctor, one piece at a time and in order, each in a thread that only posts what it found."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.worker import Worker, get_current_worker

from oomdoc.messages import say
from oomdoc.tui.news import Answered, Failed, Progressed, Turn

if TYPE_CHECKING:
    from oomdoc.tui.room import Room

Progress = Callable[[str, int, int], None]


class Stopped(Exception):  # noqa: N818 (it is no failure: the person stopped the work)
    """Raised inside work that was stopped."""


@dataclass(frozen=True)
class Work:
    """What to do; `told` names it while it runs."""

    told: str
    do: Callable[[Progress], Turn]


class Turns:
    """A queue with one worker."""

    def __init__(self, app: "Room") -> None:
        self._app = app
        self._waiting: deque[Work] = deque()
        self._worker: Worker[None] | None = None
        self.now: Work | None = None
        self.started = 0.0
        self.served = 0

    @property
    def busy(self) -> bool:
        """Whether something runs."""
        return self.now is not None

    def submit(self, told: str, do: Callable[[Progress], Turn], *, at_once: bool = False) -> None:
        """Do this after what waits already, or `at_once` before it: what an answer asks for belongs to its turn, and
        what was typed behind it is said after its end."""
        if at_once:
            self._waiting.appendleft(Work(told, do))
        else:
            self._waiting.append(Work(told, do))
        self._next()

    def finished(self) -> None:
        """The app has taken the answer: on to the next."""
        self.now = self._worker = None
        self.served += 1
        self._next()

    def stop(self) -> bool:
        """Stop what runs and forget what waits; False where nothing runs."""
        self._waiting.clear()
        if self._worker is None:
            return False
        self._worker.cancel()
        return True

    def _next(self) -> None:
        if self.now is None and self._waiting:
            work = self.now = self._waiting.popleft()
            self.started = time.monotonic()
            self._worker = self._app.run_worker(
                lambda: self._run(work), thread=True, group="doctor", exit_on_error=False
            )

    def _run(self, work: Work) -> None:
        from oomdoc.ingest.errors import InputError

        worker = get_current_worker()

        def progress(name: str, done: int, total: int) -> None:
            if worker.is_cancelled:
                raise Stopped
            self._app.post_message(Progressed(name, done / total if total else None))

        try:
            turn = work.do(progress)
        except Stopped:
            self._app.post_message(Failed(""))
        except InputError as error:
            self._app.post_message(Failed(str(error)))
        except Exception as error:
            told = f"{type(error).__name__}: {error}".splitlines()[0]
            self._app.post_message(Failed(say(self._app.language, "session.defect", error=told)))
        else:
            self._app.post_message(Answered(turn))  # also where it was to stop: it is done, and must not look undone
