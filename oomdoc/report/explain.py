"""A cause explained: the same file's text that the diagnosis uses."""

from collections.abc import Sequence

from oomdoc.engine.rule import Rule
from oomdoc.facts import base
from oomdoc.facts.case import Case
from oomdoc.messages import Language, say
from oomdoc.report.layout import wrap
from oomdoc.report.sentence import fill

_COLUMNS = 88
_NOTHING = Case()


def explain(rules: Sequence[Rule], language: Language) -> str:
    """The text of one or several rules of a cause."""
    lines: list[str] = []
    for rule in rules:
        lines += _one(rule, language)
    return "\n".join(lines) + "\n"


def _one(rule: Rule, language: Language) -> list[str]:
    lines = [say(language, "explain.cause", title=rule.title[language], cause=rule.cause), ""]
    lines += [say(language, "explain.mechanism")]
    lines += wrap(fill(rule.explain[language], _NOTHING), _COLUMNS, "  ")
    if rule.looks_like:
        lines += ["", say(language, "explain.looks_like")]
        lines += wrap(fill(rule.looks_like[language], _NOTHING), _COLUMNS, "  ")
    lines += ["", say(language, "explain.signs"), f"  {rule.prior:+.1f}  {say(language, 'explain.prior')}"]
    for sign in rule.signs:
        lines += wrap(fill(sign.text[language], _NOTHING), _COLUMNS, f"  {sign.weight:+.1f}  ", " " * 8)
    lines += wrap(say(language, "explain.when", facts=", ".join(rule.when.facts)), _COLUMNS, "  ")
    known = base.section("remedies")
    named = [known[f"{remedy}.yaml"]["title"][language] for remedy in rule.remedies if f"{remedy}.yaml" in known]
    if named:
        lines += ["", say(language, "explain.remedies")]
        for title in named:
            lines += wrap(title, _COLUMNS, "  - ")
    if rule.references:
        lines += ["", say(language, "explain.references"), *(f"  {reference}" for reference in rule.references)]
    return [*lines, ""]
