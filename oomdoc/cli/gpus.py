"""`oomdoc gpus`: who holds the GPU memory of this machine."""

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import preferred, told


@click.command(name="gpus")
@click.option("--watch", is_flag=True, help="Read again every two seconds until Ctrl-C.")
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
def command(watch: bool, kind: str, lang: str | None) -> int:
    """Show every card with its memory, and the processes that hold it.

    Exit status: 0 cards were read, 1 there are none or they cannot be read.

    Example: oomdoc gpus --watch
    """
    import time

    from oomdoc.ingest.gpu import read_gpus
    from oomdoc.report.gpus import as_json, as_text
    from oomdoc.report.out import is_terminal, write

    language = preferred(lang)
    while True:
        reading = read_gpus()
        if reading.problem and kind == "text":
            diagnostics.say_error(told(reading.problem, language))
        else:
            clear = "\x1b[H\x1b[2J" if watch and is_terminal() else ""
            write(clear + (as_json(reading) if kind == "json" else as_text(reading, language)))
        if not watch:
            return diagnostics.NAMED if reading.gpus else diagnostics.NONE_NAMEABLE
        time.sleep(2)
