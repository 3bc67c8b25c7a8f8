"""Which of the intents an utterance has: an ordered list of patterns (`knowledge/chat/intents.yaml`), then likeness."""

import re
from functools import cache
from typing import Any, Final

from oomdoc.chat.reply import Intent
from oomdoc.facts import base

_LIKE: Final = 88  # rapidfuzz score from which a phrasing counts as the same


def knowledge() -> dict[str, Any]:
    """The intents document."""
    return dict(base.section("chat")["intents.yaml"])


@cache
def _macros() -> dict[str, str]:
    chat = base.section("chat")
    settings = chat["settings.yaml"]
    return {
        "@cause": "(?:" + "|".join(f"(?:{pattern})" for pattern in chat["causes.yaml"].values()) + ")",
        "@topic": "(?:" + "|".join(f"(?:{pattern})" for pattern in settings["topics"].values()) + ")",
        "@setting": "(?:" + "|".join(f"(?:{entry['pattern']})" for entry in settings["words"]) + ")",
        "@number": r"(?:\d+|[一二两三四五六七八九十]+(?=张|个|块|卡|条|步))",
    }


@cache
def _compiled(source: str) -> re.Pattern[str]:
    for name, pattern in _macros().items():
        source = source.replace(name, pattern)
    return re.compile(source)


def by_grammar(text: str, *, has_facts: bool) -> Intent | None:
    """The first line of the list that matches a normal text."""
    for entry in knowledge()["intents"]:
        if entry.get("facts") == ("none" if has_facts else "needed"):
            continue
        if "unless" in entry and _compiled(entry["unless"]).search(text):
            continue
        if any(_compiled(source).search(text) for source in entry["any"]):
            intent: Intent = entry["intent"]
            return intent
    return None


def answer_of(text: str) -> str | None:
    """yes, no or unknown, where the whole text says no more than that."""
    for kind in ("yes", "no", "unknown"):
        if _compiled(knowledge()["answers"][kind]).search(text):
            return kind
    return None


@cache
def _phrasings() -> list[tuple[str, Intent]]:
    return [
        (phrase, intent) for intent, phrases in base.section("chat")["phrasings.yaml"].items() for phrase in phrases
    ]


def nearest(text: str, limit: int = 3) -> list[tuple[str, Intent, float]]:
    """The phrasings most like a text, one an intent: (phrase, intent, score of 0 to 100)."""
    from rapidfuzz import fuzz, process  # imported here: only an utterance the grammar does not know needs it

    phrases = _phrasings()
    ranked = process.extract(text, [phrase for phrase, _ in phrases], scorer=fuzz.WRatio, limit=24)
    found: dict[Intent, tuple[str, Intent, float]] = {}
    for phrase, score, place in ranked:
        intent = phrases[place][1]
        found.setdefault(intent, (phrase, intent, float(score)))
    return list(found.values())[:limit]


def by_likeness(text: str) -> Intent | None:
    """The intent of a phrasing that is nearly the same text; short texts are never guessed."""
    from rapidfuzz import fuzz, process  # imported here, as above

    if len(text) < 6:
        return None
    phrases = _phrasings()
    best = process.extractOne(text, [phrase for phrase, _ in phrases], scorer=fuzz.ratio, score_cutoff=_LIKE)
    return phrases[best[2]][1] if best else None


def examples(language: str) -> tuple[str, ...]:
    """One phrasing an intent in a language, for the help."""
    chinese = language == "zh"
    found = []
    for phrases in base.section("chat")["phrasings.yaml"].values():
        fitting = [phrase for phrase in phrases if (not phrase.isascii()) == chinese]
        found += fitting[:1]
    return tuple(found)
