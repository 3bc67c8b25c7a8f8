"""`oomdoc watch`: the room, following a log that is still being written."""

import click

from oomdoc.cli.tui import open_room


@click.command(name="watch")
@click.argument("log", type=click.Path(exists=True, dir_okay=False))
@click.option("-c", "--config", "configs", multiple=True, metavar="CONFIG", help="Launch script or configuration file.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
def command(log: str, configs: tuple[str, ...], lang: str | None) -> int:
    """Follow a running log and speak up when memory grows, and when the run fails.

    Example: oomdoc watch train.log
    """
    return open_room((log,), configs=configs, watch=log, lang=lang)
