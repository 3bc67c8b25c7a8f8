"""`oomdoc explain`: the text of a rule file, as `ruff rule` does for a lint rule."""

import click

from oomdoc.cli import diagnostics
from oomdoc.cli.diagnose import spoken
from oomdoc.messages import say


@click.command(name="explain")
@click.argument("cause")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
def command(cause: str, lang: str | None) -> int:
    """Explain a cause: how it comes about, its signs with their weights, what helps.

    Example: oomdoc explain max-length-unset
    """
    from oomdoc.engine.rule import rules
    from oomdoc.report.explain import explain
    from oomdoc.report.out import write

    language = spoken(lang)
    asked = [rule for rule in rules() if cause in (rule.cause, rule.id)]
    if asked:
        write(explain(asked, language))
        return diagnostics.NAMED
    from rapidfuzz import process

    known = sorted({rule.cause for rule in rules()})
    near = [name for name, score, _ in process.extract(cause, known, limit=3) if score > 60]
    suggestion = say(language, "error.nearest", names=", ".join(near)) if near else None
    diagnostics.say_error(say(language, "error.no_cause", name=cause), suggestion)
    return diagnostics.USAGE
