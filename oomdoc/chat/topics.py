"""What an utterance is about without stating it: terms asked for, lone numbers, what the person observed."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from oomdoc.chat.grammar import mentions, normal, number_words
from oomdoc.chat.numbers import NUMBER, value_of
from oomdoc.facts import base
from oomdoc.facts.model import Value
from oomdoc.facts.vocabulary import Term, term

_MEANING: Final = re.compile(r"\b(?:what|how|which|why|mean)\b|什么|啥|怎么|哪")
_WHAT_IS: Final = re.compile(
    r"^(?:what(?:'s| is| are)|what does|explain|define|describe)(?![a-z])|(?<![a-z])meaning(?![a-z])|mean\??$"
    r"|什么是|什么叫|[是啥](?:个)?(?:什么|啥|what)|(?:什么|啥)意思|干嘛的|干什么的|解释"
)
_LENGTH: Final = "train.max_length"
_OTHER_KIND: Final = re.compile(
    r"imag|picture|video|pixel|resolution|dpi|图|视频|像素|分辨率|照片|词表|vocab|端口|port|号"
)
_SHORTEST, _LONGEST = 256, 4_000_000
_LONE: Final = re.compile(
    rf"(?<![a-z0-9_.,*×-]){NUMBER}(?![a-z0-9_%％*×.]|\s?(?:gpus?|cards?|张|卡|个|块|倍|步|times|days|hours|x\b))"
)
_EARLY: Final = re.compile(
    r"第?\s?(?:[一二三四五]|\d{1,2}(?!\d))\s?(?:步|个?\s?step)|(?:step|iteration)\s?\d{1,2}(?!\d)|first step"
)
_BOOLS: Final = re.compile(r"^(?:on|off|true|false|enabled|disabled|开|关|开启|关闭|打开)(?:了|的|着)?[ !.。]*$")


def asks_for_meaning(text: str) -> bool:
    """ "I don't know what zero3 is" asks; "I don't know" answers."""
    return _MEANING.search(text) is not None and len(glossary_terms(text)) > 0


def asks_what(text: str) -> bool:
    """Whether a text asks what something is, whatever it names."""
    return _WHAT_IS.search(text) is not None


def asks(text: str) -> bool:
    """Whether a text is a question."""
    return (
        re.search(
            r"[?？]\s*$|(?:吗|呢|么|吧)\s*$|什么|啥|怎么|为什么|多(?:少|大|长|高|久)|^(?:what|how|which|why|is|are|does|do|can)\b",
            text,
        )
        is not None
    )


def bare(text: str, pending: Term | None) -> dict[str, Value] | None:
    """A value without a name as the answer to the question that waits; None: it is none; {}: nothing was asked."""
    lone = re.sub(
        r"^(?:it(?:'s| is| was)|about|around|i (?:use|have)|just|only|是|大概|大约|就|只有|有|用的是|设的是|应该是"
        r"|设成|设为|用|我用的?是?)\s?",
        "",
        text,
    )
    lone = re.sub(
        r"\s?(?:of them|each|samples?|tokens?|steps?|cards?|gpus?|个|张|步|块|条|左右|吧|了|的|卡|位|层)*[ .!。]*$",
        "",
        lone,
    )
    if not lone:
        return None
    number = number_words(lone)
    match = re.fullmatch(NUMBER, lone)
    if number is None and match is None:
        return _word_answer(text, lone, pending)
    if pending is None or pending.unit == "bytes" or pending.type not in ("int", "float"):
        return {} if pending is None else None
    value: int | float | None = number
    if match is not None and number is None:
        value = value_of(
            match, "length" if pending.unit == "tokens" else "pixels" if pending.unit == "pixels" else "count"
        )
    if value is None:
        return {}
    return {pending.name: value} if _plausible(pending, value) else {}


def _word_answer(text: str, lone: str, pending: Term | None) -> dict[str, Value] | None:
    if pending is None:
        return None
    if pending.type == "bool" and (match := _BOOLS.match(text)):
        return {pending.name: not match[0].startswith(("off", "false", "dis", "关"))}
    if lone in pending.choices:
        return {pending.name: lone}
    if pending.type == "int" and re.fullmatch(
        r"(?:none|unset|not set|no limit|unlimited|没设置?|没有(?:设置|限制)?|无限制|不限|没限制|没有设)", lone
    ):
        return {pending.name: None}
    if (
        pending.type == "str"
        and pending.name.startswith("env.")
        and (match := re.fullmatch(r"v?(\d+(?:\.\d+){1,3}(?:[+a-z0-9.]*)?)", lone))
    ):
        return {pending.name: match[1]}
    return None


def _plausible(term: Term, value: float) -> bool:
    if term.name == "quant.bits":
        return value in (2, 3, 4, 5, 6, 8)
    if term.name == "parallel.zero_stage":
        return value in (0, 1, 2, 3)
    return value >= 0


def lone_number(
    text: str, known: Mapping[str, Value], topic: str | None, topics: Sequence[str] = ()
) -> dict[str, Value]:
    """ "keep 4096", "what about 1024?": the setting of that value, else the topic, else a length if it looks so."""
    numbers = [match for match in _LONE.finditer(text) if match["digits"]]
    if len(numbers) != 1:
        return {}
    value = value_of(numbers[0], "length")
    if not isinstance(value, int):
        return {}
    same = [name for name, held in known.items() if held == value and not isinstance(held, bool) and name in _names()]
    if topics:
        return {topics[0]: value} if same == [topics[0]] else {}  # of what was named, the number was not understood
    if len(same) == 1:
        return {same[0]: value}
    if topic is not None:
        return {topic: value}
    if _OTHER_KIND.search(text):
        return {}
    return {_LENGTH: value} if _SHORTEST <= value <= _LONGEST and value % 64 == 0 else {}


def spoken(said: str) -> list[str]:
    """Settings an utterance speaks of without a value."""
    return mentions(normal(said)).topics


@cache
def _names() -> frozenset[str]:
    settings = base.section("chat")["settings.yaml"]
    return frozenset(entry["fact"] for entry in settings["numbers"])


@cache
def glossary() -> dict[str, dict[str, Any]]:
    """Every glossary entry by id."""
    return dict(base.section("chat")["glossary.yaml"])


@cache
def _glossary_patterns() -> list[tuple[str, re.Pattern[str]]]:
    found = []
    for entry_id, entry in glossary().items():
        for name in entry["names"]:
            pattern = "[ _-]?".join(re.escape(part) for part in re.split(r"[ _-]", name.lower()))
            border = (r"(?<![a-z0-9])", r"(?![a-z0-9])") if name.isascii() else ("", "")
            found.append((entry_id, re.compile(border[0] + pattern + border[1])))
    return found


def glossary_terms(text: str) -> list[str]:
    """Ids of the glossary entries named in a normal text, in its order; a name inside another is left out."""
    hits: list[tuple[int, int, str]] = []
    for entry_id, pattern in _glossary_patterns():
        hits += [(*match.span(), entry_id) for match in pattern.finditer(text)]
    hits.sort(key=lambda hit: (hit[0] - hit[1], hit[0]))
    kept: list[tuple[int, int, str]] = []
    for start, end, entry_id in hits:
        if all(end <= taken or start >= done for taken, done, _ in kept):
            kept.append((start, end, entry_id))
    return list(dict.fromkeys(entry_id for _, _, entry_id in sorted(kept)))


@cache
def _causes() -> dict[str, re.Pattern[str]]:
    return {cause: re.compile(source) for cause, source in base.section("chat")["causes.yaml"].items()}


def causes_in(text: str) -> list[str]:
    """Cause ids named in a normal text, the longest wording first."""
    hits = []
    for cause, pattern in _causes().items():
        if cause in text:
            hits.append((0, len(text), cause))
        hits += [(match.start(), match.end(), cause) for match in pattern.finditer(text) if match[0].strip()]
    hits.sort(key=lambda hit: (hit[0] - hit[1], hit[0]))
    kept: list[tuple[int, int, str]] = []
    for start, end, cause in hits:
        if all(end <= taken or start >= done for taken, done, _ in kept):
            kept.append((start, end, cause))
    return list(dict.fromkeys(cause for _, _, cause in kept))


def _options(text: str) -> list[str]:
    """The canonical names of framework options that are named."""
    from oomdoc.chat.natives import facts_of, names_in  # imported here: 15 ms

    return list(dict.fromkeys(fact for name, _, _ in names_in(text) for fact in facts_of(name)[:1]))


def reports(written: str) -> dict[str, Value]:
    """What the person observed ("memory grows every step", "显存一直涨"), by the phrases of the report reader."""
    from oomdoc.ingest import prose  # imported here: 10 ms, and only a statement needs it
    from oomdoc.ingest.text import clean

    told = prose.read(clean(written, ""))
    early = _EARLY.search(written) is not None
    return {
        fact.name: fact.value
        for fact in told
        if (known := term(fact.name))
        and fact.name[:7] == "report."
        and known.en.startswith("the person says")
        and not (early and fact.name == "report.fails_late")
    }


def terms_of(intent: str, text: str, topics: list[str]) -> list[str]:
    """What an utterance of an intent asks about."""
    if intent == "explain":
        return glossary_terms(text) or _options(text) or causes_in(text) or topics
    if intent in ("why", "why_not"):
        return causes_in(text)
    if intent in ("capacity", "constrain", "history"):
        return list(topics)
    return []
