"""`oomdoc chat`: the dialogue line by line, for screen readers, dumb terminals and scripts."""

import shutil
from pathlib import Path

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import is_chosen, preferred, said, say


@click.command(name="chat")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option("-c", "--config", "configs", multiple=True, metavar="CONFIG", help="Launch script or configuration file.")
@click.option("--plain", is_flag=True, help="Line mode; what this command always is.")
@click.option("--spoken", is_flag=True, help="No bars and no glyphs: for screen readers.")
@click.option("--watch", metavar="LOG", help="Follow this log and speak up; goes on after the end of input.")
@click.option("--python", metavar="PATH", help="Environment of the training; else VIRTUAL_ENV, CONDA_PREFIX.")
@click.option("--resume", is_flag=True, help="Continue the last conversation of this folder.")
@click.option("--no-journal", is_flag=True, help="Keep nothing on disk.")
@click.option("--forget", is_flag=True, help="Remove the last conversation of this folder from disk, and end.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
@click.option("--width", type=click.IntRange(40, 400), help="Columns; else the terminal's.")
def command(
    files: tuple[str, ...], configs: tuple[str, ...], plain: bool, spoken: bool, watch: str | None, python: str | None,
    resume: bool, no_journal: bool, forget: bool, lang: str | None, width: int | None,
) -> int:  # fmt: skip
    """Talk about the run of this folder, line by line.

    Without FILE the newest log, configuration and script of the folder are taken. A paste of several lines is one
    utterance; in a script put it between ``` and ```.

    Example: oomdoc chat --plain train.log -c train.yaml
    """
    from oomdoc.chat.journal import Journal
    from oomdoc.chat.line import LineMode
    from oomdoc.chat.start import start
    from oomdoc.ingest.errors import InputError
    from oomdoc.report import out
    from oomdoc.report.blocks_chat_text import ChatText
    from oomdoc.report.text import painted, unpainted

    del plain
    language = preferred(lang)
    folder = Path.cwd()
    if watch is not None and not Path(watch).is_file():
        raise click.UsageError(said("usage.no_such_log", name=watch))
    journal = None if no_journal else Journal(folder=folder, language=language)
    if forget:
        if journal is not None and journal.resume():
            journal.forget()
        return diagnostics.NAMED
    if journal is not None and resume:
        journal.resume()
    names = files or ((watch,) if watch and not resume else ())
    begun = start(language, folder, files=names, configs=configs, journal=journal)
    columns = width or min(shutil.get_terminal_size((80, 24)).columns, 100)
    paint = painted if out.wants_colour() and not spoken else unpainted
    drawer = ChatText(language, columns, paint, ascii_only=spoken or not out.can_draw(), spoken=spoken)
    for line in begun.refused:
        if files or configs:  # named by the person: what they meant cannot be talked about
            raise InputError(line)
        diagnostics.say_error(line)
    if journal is not None and journal.note:
        diagnostics.say_error(say(language, "session.not_on_disk", reason=journal.note))
    return LineMode(begun.dialogue, drawer, python=python, adapts=not is_chosen(lang)).run(begun.blocks, watch)
