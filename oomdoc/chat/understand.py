"""An utterance as an intent with its facts: commands, pastes, answers and grammar, in that order. No state, no case."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from oomdoc.chat import grammar, intents, named, paste, relative, topics
from oomdoc.chat.reply import Intent
from oomdoc.chat.spell import corrected
from oomdoc.facts import base
from oomdoc.facts.model import Value
from oomdoc.facts.vocabulary import Term

Said: TypeAlias = Literal["yes", "no", "unknown"]

LONGEST: Final = 600  # characters; what is longer is pasted, not said
_TAKES_FACTS: Final = {"answer", "correct", "what_if", "capacity", "constrain", "plans"}
_RELATIVE: Final = {"what_if", "correct"}
_PLAN: Final = re.compile(
    r"(?:(?<![a-z])(?:plan|option|number|no\.?|use)|方案|第|#|选|用|^)\s?#?([1-5](?![\d.])|[一二两三四五]|(?:one|two|three|four|five)(?![a-z]))"
    r"(?!\s?(?:张|卡|块|步|倍|k|gpu|card|帧|条))"
)


@dataclass(frozen=True, slots=True)
class Understood:
    """`said` is an answer without a figure; `plan` a number of the list shown; `unknown_base` settings to change from a
    value that is not known; `doubtful` settings that got two values; `nearest` phrasings to offer where nothing was
    understood; `guess` what a close call was taken for."""

    intent: Intent
    facts: dict[str, Value] = field(default_factory=dict)
    drops: list[str] = field(default_factory=list)
    terms: list[str] = field(default_factory=list)
    said: Said | None = None
    plan: int | None = None
    unknown_base: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    nearest: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    argument: str = ""
    guess: str = ""


def understand(
    utterance: str,
    *,
    pending: Term | None = None,
    known: Mapping[str, Value] | None = None,
    topic: str | None = None,
) -> Understood:
    """What an utterance means. `pending` is the question that waits, `known` the values of the case, `topic` the
    setting spoken of last; without them the utterance stands alone."""
    written = utterance.strip()
    if not written:
        return Understood("unknown")
    if command := _command(written):
        return command
    if paths := paste.paths(written):
        return Understood("paste", paths=paths)
    if len(written) > LONGEST or paste.is_paste(written):
        return Understood("paste")
    plain = grammar.plain(written)
    text = corrected(plain.lower())
    return _spoken(text, plain, pending, known or {}, topic)


def _spoken(text: str, plain: str, pending: Term | None, known: Mapping[str, Value], topic: str | None) -> Understood:
    said = intents.answer_of(text)
    unsure = said == "unknown" and (topics.asks_for_meaning(text) or not intents.says_no_more(text))
    if said and not unsure:
        return Understood("answer", facts=_of_said(said, pending), said=said)  # type: ignore[arg-type]
    found = grammar.mentions(text, plain)
    if not found.facts and (value := topics.bare(text, pending)) is not None:
        return Understood("answer", facts=value)
    intent, ranked = intents.read(text, found)
    if unsure and intent == "answer" and not found:
        return Understood("answer", said="unknown")
    if intent in ("unknown", "answer") and not found and (path := paste.path_in(plain)):
        return Understood("paste", paths=(path,))
    if intent == "answer" and not found and not topics.asks(text):
        found.facts.update(topics.reports(plain))
    changes = relative.changes(text, found.places) if intent in _RELATIVE else []
    for change in changes:
        if (after := change.of(known)) is not None:
            found.facts.setdefault(change.fact, after)
    if intent in ("constrain", "what_if") and not found.facts and not changes:
        found.facts.update(topics.lone_number(text, known, topic, found.topics))
    if intent == "explain" and found.facts and not topics.glossary_terms(text) and not topics.asks_what(text):
        intent = "what_if"
    if intent == "unknown":
        return Understood("unknown", nearest=intents.nearest(ranked, text))
    if (intent == "answer" and grammar.was_tried(text)) or (intent != "constrain" and grammar.was_past(text)):
        found.doubtful, found.facts = list(found.facts), {}
    if intent in ("answer", "correct"):
        found.facts = named.surroundings(text) | found.facts
        found.drops = _withdrawn(intent, text, found)
    takes = intent in _TAKES_FACTS
    return Understood(
        intent,
        facts=found.facts if takes else {},
        drops=found.drops if takes else [],
        terms=topics.terms_of(intent, text, found.topics),
        plan=_plan(text) if intent in ("apply", "show_diff", "verify", "plans") else None,
        unknown_base=[change.fact for change in changes if change.fact not in found.facts],
        doubtful=found.doubtful,
        guess=intents.guessed(ranked, intent, text),
    )


def _withdrawn(intent: str, text: str, found: grammar.Mentions) -> list[str]:
    """What is taken away: words that were denied; and in a correction, settings that shall no longer count."""
    denied = [name for name in found.drops if name not in found.topics]
    if intent == "correct" and not found.facts and named.forgotten(text):
        return list(dict.fromkeys([*denied, *found.topics]))
    return denied


def _command(written: str) -> Understood | None:
    word, _, rest = written.partition(" ")
    if not written.startswith("/") or "\n" in written:
        return None
    intent = intents.knowledge()["commands"].get(word.lower())
    if intent is None:
        return None
    rest = rest.strip()
    text = corrected(grammar.normal(rest))
    found = grammar.mentions(text) if intent == "constrain" else grammar.Mentions()
    terms = topics.terms_of(intent, text, []) if rest else []
    plan = int(rest) if rest.isdigit() and len(rest) < 3 else None
    return Understood(intent, facts=found.facts, drops=found.drops, terms=terms, plan=plan, argument=written)


def _of_said(said: str, pending: Term | None) -> dict[str, Value]:
    if pending is None or pending.type != "bool" or said == "unknown":
        return {}
    return {pending.name: said == "yes"}


def _plan(text: str) -> int | None:
    said = base.section("chat")["said.yaml"]
    for word, number in said["ordinals"].items():
        if re.search(rf"(?<![a-z]){word}(?![a-z])", text):
            return int(number)
    match = _PLAN.search(text)
    if match is None:
        return None
    return said["places"].get(match[1]) or int(match[1])
