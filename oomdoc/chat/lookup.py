"""Terms explained: from the glossary, the rules and the vocabulary, each with where it stands."""

from collections.abc import Sequence

from oomdoc.chat.topics import glossary
from oomdoc.engine.rule import rules
from oomdoc.facts.case import Case
from oomdoc.facts.units import show_fact
from oomdoc.facts.vocabulary import term
from oomdoc.messages import Language, say
from oomdoc.report.blocks_chat import TermBlock
from oomdoc.report.sentence import fill


def explain(names: Sequence[str], case: Case, language: Language) -> tuple[TermBlock, ...]:
    """A block for every name that is known: glossary ids, causes, canonical facts; what is unknown is left out."""
    return tuple(block for name in names if (block := _one(name, case, language)) is not None)


def _one(name: str, case: Case, language: Language) -> TermBlock | None:
    entry = glossary().get(name)
    if entry is not None:
        text = str(entry["text"][language])
        here = [
            f"{fact} = {show_fact(known)} ({say(language, f'how.{known.source.how}')})"
            for fact in entry.get("facts", ())
            if (known := case.fact(fact)) is not None
        ]
        if here:
            text += (" 这次运行：" if language == "zh" else " In this run: ") + (
                "；" if language == "zh" else "; "
            ).join(here)
        return TermBlock(name, entry["title"][language], text, tuple(entry["sources"]))
    rule = next((rule for rule in rules() if name in (rule.cause, rule.id)), None)
    if rule is not None:
        return TermBlock(
            name, rule.title[language], fill(rule.explain[language], case), tuple(rule.references) or (rule.path,)
        )
    declared = term(name)
    if declared is not None:
        return TermBlock(name, name, declared.zh if language == "zh" else declared.en, ("knowledge/facts",))
    return None


def nearest(said: str, language: Language) -> tuple[str, ...]:
    """Questions about the three entries whose names are nearest to what was said."""
    from rapidfuzz import fuzz, process  # imported here: only a term that is not known needs it

    names = {name: entry for entry, found in glossary().items() for name in found["names"]}
    ranked = process.extract(said.lower(), list(names), scorer=fuzz.WRatio, limit=12)
    entries = list(dict.fromkeys(names[name] for name, _, _ in ranked))[:3]
    asked = "{} 是什么？" if language == "zh" else "what is {}?"
    return tuple(asked.format(glossary()[entry]["names"][0]) for entry in entries)
