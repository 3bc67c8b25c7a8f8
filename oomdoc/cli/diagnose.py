"""`oomdoc diagnose`: from a log to a verdict, without interaction."""

import sys
from typing import TYPE_CHECKING

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import Language, preferred, said, say

if TYPE_CHECKING:
    from oomdoc.engine.diagnosis import Diagnosis
    from oomdoc.probe.verify import Verification

_FORMATS = ("text", "json", "markdown", "html", "github")


@click.command(name="diagnose")
@click.argument("files", nargs=-1, metavar="[FILE...|-]")
@click.option("-c", "--config", "configs", multiple=True, metavar="CONFIG", help="Launch script or configuration file.")
@click.option("--format", "kind", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--json", "kind", flag_value="json", help="Short for --format json.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
@click.option("--facts", "with_facts", is_flag=True, help="Also list every fact that was read, and where.")
@click.option("--width", type=click.IntRange(40, 400), help="Columns of the text report; else the terminal's.")
@click.option("--verify", type=click.Choice(["dryrun", "probe"]), help="Reproduce it: on the CPU, or on a GPU.")
@click.option("--yes", is_flag=True, help="Let --verify probe take a card that others use.")
@click.option("--python", metavar="PATH", help="The training environment, for --verify.")
@click.option(
    "--trust-remote-code", "trust", is_flag=True, help="Let --verify run the model's own code, if it is here."
)
@click.option(
    "--timeout", type=click.FloatRange(1), default=600.0, show_default=True, help="Seconds a run of --verify."
)
@click.option("--previous", metavar="FILE|auto", help="JSON report of the run before, or the history: was it fixed?")
@click.option("--no-history", is_flag=True, help="Neither look into the history nor keep this in it.")
def command(
    files: tuple[str, ...], configs: tuple[str, ...], kind: str, lang: str | None, with_facts: bool, width: int | None,
    verify: str | None, yes: bool, python: str | None, trust: bool, timeout: float, previous: str | None,
    no_history: bool,
) -> int:  # fmt: skip
    """Say whether a run ran out of memory, of which memory, why, and what to do.

    FILE is a log, a folder of rank logs, or - for standard input. Exit status: 0 a cause is named, 1 none can be
    named, 2 usage or unreadable input, 3 a probe contradicts the diagnosis or its first plan.

    After a fix, the next log is read knowing it: still failing counts against the cause, a run that reached its end
    confirms it. --previous names the report of the run before; in the folder of an applied fix the history knows it.

    Example: oomdoc diagnose train.log -c train.sh --verify dryrun
    """
    from oomdoc.api import examine
    from oomdoc.cli.aftermath import Remembered
    from oomdoc.report.out import write

    language = spoken(lang, kind)
    piped = sys.stdin is not None and not sys.stdin.isatty()
    paths = list(files) or (["-"] if piped else [])
    if not paths and not configs:
        raise click.UsageError(said("usage.name_log"))
    history = Remembered(configs, language, off=no_history)
    tried = history.tried(previous)
    progress = diagnostics.ProgressLine(say(language, "report.reading", name="{name}", done="{done}", total="{total}"))
    try:
        diagnosis = examine(paths, configs=list(configs), progress=progress, tried=tried)
    finally:
        progress.done()
    from oomdoc.report.render import render

    verified = None
    if verify:
        diagnosis, verified = _verified(diagnosis, verify, python, timeout, trust, yes=yes, language=language)
    text = render(diagnosis, kind, language, with_facts=with_facts, columns=width, verified=verified)
    write(text, None if kind == "text" else "utf-8")
    history.keep(diagnosis)
    if verified is not None and verified.method == "probe" and verified.contradicted:
        return diagnostics.CONTRADICTED
    return diagnostics.NAMED if diagnosis.names_cause else diagnostics.NONE_NAMEABLE


def _verified(
    diagnosis: "Diagnosis",
    verify: str,
    python: str | None,
    timeout: float,
    trust: bool,
    *,
    yes: bool,
    language: Language,
) -> tuple["Diagnosis", "Verification"]:
    """The diagnosis after a dry run or a probe had its say, and what that said."""
    from oomdoc.cli.dryrun import stage_line
    from oomdoc.probe.verify import lowered
    from oomdoc.probe.verify import verify as reproduce
    from oomdoc.report.proposal import propose

    way = propose(diagnosis)
    changes = next((offer.changes for offer in way.offers if offer.changes), {}) if way else None
    progress = stage_line(language)
    try:
        found = reproduce(
            diagnosis, "probe" if verify == "probe" else "dry_run", python=python, timeout=timeout, progress=progress,
            changes=changes, trust_remote_code=trust, yes=yes,
        )  # fmt: skip
    finally:
        progress("", 0.0)
    return lowered(diagnosis, found), found


def spoken(asked: str | None, kind: str = "text") -> Language:
    """The language of a report: English where stdout has no Chinese characters, said aloud if Chinese was asked for."""
    from oomdoc.report.out import can_write

    language = preferred(asked)
    if language == "zh" and kind == "text" and not can_write(say("zh", "report.cause")):
        if asked:
            diagnostics.say_error(say("en", "usage.no_chinese"))  # the terminal has no other characters
        return "en"
    return language
