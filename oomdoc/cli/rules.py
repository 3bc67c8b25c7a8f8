"""`oomdoc rules`: list the rule base, or check it."""

import click

from oomdoc.cli import diagnostics
from oomdoc.cli.diagnose import spoken


@click.group(name="rules")
def command() -> None:
    """List or check the rule base.

    Example: oomdoc rules check
    """


@command.command(name="list")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
def list_rules(lang: str | None) -> int:
    """Every rule: family/id and title."""
    from oomdoc.engine.rule import rules
    from oomdoc.report.out import write

    language = spoken(lang)
    wide = max((len(rule.path) for rule in rules()), default=0)
    write("".join(f"{rule.path:{wide}}  {rule.title[language]}\n" for rule in rules()))
    return diagnostics.NAMED


@command.command(name="check")
def check() -> int:
    """Lint the base, and run the cases beside every rule and the example of every message template."""
    from oomdoc.engine.lint import lint
    from oomdoc.engine.rule import rules
    from oomdoc.engine.trial import failures
    from oomdoc.ingest.messages import check as check_messages
    from oomdoc.report.out import write

    problems = [*lint(), *check_messages()]
    if not problems:
        problems = [failure for rule in rules() for failure in failures(rule)]
    if problems:
        write("".join(f"{problem}\n" for problem in problems))
        return diagnostics.NONE_NAMEABLE
    write(f"{len(rules())} rules, clean\n")
    return diagnostics.NAMED
