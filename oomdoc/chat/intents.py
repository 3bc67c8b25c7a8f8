"""Which of the intents an utterance has: an ordered list of patterns (`intents.yaml`), weighed with its words."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from oomdoc.chat import weigh
from oomdoc.chat.features import around, features, marked
from oomdoc.chat.grammar import Mentions
from oomdoc.chat.named import surroundings
from oomdoc.chat.reply import Intent
from oomdoc.facts import base

_DOUBT: Final = 2.0  # log-odds by which "unknown" must win over a text with settings in it
_OFFERED: Final = 3
_NEAR, _LEAST = 3.0, -4.0  # log-odds: how far behind the nearest, and how unlikely, an offer may be
_NEVER_OFFERED: Final = frozenset({"unknown", "smalltalk", "answer", "apply", "undo", "next", "paste"})
_CLOSE: Final = 0.3  # log-odds between the best two readings below which the reading is told
_PLAIN: Final = frozenset(
    {"unknown", "smalltalk", "answer", "correct", "paste"}
)  # their answer shows how they were read
_USUAL: Final[tuple[Intent, ...]] = ("why", "plans", "what_if")
_WORDS: Final = re.compile("[a-z\u4e00-\u9fff?]")
_LITTLE: Final = 6  # Chinese characters, or half as many words


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
    """The intent of the first line of the list that matches a normal text."""
    name = verdict(text, has_facts=has_facts)
    return None if name == weigh.NOTHING else _lines()[name]["intent"]


def verdict(text: str, *, has_facts: bool) -> str:
    """The first line that matches, as its intent and its place among the lines of that intent: "why 2"."""
    read = _Text(text)
    for name, entry in _lines().items():
        if entry.get("facts") == ("none" if has_facts else "needed"):
            continue
        if any(read.matches(source) for source in entry["any"]) and not (
            "unless" in entry and read.matches(entry["unless"])
        ):
            return name
    return weigh.NOTHING


@cache
def _lines() -> dict[str, dict[str, Any]]:
    counts: Counter[str] = Counter()
    found = {}
    for entry in knowledge()["intents"]:
        counts[entry["intent"]] += 1
        found[f"{entry['intent']} {counts[entry['intent']]}"] = entry
    return found


def answer_of(text: str) -> str | None:
    """yes, no or unknown, where the whole text says no more than that."""
    for kind in ("yes", "no", "unknown"):
        if _compiled(knowledge()["answers"][kind]).search(text):
            return kind
    return None


def says_no_more(text: str) -> bool:
    """Whether "I don't know" is nearly all that a text says."""
    match = _compiled(knowledge()["answers"]["unknown"]).search(text)
    rest = text[: match.start()] + text[match.end() :] if match else text
    return len(_CHINESE.findall(rest)) + 2 * len(re.findall("[a-z]+", rest)) <= _LITTLE


def read(text: str, found: Mentions) -> tuple[Intent, dict[Intent, float]]:
    """The intent of a normal text, and every intent's score, the best first.

    The grammar's verdict is one voice, the words are the others. What states settings is seldom meant for nobody.
    """
    told = verdict(text, has_facts=bool(found.facts or found.drops))
    ranked = weigh.scores(features(text, found), told)
    if told != weigh.NOTHING and _lines()[told].get("sure"):
        intent: Intent = _lines()[told]["intent"]
        return intent, ranked
    if found.facts and not _WORDS.search(marked(text, found)) and not around(text):
        return "answer", ranked  # settings and nothing else
    best, second = list(ranked)[:2]
    if best == "unknown" and (found.facts or surroundings(text)) and ranked[best] - ranked[second] < _DOUBT:
        best = second
    return best, ranked


def guessed(ranked: Mapping[Intent, float], intent: Intent, text: str) -> str:
    """The phrasing that a text was taken for, where it was a close call; else empty."""
    best, second = list(ranked.values())[:2]
    if intent in _PLAIN or intent != next(iter(ranked)) or best - second >= _CLOSE:
        return ""
    return next(iter(_ways(intent, "zh" if _CHINESE.search(text) else "en")), "")


def nearest(ranked: Mapping[Intent, float], text: str) -> tuple[str, ...]:
    """One phrasing, in the language of the text, for each of the three intents it reads most like; where it reads like
    none of them, for what is asked most."""
    language = "zh" if _CHINESE.search(text) else "en"
    known = [intent for intent in ranked if intent not in _NEVER_OFFERED]
    near = [intent for intent in known if ranked[intent] > ranked[known[0]] - _NEAR and ranked[intent] > _LEAST]
    chosen = dict.fromkeys([*near, *_USUAL])
    return tuple(fitting[0] for intent in chosen if (fitting := _ways(intent, language)))[:_OFFERED]


def _ways(intent: Intent, language: str) -> list[str]:
    phrases = base.section("chat")["phrasings.yaml"].get(intent, ())
    return [phrase for phrase in phrases if phrase.isascii() == (language == "en")]


def examples(language: str) -> tuple[str, ...]:
    """One phrasing an intent in a language, for the help."""
    intents = base.section("chat")["phrasings.yaml"]
    return tuple(fitting[0] for intent in intents if (fitting := _ways(intent, language)))
