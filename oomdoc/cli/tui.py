"""`oomdoc tui`: the room. `oomdoc` without a command opens it too."""

import sys
from pathlib import Path

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import is_chosen, preferred, say


@click.command(name="tui")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option("-c", "--config", "configs", multiple=True, metavar="CONFIG", help="Launch script or configuration file.")
@click.option("--watch", metavar="LOG", help="Follow this log and speak up.")
@click.option("--resume", is_flag=True, help="Continue this folder's last conversation.")
@click.option("--python", metavar="PATH", help="Environment of the training; else VIRTUAL_ENV, CONDA_PREFIX.")
@click.option("--theme", type=click.Choice(["dark", "light", "contrast", "mono"]), help="Else OOMDOC_THEME, NO_COLOR.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
def command(
    files: tuple[str, ...],
    configs: tuple[str, ...],
    watch: str | None,
    resume: bool,
    python: str | None,
    theme: str | None,
    lang: str | None,
) -> int:
    """Open the doctor's room in this terminal: a conversation about the run of this folder.

    Without FILE the newest log, configuration and script of the folder are taken. In a pipe the log is what comes
    through it, and the keyboard is the terminal's.

    Example: torchrun train.py 2>&1 | oomdoc tui
    """
    return open_room(files, configs=configs, watch=watch, resume=resume, python=python, theme=theme, lang=lang)


def open_room(
    files: tuple[str, ...] = (),
    *,
    configs: tuple[str, ...] = (),
    watch: str | None = None,
    resume: bool = False,
    python: str | None = None,
    theme: str | None = None,
    lang: str | None = None,
) -> int:
    """Open the room; 2 with one line where there is no terminal to draw in."""
    from oomdoc.tui import terminal

    language = preferred(lang)
    if watch and not files and not resume:
        files = (watch,)
    problem = terminal.missing()
    if problem:
        diagnostics.say_error(say(language, problem), say(language, "tui.no_terminal_help"))
        return diagnostics.USAGE
    from oomdoc.tui.app import DoctorApp
    from oomdoc.tui.doctor import Doctor

    sys.setswitchinterval(0.001)  # a key waits for the reading thread this long, not Python's 5 ms for every step of it
    ascii_only = not terminal.draws_unicode()
    terminal.soften()
    piped = not sys.stdin.isatty()
    with terminal.keyboard() as pipe:
        spool = terminal.Spool(pipe) if piped and pipe is not None else None
        try:
            doctor = Doctor(
                language, Path.cwd(), files=files, configs=configs, resume=resume, python=python, logs=spool is None
            )
            watched, ended = (str(spool.path), lambda: spool.ended) if spool else (watch, None)
            app = DoctorApp(
                doctor, watched=watched, ended=ended, theme=theme, ascii_only=ascii_only, adapts=not is_chosen(lang)
            )
            code = app.run()
            if spool and not spool.ended:
                diagnostics.say_error(say(language, "tui.run_goes_on"))
                spool.pass_on()
            return code or diagnostics.NAMED
        finally:
            if spool:
                spool.remove()
