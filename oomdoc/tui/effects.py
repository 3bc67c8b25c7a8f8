"""What the dialogue asks to have done: read, watch, apply, prove, export. Each runs as a turn and reports its end."""

from pathlib import Path
from typing import TYPE_CHECKING

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
