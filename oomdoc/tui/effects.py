"""What the dialogue asks to have done, started: each errand is a turn of its own, and its end is told."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from textual.worker import get_current_worker

from oomdoc.messages import say
from oomdoc.tui.news import Turn
from oomdoc.tui.turns import Progress, Stopped

if TYPE_CHECKING:
    from oomdoc.chat.reply import Effect, Outcome
    from oomdoc.tui.app import DoctorApp

_NICE: Final = 5
_LOOK: Final = 0.1


def carry_out(app: "DoctorApp", effect: "Effect") -> None:
    """Start one effect."""
    if effect.kind == "read":
        app.read_more(effect.paths, at_once=True)
    elif effect.kind == "watch":
        if effect.paths and Path(effect.paths[0]).is_file():
            app.follow_log(effect.paths[0], is_told=True)
        else:
            app.perform("case.watch")
    elif effect.kind == "quit":
        app.leave()
    else:
        told = say(app.language, f"tui.doing_{effect.kind}")
        app.turns.submit(told, lambda progress: _errand(app, effect, progress), at_once=True)


def _errand(app: "DoctorApp", effect: "Effect", progress: Progress) -> Turn:
    from oomdoc.chat.carry import carry_out as do
    from oomdoc.chat.reply import Outcome

    def work() -> Outcome:
        try:
            return do(app.doctor.talk, effect, lambda stage, _: progress(stage, 0, 0), app.doctor.python)
        except Stopped:
            return Outcome(None)

    if effect.kind not in {"dry_run", "probe"}:
        return app.doctor.done(effect, work())
    worker = get_current_worker()
    return app.doctor.done(effect, gently(work, lambda: worker.is_cancelled) or Outcome(None))


def gently(work: "Callable[[], Outcome]", stopped: Callable[[], bool]) -> "Outcome | None":
    """Do work that only waits for a process, in a thread whose processes give way to the room's own keys; None as soon
    as it is `stopped`: the work then ends by itself at its next sign of life.

    On Linux niceness belongs to a thread and is inherited by the processes it starts; it cannot be taken back, hence
    the thread. The work itself must not compute: a thread that has to give way would hold the interpreter's lock.
    """
    ended: list[Any] = []

    def run() -> None:
        if sys.platform == "linux":
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            ended.append(work())
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run, name="oomdoc-errand", daemon=True)
    thread.start()
    while thread.is_alive():
        if stopped():
            return None
        thread.join(_LOOK)
    outcome = ended[0]
    if isinstance(outcome, BaseException):
        raise outcome
    return cast("Outcome", outcome)
