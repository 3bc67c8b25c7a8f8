"""`oomdoc settings`: what a run actually used, each value with where it came from."""

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import preferred


@click.command(name="settings")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--log", "logs", multiple=True, metavar="LOG", help="A log of the same run; what it printed wins.")
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--json", "kind", flag_value="json", help="Short for --format json.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
@click.option("--all", "everything", is_flag=True, help="Also list options that mean nothing for memory.")
def command(files: tuple[str, ...], logs: tuple[str, ...], kind: str, lang: str | None, everything: bool) -> int:
    """Say what a run really used: explicit values, defaults of the version, options that never arrived.

    FILE is a launch script or a configuration file. Exit status: 0 read, 2 usage or unreadable input.

    Example: oomdoc settings train.sh ds_z3.json --log train.log
    """
    from oomdoc.ingest.setting_files import read_setting_files
    from oomdoc.report.out import write
    from oomdoc.report.settings import as_json, as_text

    read = read_setting_files(files, logs)
    language = preferred(lang)
    write(as_json(read, language) if kind == "json" else as_text(read, language, everything=everything))
    return diagnostics.NAMED
