"""`oomdoc undo`: restore what `oomdoc fix --apply` changed."""

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import preferred, say


@click.command(name="undo")
@click.argument("name", required=False, metavar="[ID]")
@click.option("--list", "listed", is_flag=True, help="The changes that were applied, the last one at the end.")
@click.option("--lang", type=click.Choice(["en", "zh"]))
def command(name: str | None, listed: bool, lang: str | None) -> int:
    """Take back the last change of `oomdoc fix --apply`, or the one with this ID.

    A file that was edited since is left alone. Exit status: 0 restored, 2 refused.

    Example: oomdoc undo
    """
    from oomdoc.patch.apply import history, undo
    from oomdoc.patch.errors import PatchError
    from oomdoc.report.mask import mask
    from oomdoc.report.out import write

    language = preferred(lang)
    if listed:
        entries = history()
        lines = [
            f"{entry['id']}  {entry['state']:6}  {', '.join(record['path'] for record in entry['files'])}  "
            + "; ".join(entry.get("made", []))
            for entry in entries
        ]
        write(mask("\n".join(lines or [say(language, "fix.history_empty")])) + "\n")
        return diagnostics.NAMED
    try:
        done = undo(name)
    except PatchError as error:
        diagnostics.say_error(error.told(language))
        return diagnostics.USAGE
    write(mask(say(language, "fix.restored", files=", ".join(done.files))) + "\n")
    return diagnostics.NAMED
