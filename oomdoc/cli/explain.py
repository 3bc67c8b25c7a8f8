"""`oomdoc explain`: the text of a rule file, as `ruff rule` does for a lint rule."""

import click

from oomdoc.cli import diagnostics
from oomdoc.cli.diagnose import spoken
from oomdoc.messages import say


@click.command(name="explain")
@click.argument("cause", required=False)
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
def command(cause: str | None, lang: str | None) -> int:
    """Explain a cause or a documented case; without a name, list both.

    A cause: how it comes about, its signs with their weights, what helps. A case: what holds, and what is a myth.

    Example: oomdoc explain max-length-unset
    """
    from oomdoc.engine.rule import rules
    from oomdoc.facts import base
    from oomdoc.report.explain import explain, explain_article, listing
    from oomdoc.report.out import write

    language = spoken(lang)
    articles = {raw["id"]: raw for raw in base.section("articles").values()}
    if cause is None:
        write(listing(rules(), list(articles.values()), language))
        return diagnostics.NAMED
    if cause in articles:
        write(explain_article(articles[cause], language))
        return diagnostics.NAMED
    asked = [rule for rule in rules() if cause in (rule.cause, rule.id)]
    if asked:
        write(explain(asked, language))
        return diagnostics.NAMED
    from rapidfuzz import process

    known = sorted({rule.cause for rule in rules()} | set(articles))
    near = [name for name, score, _ in process.extract(cause, known, limit=3) if score > 60]
    suggestion = say(language, "error.nearest", names=", ".join(near)) if near else None
    diagnostics.say_error(say(language, "error.no_cause", name=cause), suggestion)
    return diagnostics.USAGE
