"""What the dialogue asks to have done, started: each errand is a turn of its own, and its end is told."""

from pathlib import Path
from typing import TYPE_CHECKING

from oomdoc.messages import say
from oomdoc.tui.news import Turn
from oomdoc.tui.turns import Progress, Stopped

if TYPE_CHECKING:
    from oomdoc.chat.reply import Effect
    from oomdoc.tui.app import DoctorApp


def carry_out(app: "DoctorApp", effect: "Effect") -> None:
    """Start one effect."""
    if effect.kind == "read":
        app.read_more(effect.paths)
    elif effect.kind == "watch":
        if effect.paths and Path(effect.paths[0]).is_file():
            app.follow_log(effect.paths[0])
        else:
            app.perform("case.watch")
    elif effect.kind == "quit":
        app.leave()
    else:
        app.turns.submit(say(app.language, f"tui.doing_{effect.kind}"), lambda progress: _errand(app, effect, progress))


def _errand(app: "DoctorApp", effect: "Effect", progress: Progress) -> Turn:
    from oomdoc.chat.carry import carry_out as do
    from oomdoc.chat.reply import Outcome

    try:
        outcome = do(app.doctor.talk, effect, lambda stage, _: progress(stage, 0, 0), app.doctor.python)
    except Stopped:
        outcome = Outcome(None)
    return app.doctor.done(effect, outcome)
