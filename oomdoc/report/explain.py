"""A cause explained: the same file's text that the diagnosis uses."""

from collections.abc import Mapping, Sequence
from typing import Any

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


def explain_article(raw: Mapping[str, Any], language: Language) -> str:
    """A documented case: what was seen, what holds, and the advice around it that does not."""
    lines = [raw["title"][language], ""]
    for part in ("seen", "holds"):
        lines += [say(language, f"explain.{part}"), *wrap(raw[part][language], _COLUMNS, "  "), ""]
    lines.append(say(language, "explain.myths"))
    for myth in raw["myths"]:
        lines += wrap(myth["claim"][language], _COLUMNS, "  - ")
        lines += wrap(myth["truth"][language], _COLUMNS, "    ")
    lines += ["", say(language, "explain.causes"), *(f"  oomdoc explain {cause}" for cause in raw["causes"])]
    lines += ["", say(language, "explain.references"), *(f"  {reference}" for reference in raw["references"])]
    return "\n".join(lines) + "\n"


def listing(rules: Sequence[Rule], articles: Sequence[Mapping[str, Any]], language: Language) -> str:
    """Every name that can be explained, with its title."""
    causes = {rule.cause: rule.title[language] for rule in rules}
    cases = {raw["id"]: raw["title"][language] for raw in articles}
    wide = max(map(len, (*causes, *cases)))
    lines = [say(language, "explain.causes")]
    lines += [f"  {name:{wide}}  {title}" for name, title in sorted(causes.items())]
    lines += ["", say(language, "explain.cases")]
    lines += [f"  {name:{wide}}  {title}" for name, title in sorted(cases.items())]
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
