"""Settings in an utterance: names with values, words that are values, what is denied, what is only spoken of.

The phrases are data (`knowledge/chat/settings.yaml`); precision before recall: two values of one fact are none.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from oomdoc.chat import named
from oomdoc.chat.numbers import AFTER, ANY_WORD, NUMBER, value_of, whole_word
from oomdoc.chat.patterns import (
    BARE_CARD,
    BECOMES,
    CARD_TALK,
    COUNT_BEHIND,
    COUNT_TAIL,
    DENIAL_REACH,
    DENIED_NAME,
    EITHER_SIZE,
    GOES_ON,
    LEAST_SPOKEN,
    LIST_MARK,
    MOST_CARDS,
    NOT_COUNTED,
    OF_A_PLAN,
    OPEN_QUESTION,
    OTHER_MODEL,
    PARAMETERS,
    PATH,
    RANGE,
    SEPARATOR,
    SHIFTS,
    SIZE,
    SIZE_DENIED,
    VALUE,
    knowledge,
    names_of,
    needed,
    pattern,
    sides,
    units,
    value_behind,
)
from oomdoc.chat.spell import simplified
from oomdoc.facts.model import Value
from oomdoc.ingest import gpu_names, model_names


@dataclass(slots=True)
class Mentions:
    """What an utterance states: values by fact, settings denied, settings only spoken of; `doubtful` had two values.
    `spans` are the places where it says so, `places` those of settings only spoken of."""

    facts: dict[str, Value] = field(default_factory=dict)
    drops: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    places: list[tuple[int, int, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.facts or self.drops)


def normal(text: str) -> str:
    """Half-width, lower case, one kind of blank, quotes unified."""
    return plain(text).lower()


def plain(text: str) -> str:
    """As `normal`, capitals kept."""
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"[‘’`´]", "'", text)
    return re.sub(r"[ \t\u00a0\u3000]+", " ", text).strip()


def mentions(text: str, written: str | None = None) -> Mentions:
    """The settings of one utterance of ordinary length, already normal; `written` keeps its capitals, for names."""
    return _Reader(text, written if written is not None and len(written) == len(text) else text).read()


class _Reader:
    """Reads one utterance; each stretch of it is used once."""

    def __init__(self, text: str, written: str) -> None:
        self.written = simplified(written)
        self.text = self._without_replaced(text)
        self.taken: list[tuple[int, int]] = []
        self.values: dict[str, list[Value]] = {}
        self.places: dict[str, list[tuple[int, Value]]] = {}
        self.drops: dict[str, None] = {}
        self.topics: dict[str, None] = {}
        self.spoken: list[tuple[int, int, str]] = []

    def read(self) -> Mentions:
        self._paths()
        self._cards()
        self._models()
        self._numbers()
        self._natives()
        self._versions()
        self._words()
        self._sizes()
        self._bare_cards()
        self._topics()
        for name in [name for name, values in self.values.items() if len(set(values)) > 1]:
            self._replaced_by_the_last(name)
        facts = {name: values[0] for name, values in self.values.items() if len(set(values)) == 1}
        if named.of_others(self.text):
            facts = {}
        if len(set(self.values.get("hardware.gpu_name", ()))) > 1 and "hardware.gpu_name" not in facts:
            facts = {name: value for name, value in facts.items() if not name.startswith("hardware.gpu_")}
        doubtful = [name for name, values in self.values.items() if len(set(values)) > 1]
        nodes = facts.get("parallel.nodes")
        if isinstance(nodes, int) and nodes > 1 and pattern(knowledge()["per_node"]).search(self.text):
            facts.pop("hardware.gpu_count", None)
        drops = [name for name in self.drops if name not in facts]
        return Mentions(facts, drops, list(self.topics), doubtful, sorted(self.taken), self.spoken)

    def _without_replaced(self, text: str) -> str:
        """What is replaced by something else, blanked; the lengths stay."""
        blanked = text
        for match in pattern(knowledge()["replaced"]).finditer(text):
            if match.start() and re.search(r"(?:是|whether )$", text[: match.start()]):
                continue  # "是不是": a question, nothing is replaced
            rest = text[: match.start()] + text[match.end() :]
            if re.search(r"[\w\u4e00-\u9fff]", rest):
                comma = re.match(r"\s?[,，](?=\s?(?:而?是|it|but))", text[match.end() :])
                end = match.end() + (comma.end() if comma else 0)
                blanked = blanked[: match.start()] + " " * (end - match.start()) + blanked[end:]
        return blanked

    def _as_written(self) -> str:
        """The text with its capitals, what is replaced blanked as well."""
        return "".join(" " if low == " " else old for low, old in zip(self.text, self.written, strict=True))

    def _free(self, start: int, end: int) -> bool:
        return all(end <= taken or start >= done for taken, done in self.taken)

    def _take(self, name: str, value: Value, start: int, end: int) -> None:
        self.taken.append((start, end))
        if named.withdrawn(self.text, end):
            return
        self.values.setdefault(name, []).append(value)
        self.places.setdefault(name, []).append((start, value))

    def _paths(self) -> None:
        """What a path is called is no setting: "conf/sft_lora.yaml"; nor are the numbers of a list."""
        self.taken += [match.span() for match in PATH.finditer(self.text)]
        if LIST_MARK.match(self.text):
            self.taken += [match.span() for match in LIST_MARK.finditer(self.text)]

    def _versions(self) -> None:
        for fact, version, start, end in named.versions(self.text):
            if self._free(start, end):
                self._take(fact, version, start, end)

    def _replaced_by_the_last(self, name: str) -> None:
        """ "把 lora 换成全参", "switch from fp16 to bf16": what it becomes counts."""
        places = sorted(self.places.get(name, ()), key=lambda place: place[0])
        if len(places) != len(self.values[name]):
            return
        if BECOMES.search(self.text[max(places[-2][0] - 12, 0) : places[-1][0]]):
            self.values[name] = [places[-1][1]]

    def _cards(self) -> None:
        # A comma behind a word parts it from the number; one behind a digit may belong to it ("1,024").
        for found in gpu_names.find(re.sub(r"(?<!\d),", "，", self._as_written())):
            end = found.end
            if DENIED_NAME.search(COUNT_TAIL.sub("", self.text[: found.start])):
                self.taken.append((found.start, end))
                continue
            written = re.sub(r"(?<=\d)s$", "", found.name)
            name = written.upper() if re.fullmatch(r"[a-z]+\d+\w*", written) else written
            name = re.sub(r"\b(rtx|gtx|ti)\b", lambda word: word[0].upper(), name)
            self._take("hardware.gpu_name", name, found.start, end)
            if found.how_many and not NOT_COUNTED.search(COUNT_TAIL.sub("", self.text[: found.start])):
                self.values.setdefault("hardware.gpu_count", []).append(found.how_many)
                start = max(found.start - 8, 0)
                count = re.search(
                    rf"(?:\d+|{ANY_WORD})\s?(?:张|块|卡|片|x|×|\*|个)?\s?$", self.text[start : found.start]
                )
                if count:
                    self.taken.append((start + count.start(), found.start))
            if not found.how_many:
                self._count_behind(end)
            if found.memory_bytes and not EITHER_SIZE.search(self.text[: found.start]):
                self.values.setdefault("hardware.gpu_total_bytes", []).append(found.memory_bytes)
                size = SIZE.search(self.text, end)
                near = size if size and size.start() - end < 12 else None
                before = (
                    None if near else next(iter(SIZE.finditer(self.text, max(found.start - 12, 0), found.start)), None)
                )
                if held := near or before:
                    self.taken.append(held.span())

    def _count_behind(self, end: int) -> None:
        """ "V100 32G 四张", "H100s, eight of them"."""
        match = COUNT_BEHIND.match(self.text, end)
        number = match and (int(match["digits"]) if match["digits"] else whole_word(match["word"]))
        if match and number and number <= MOST_CARDS:
            self.values.setdefault("hardware.gpu_count", []).append(number)
            self.taken.append(match.span("count"))

    def _bare_cards(self) -> None:
        """Numbers that are cards and no setting has claimed: "换成 4090 能跑吗"."""
        for match in BARE_CARD.finditer(self.text):
            if not self._free(*match.span()):
                continue
            if gpu_names.card(match[0].strip()) is not None and CARD_TALK.search(self.text):
                self._take("hardware.gpu_name", match[0].strip(), *match.span())

    def _models(self) -> None:
        for _, start, end in model_names.find(self.text):
            if self._free(start, end) and DENIED_NAME.search(self.text[:start]):
                self.taken.append((start, end))
            elif self._free(start, end):
                self._take("model.name", self.written[start:end], start, end)
        for match in PARAMETERS.finditer(self.text):
            if OTHER_MODEL.search(self.text[: match.start()]):
                self.taken.append(match.span())
            elif self._free(*match.span()) and 0 < float(match[1]) < 2000:
                self._take("model.parameters", round(float(match[1]) * 10**9), *match.span())

    def _numbers(self) -> None:
        entries = knowledge()["numbers"]
        for place, entry in enumerate(entries):
            for start, number in self._after_names(place, entry):
                self._number(entry, start, number, number.end())
        for place, entry in enumerate(entries):
            if entry["fact"] not in self.values:
                for start, number, end in self._before_names(place, entry):
                    self._number(entry, start, number, end)

    def _after_names(self, place: int, entry: dict[str, Any]) -> Iterator[tuple[int, re.Match[str]]]:
        """(start of the name, number) where a value follows a name."""
        names = names_of(place, value_first=False)
        tail = entry.get("requires_after")
        for name in names.finditer(self.text) if names else ():
            value = value_behind(entry["of"], plain=entry.get("order") == "value", bordered=tail is None)
            number = value.match(self.text, name.end())
            if number and (tail is None or pattern(tail).match(self.text, number.end())):
                yield name.start(), number

    def _before_names(self, place: int, entry: dict[str, Any]) -> Iterator[tuple[int, re.Match[str], int]]:
        """(start, number, end) where a value stands before its name and belongs to it alone."""
        names = names_of(place, value_first=True)
        for number in VALUE.finditer(self.text) if names else ():
            assert names is not None
            start = number.start()
            name = names.match(self.text, number.end())
            ordinal = re.search(r"第\s?$", self.text[:start])
            if (
                name is None
                or (ordinal and not entry.get("order_marks"))
                or (NOT_COUNTED.search(self.text[:start]) and not ordinal)
            ):
                continue
            if re.search(r"(?:\d|or|或|[-~–/、])\s?$", self.text[:start].rstrip()[-3:]):
                continue
            if re.match(r"\s?(?:less|fewer|more|extra)(?![a-z])", self.text[name.end() :]):
                continue  # "one gpu less": a change, no count
            if RANGE.search(self.text[:start]) or OF_A_PLAN.search(self.text[:start]):
                continue
            if number["word"] == "单" and re.match(r"\s?(?:\d|batch|bs|显存|的)", self.text[name.end() :]):
                continue  # "单卡 80G": of one card, not how many there are
            yield start, number, name.end()

    def _number(self, entry: dict[str, Any], start: int, number: re.Match[str], end: int) -> None:
        """Take one value for one setting, where it is free, plausible and not denied."""
        if not self._free(start, end) or self._elsewhere(entry):
            return
        number_at = number.start("digits") if number["digits"] else number.start("word")
        if self._of_another_kind(entry["fact"], start, number_at, max(number.end(), end)):
            return
        if pattern(knowledge()["bounds"]).search(self.text[:number_at]):
            return
        if number["word"] and entry["of"] not in ("count", "length"):
            return
        value = value_of(_restated(self.text, number) or number, entry["of"])
        low, high = entry["range"]
        if "one_of" in entry and value not in entry["one_of"]:
            return
        if value is not None and low <= value <= high and not self._is_denied(start, number_at):
            self._take(entry["fact"], value, start, end)

    def _elsewhere(self, entry: dict[str, Any]) -> bool:
        """Whether the utterance speaks of something that the entry is not about."""
        if "needs" in entry and not needed(entry["needs"]).search(self.text):
            return True
        return "unless" in entry and pattern(entry["unless"]).search(self.text) is not None

    def _of_another_kind(self, fact: str, start: int, number_at: int, end: int) -> bool:
        """ "The largest batch at 4096 tokens": the number has a unit that is not the setting's, or answers another."""
        if any(unit.match(self.text, end) and fact not in only for unit, only in units()):
            return True
        asked, at = (pattern(knowledge()[key]) for key in ("asked_largest", "asked_at"))
        return bool(
            start < number_at and asked.search(self.text[:start]) and at.search(self.text[start:number_at][-6:])
        )

    def _is_denied(self, start: int, number_at: int) -> bool:
        """ "batch isn't 8", "不是 batch 8"; wishes ("不要超过 2048") are no denial of the number."""
        before = self.text[max(start - 12, 0) : start]
        between = self.text[start:number_at]
        return bool(re.search(r"(?:not|isn't|不是|并非|没有|(?:n't|not) have|n't got|never had)\s?$", before)) or bool(
            re.search(r"(?:not|n't|不是|并非)\s?$", between)
        )

    def _natives(self) -> None:
        """Options of a framework by their own names, where the list above does not know them."""
        if not re.search(r"[a-z]_[a-z]|--[a-z]|freezev", self.text):
            return
        from oomdoc.chat import natives  # imported here: 15 ms, and few utterances name an option

        for fact, value, start, end in natives.settings(self._as_written()):
            if self._free(start, end):
                self._take(fact, value, start, end)

    def _words(self) -> None:
        before_pattern, after_pattern = (pattern(knowledge()[key]) for key in ("denied_before", "denied_after"))
        for entry in knowledge()["words"]:
            for match in pattern(entry["pattern"]).finditer(self.text):
                start, end = match.span()
                if not self._free(start, end) or self._elsewhere(entry):
                    continue
                reach = self.text[max(start - DENIAL_REACH, 0) : start]
                kept = "flips" not in entry and self._kept(start, end)
                denied = bool(before_pattern.search(reach)) and not OPEN_QUESTION.search(reach) and not kept
                after = None if kept else after_pattern.search(self.text[end:])
                if after and not (
                    re.search("[\u4e00-\u9fff]$", after[0]) and GOES_ON.match(self.text, end + after.end())
                ):
                    denied = not denied
                    self.taken.append((end, end + after.end()))
                if not kept and self._only_touched(start, end):
                    self.topics[entry["fact"]] = None
                    self.taken.append((start, end))
                    continue
                value: Value = int(match[entry["group"]]) if "group" in entry else entry["value"]
                if not denied:
                    self._take(entry["fact"], value, start, end)
                    for name, implied in entry.get("also", {}).items():
                        self._take(name, implied, start, end)
                elif entry.get("flips"):
                    self._take(entry["fact"], not value, start, end)
                else:
                    self.drops[entry["fact"]] = None
                    self.taken.append((start, end))

    def _kept(self, start: int, end: int) -> bool:
        """ "bf16 must not change": a value that is stated, to be kept."""
        before, after = (pattern(knowledge()[key]) for key in ("kept_before", "kept_after"))
        return bool(before.search(self.text[max(start - DENIAL_REACH, 0) : start]) or after.search(self.text[end:]))

    def _only_touched(self, start: int, end: int) -> bool:
        before, after = (pattern(knowledge()[key]) for key in ("touched_before", "touched_after"))
        reach = self.text[max(start - DENIAL_REACH, 0) : start]
        return bool(before.search(reach) or after.search(self.text[end:]))

    def _sizes(self) -> None:
        words = knowledge()["sizes"]
        for match in SIZE.finditer(self.text):
            start, end = match.span()
            if not self._free(start, end):
                continue
            before, after = sides(self.text, start, end)
            around = before + "\n" + after
            shift = SHIFTS[match[3][0]]
            number = float(match[1] or whole_word(match[2]) or 0)
            if denied := SIZE_DENIED.search(self.text[:start]):
                number = float(denied["said"] or 0)  # "24, not 16 gigs"
            none = not number or (match[2] and number < LEAST_SPOKEN) or pattern(words["moving"]).search(before)
            if none or pattern(words["elsewhere"]).search(before[-10:] + "\n" + after[:8]):
                continue
            amount = round(number * (1 << shift))
            fact = next((name for name in words["kinds"] if pattern(words["kinds"][name]).search(around)), None)
            if pattern(words["others"]).search(self.text[: end + 24]) and pattern(words["held"]).search(around):
                fact = "none" if fact in ("hardware.host_total_bytes", "hardware.shm_total_bytes") else _OTHERS
            if fact in (None, "hardware.gpu_total_bytes") and self._is_part(start, end):
                continue
            if fact is None:
                blocked = pattern(words["blocked"]).search(around)
                fact = None if blocked or shift == 20 else "hardware.gpu_total_bytes"
            low, high = words["range"].get(fact or "", (1 << 28, 1 << 46))
            if (
                fact
                and fact != "none"
                and low <= amount <= high
                and not re.search(r"(?:\d|-|~|\d\s?(?:or|/|或者?|还是))\s?$", self.text[:start])
            ):
                self._take(fact, amount, start, end)

    def _is_part(self, start: int, end: int) -> bool:
        """Whether a size is what is free, used or needed of a card, a bound, a sum, a machine's; not the card's own."""
        before, after = (pattern(knowledge()["sizes"][key]) for key in ("part_before", "part_after"))
        reach = self.text[max(start - 16, 0) : start]
        total, machine = (pattern(knowledge()["sizes"][key]) for key in ("total", "machine"))
        clause = SEPARATOR.split(self.text[:start])[-1]
        of_card = pattern(knowledge()["sizes"]["of_card"]).search(clause) and not machine.search(clause)
        owned = "gpu" in reach or "卡" in reach or of_card
        if total.search(self.text) or (machine.search(self.text[:start]) and not owned):
            return True
        return bool(before.search(reach) or after.search(self.text[end:]))

    def _topics(self) -> None:
        before_pattern = pattern(knowledge()["denied_before"])
        for fact, source in knowledge()["topics"].items():
            for match in pattern(source).finditer(self.text):
                if not self._free(*match.span()):
                    continue
                self.topics[fact] = None
                self.spoken.append((*match.span(), fact))
                if re.match(r"\s?\d", self.text[match.end() :]):
                    continue
                reach = self.text[max(match.start() - DENIAL_REACH, 0) : match.start()]
                if before_pattern.search(reach) or re.search(knowledge()["excluded"], reach):
                    self.drops[fact] = None


_OTHERS: Final = "hardware.other_process_bytes"
_BUT: Final = re.compile(
    r"\s?[,，]?\s?(?:but|however|但是?|不过|可是)\s?(?:in fact |actually |really |其实|实际上?)?"
    r"(?:it(?:'s| is| was| should be)|is|was|是|应该是|为)\s?" + NUMBER + AFTER
)


def _restated(text: str, match: re.Match[str]) -> re.Match[str] | None:
    """The number that takes back the one before it: "I said batch 8 but it is 4"."""
    return _BUT.match(text, match.end())


def was_tried(text: str) -> bool:
    """Whether a statement is about what was tried, not about how the run is set."""
    return pattern(knowledge()["tried"]).search(text) is not None


def was_past(text: str) -> bool:
    """Whether an utterance of any kind is about what was tried."""
    return pattern(knowledge()["past"]).search(text) is not None


def number_words(text: str) -> int | None:
    """A text that is nothing but a number: "4", "四", "two"."""
    if re.fullmatch(r"\d{1,9}", text):
        return int(text)
    return whole_word(text) if re.fullmatch(ANY_WORD, text) else None
