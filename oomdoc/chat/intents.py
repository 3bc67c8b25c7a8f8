"""Which of the intents an utterance has: an ordered list of patterns (`knowledge/chat/intents.yaml`), then likeness."""

import re
from functools import cache
from typing import Any, Final

from oomdoc.chat.reply import Intent
from oomdoc.facts import base

_LIKE: Final = 88  # rapidfuzz score from which a phrasing counts as the same


@cache
def knowledge() -> dict[str, Any]:
    """The intents document."""
    return dict(base.section("chat")["intents.yaml"])


# What stands for a whole list of names in a pattern; the text is marked once, for the lists are long to compile.
_MARKS: Final = {"@cause": "\ue001", "@topic": "\ue002", "@setting": "\ue003"}
_NUMBER: Final = r"(?:\d+|[一二两三四五六七八九十]+(?=张|个|块|卡|条|步))"
_CHINESE: Final = re.compile("[\u4e00-\u9fff]")
_LATIN: Final = re.compile("[a-z]{2}")


@cache
def _names(macro: str) -> re.Pattern[str]:
    chat = base.section("chat")
    settings = chat["settings.yaml"]
    if macro == "@cause":
        sources = list(chat["causes.yaml"].values())
    elif macro == "@topic":
        sources = list(settings["topics"].values())
    else:
        sources = [entry["pattern"] for entry in settings["words"]]
    return re.compile("|".join(f"(?:{source})" for source in sources))


def _mark(text: str, macro: str) -> str:
    """The text with the names of a macro replaced by its mark; a blank before a name stays."""
    mark = _MARKS[macro]

    def put(match: re.Match[str]) -> str:
        name = match[0]
        return name[: len(name) - len(name.lstrip())] + mark if name.strip() else name

    return _names(macro).sub(put, text)


@cache
def _compiled(source: str) -> re.Pattern[str]:
    for macro, mark in _MARKS.items():
        source = source.replace(macro, mark)
    return re.compile(source.replace("@number", _NUMBER))


class _Text:
    """One text, and as it reads with names replaced by their marks."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.chinese = _CHINESE.search(text) is not None
        self.latin = _LATIN.search(text) is not None
        self._marked: dict[tuple[str, ...], str] = {}

    def matches(self, source: str) -> bool:
        """Whether a pattern is found; one in a script that the text does not have is not even compiled."""
        macros = tuple(macro for macro in _MARKS if macro in source)
        if not macros and "?" not in self.text:
            if not self.chinese and not _LATIN.search(re.sub(r"\\[a-z]|@\w+", "", source)):
                return False
            if not self.latin and not _CHINESE.search(source) and source.isascii():
                return False
        return _compiled(source).search(self._with(macros)) is not None

    def _with(self, macros: tuple[str, ...]) -> str:
        if macros not in self._marked:
            text = self.text
            for macro in macros:
                text = _mark(text, macro)
            self._marked[macros] = text
        return self._marked[macros]


def by_grammar(text: str, *, has_facts: bool) -> Intent | None:
    """The first line of the list that matches a normal text."""
    read = _Text(text)
    for entry in knowledge()["intents"]:
        if entry.get("facts") == ("none" if has_facts else "needed"):
            continue
        if any(read.matches(source) for source in entry["any"]) and not (
            "unless" in entry and read.matches(entry["unless"])
        ):
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
