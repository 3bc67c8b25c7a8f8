"""What people say around a log, in English and Chinese, as facts with `How.TOLD`; precision before recall.

The phrases are data (`knowledge/phrases/`). A value that was tried and changed, or that belongs to a run that works, is
not a setting of the failing run.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Final, NamedTuple

from oomdoc.facts import base
from oomdoc.facts.fact import Fact, How
from oomdoc.facts.lazy import lazy
from oomdoc.facts.model import Value
from oomdoc.ingest import gpu_names, model_names, printed
from oomdoc.ingest.document import Document
from oomdoc.ingest.sentences import Prose, human
from oomdoc.ingest.stated import stated

_DENIAL_REACH: Final = 24
# What is said this often is no longer a statement about one run.
_MOST_MATCHES: Final = 24
# "each on one GPU", "只占一张卡": a share, not how many there are.
# Not the run's own number: one of several, or what somebody asks for ("一定要8个GPU").
_ONE_OF_MANY: Final = lazy(
    r"(?:只占|每|第|per|each|only|every|(?:一定|必须|至少|非)(?:要|得|需)?(?:有|用)?|at least|requires?)\s?$",
    re.IGNORECASE,
)
_CJK = lazy(r"[\u4e00-\u9fff\uac00-\ud7a3]")
_CLAUSE: Final = lazy(
    r"[，,;；。！？!?\n（(）)]|\.(?=\s|$)|\b(?:but|however|yet)\b|但是?|不过|然而|可是", re.IGNORECASE
)
# Who compares one card with several speaks of more than one.
_SEVERAL_CARDS: Final = lazy(
    r"多卡|多张卡|multi-?(?:ple)?[- ]?gpu|several gpus|more gpus|第二张|second gpu", re.IGNORECASE
)
_EVALUATION: Final = lazy(
    r"\b(?:eval\w*|validat\w+|valid|val|test(?:ing)?|inference)\b|评估|验证|测试|推理", re.IGNORECASE
)
_TRAINING: Final = lazy(r"\btrain\w*|训练|微调", re.IGNORECASE)
# Marks a fact of which several values were listed: they were tried in turn.
_SEVERAL: Final = "several"
_LENGTH_LIMITS: Final = (64, 4_000_000)
_WORD_NUMBERS: Final = {
    "one": 1,
    "single": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "eight": 8,
    "sixteen": 16,
}
_CHINESE_NUMBERS: Final = dict(zip("一单两二双三四五六七八", (1, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8), strict=True)) | {
    "十六": 16
}
# qlora is also lora, and says more.
_OVERRULES: Final = {
    ("train.method", "qlora"): "lora",
    ("train.method", "dora"): "lora",
    ("hardware.platform", "wsl"): "windows",
}


class _Claim(NamedTuple):
    name: str
    value: Value
    place: int


def read(document: Document) -> list[Fact]:
    """What was told (`How.TOLD`), and what the program printed about its own settings (`How.LOG`)."""
    facts = printed.read(document)
    prose = human(document)
    if prose.text:
        claims = [*_settings(prose), *_cards(prose), *_model(prose), *_reports(prose), *_phase(prose)]
        printed_already = {(fact.name, fact.value) for fact in facts}
        facts += [
            stated(document, claim.name, claim.value, prose.offset_of(claim.place), How.TOLD)
            for claim in claims
            if (claim.name, claim.value) not in printed_already
        ]
    known = {fact.name for fact in facts}
    if "train.per_device_batch_size" not in known:  # "even batch size 1 fails" is a run at batch size 1
        facts += [
            fact.model_copy(update={"name": "train.per_device_batch_size", "value": 1})
            for fact in facts
            if fact.name == "report.batch_one_fails"
        ][:1]
        known.add("train.per_device_batch_size")
    return facts + [fact for fact in _anywhere(document) if fact.name not in known]


@cache
def _pattern(source: str) -> re.Pattern[str]:
    # ASCII: a word ends where Chinese begins ("int8推理")
    return re.compile(source, re.IGNORECASE | re.ASCII)


def _knowledge(name: str) -> dict[str, Any]:
    return dict(base.section("phrases")[name])


def _clause(text: str, start: int, end: int) -> str:
    """The part of the sentence between commas that holds a range."""
    before = 0
    for cut in _CLAUSE.finditer(text, max(start - 120, 0), start):
        before = cut.end()
    after = _CLAUSE.search(text, end)
    return text[max(before, start - 120) : min(after.start() if after else len(text), end + 120)]


def _settings(prose: Prose) -> Iterator[_Claim]:
    knowledge = _knowledge("settings.yaml")
    claims: dict[str, dict[Value, int]] = {}
    failing: dict[str, set[Value]] = {}
    lowered = prose.text.lower()
    for entry in knowledge["settings"]:
        if not any(word in lowered for word in entry["needs"]):
            continue
        for match in islice(_pattern(entry["pattern"]).finditer(prose.text), _MOST_MATCHES):
            value = _value(entry, match)
            if value is None or ("near" in entry and entry["near"] not in prose.sentence(*match.span()).lower()):
                continue
            denied = _is_denied(prose.text, match)
            if denied and not (entry.get("flips") and isinstance(value, bool)):
                continue
            around = _clause(prose.text, *match.span()).replace(match[0], " ")
            refuted = ("works", "tried", "theirs", "bounds") if "of" in entry else ("works", "tried")
            if any(_pattern(knowledge[words]).search(around) for words in refuted):
                continue
            fact = entry["fact"]
            if "eval_fact" in entry and _is_of_evaluation(prose, match):
                fact = entry["eval_fact"]
            values = claims.setdefault(fact, {})
            values.setdefault(not value if denied else value, match.start())
            if _pattern(knowledge["fails"]).search(around):
                failing.setdefault(fact, set()).add(not value if denied else value)
            if "of" in entry and _pattern(knowledge["listed"]).match(prose.text, match.end()):
                values.setdefault(_SEVERAL, match.start())
    for fact, values in claims.items():
        for value in [value for value in values if (fact, value) in _OVERRULES]:
            values.pop(_OVERRULES[fact, str(value)], None)
        named = failing.get(fact, set()) & set(values)
        chosen = list(named if len(named) == 1 and _SEVERAL not in values else values)
        if len(chosen) == 1:
            yield _Claim(fact, chosen[0], values[chosen[0]])


def _is_of_evaluation(prose: Prose, match: re.Match[str]) -> bool:
    """The nearest of training and evaluation in the same sentence up to the match is evaluation."""
    sentence = prose.sentence(*match.span())
    near = sentence[: sentence.find(match[0]) + len(match[0])]
    last = max((found.start() for found in _EVALUATION.finditer(near)), default=-1)
    return last >= 0 and last > max((found.start() for found in _TRAINING.finditer(near)), default=-1)


def _value(entry: dict[str, Any], match: re.Match[str]) -> Value:
    kind = entry.get("of")
    if kind is None:
        value: Value = entry["value"]
        return value
    text = match[1] or "1"
    if kind == "length":
        text = text.replace(",", "").replace("_", "")
        number = round(float(text[:-1]) * 1024) if text[-1] in "kK" else int(float(text))
        low, high = _LENGTH_LIMITS
        return number if low <= number <= high else None
    number = int(text)
    if number < entry.get("least", 1):
        return None
    return number << {"bytes_gib": 30, "bytes_tib": 40}.get(kind, 0)


def _is_denied(text: str, match: re.Match[str]) -> bool:
    denied = _pattern(_knowledge("settings.yaml")["denied"])
    if denied.search(text[max(match.start() - _DENIAL_REACH, 0) : match.start()]):
        return True
    return re.match(r"(?:without|w/o|no\b|not\b|disabl|没|未|关|不)", match[0], re.IGNORECASE) is not None


def _cards(prose: Prose) -> Iterator[_Claim]:
    text = prose.text
    works = _pattern(_knowledge("settings.yaml")["works"])
    theirs = _pattern(_knowledge("settings.yaml")["theirs"])
    names = gpu_names.find(text)[:_MOST_MATCHES]
    names = [name for name in names if not theirs.search(_clause(text, name.start, name.end))] or names
    failing = [name for name in names if not works.search(_clause(text, name.start, name.end))] or names
    kinds = _kinds(failing)
    if len(kinds) > 1:
        mine = _pattern(_knowledge("settings.yaml")["mine"])
        own = [name for name in failing if mine.search(_clause(text, name.start, name.end))]
        failing, kinds = (own, _kinds(own)) if len(_kinds(own)) == 1 else (failing, kinds)
    if len(kinds) > 1:
        headed = [name for name in failing if name.start < _title_end(text)]
        failing, kinds = (headed, _kinds(headed)) if len(_kinds(headed)) == 1 else (failing, kinds)
    shortest = min(kinds, key=len, default="")
    if failing and (len(kinds) == 1 or all(shortest in kind for kind in kinds)):
        best = max(failing, key=lambda name: len(name.name))
        yield _Claim("hardware.gpu_name", best.name, best.start)
        sizes = {name.memory_bytes for name in failing if name.memory_bytes}
        if len(sizes) == 1:
            holder = next(name for name in failing if name.memory_bytes)
            yield _Claim("hardware.gpu_total_bytes", holder.memory_bytes, holder.start)
    nodes = _pattern(_knowledge("settings.yaml")["nodes"]).search(text)
    if nodes and not works.search(_clause(text, *nodes.span())):
        yield _Claim("hardware.gpu_count", _word_number(nodes[1]) * _word_number(nodes[2]), nodes.start())
        return
    counts = [(name.how_many, name.start) for name in failing if name.how_many]
    counts += list(_bare_counts(text, works))
    if counts and not (max(count for count, _ in counts) == 1 and _compares_cards(text, counts)):
        several = [entry for entry in counts if entry[0] > 1] or counts
        value, place = min(several, key=lambda entry: entry[1])
        yield _Claim("hardware.gpu_count", value, place)


def _title_end(text: str) -> int:
    """Where the first line ends that says something."""
    end = text.find("\n", len(text) - len(text.lstrip("\n")))
    return end if end >= 0 else len(text)


def _compares_cards(text: str, counts: list[tuple[int, int]]) -> bool:
    """One card is spoken of beside several, and nobody says that the one is their own."""
    mine = _pattern(_knowledge("settings.yaml")["mine"])
    own = any(
        mine.search(clause := _clause(text, place, place + 1)) and not _SEVERAL_CARDS.search(clause)
        for _, place in counts
    )
    return _SEVERAL_CARDS.search(text) is not None and not own


def _word_number(word: str) -> int:
    return int(word) if word.isdigit() else _WORD_NUMBERS.get(word.lower()) or _CHINESE_NUMBERS[word]


def _kinds(names: list[gpu_names.GpuName]) -> set[str]:
    return {re.sub(r"[^a-z0-9]|nvidia|geforce|tesla|rtx|gtx", "", name.name.lower()).rstrip("s") for name in names}


def _bare_counts(text: str, works: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    for match in islice(_pattern(_knowledge("settings.yaml")["counts"]).finditer(text), _MOST_MATCHES):
        digits, word, chinese = match.groups()
        number = int(digits) if digits else _WORD_NUMBERS.get((word or "").lower()) or _CHINESE_NUMBERS.get(chinese)
        if _ONE_OF_MANY.search(text[max(match.start() - 10, 0) : match.start()]):
            continue
        if number and number <= 64 and not works.search(_clause(text, *match.span())):
            yield number, match.start()


def _model(prose: Prose) -> Iterator[_Claim]:
    """The model of the first line that names one; elsewhere the most detailed, where all names agree."""
    text = prose.text
    works = _pattern(_knowledge("settings.yaml")["works"])
    found = [
        entry for entry in model_names.find(text)[:_MOST_MATCHES] if not works.search(_clause(text, entry[1], entry[2]))
    ]
    if not found:
        return
    first_line = text.find("\n", found[0][1])
    near = [entry for entry in found if entry[1] < (first_line if first_line >= 0 else len(text))]
    best = max(near, key=lambda entry: (model_names.detail(entry[0]), -entry[1]))
    stem = re.match(r"[A-Za-z]+", best[0].rpartition("/")[2])
    if stem:  # "llama3" in the title, "Llama-3-8B-Instruct" below
        same = [entry for entry in found if entry[0].rpartition("/")[2].lower().startswith(stem[0].lower())]
        key = re.sub(r"[^a-z0-9.]", "", best[0].rpartition("/")[2].lower())
        fuller = [entry for entry in same if key in re.sub(r"[^a-z0-9.]", "", entry[0].lower())]
        best = max([best, *fuller], key=lambda entry: model_names.detail(entry[0]))
    yield _Claim("model.name", best[0], best[1])


def _reports(prose: Prose) -> Iterator[_Claim]:
    lowered = prose.text.lower()
    plain = _CJK.search(prose.text) is None
    for entry in _knowledge("reports.yaml")["reports"]:
        if not any(word in lowered for word in entry["needs"]):
            continue
        for source in entry["any"]:
            if plain and _CJK.search(source):  # not compiled for nothing: 0.4 ms each
                continue
            match = _pattern(source).search(prose.text)
            if match and "not_beside" in entry and _is_soft(entry, prose, match):
                continue
            if match and not ("unless" in entry and _pattern(entry["unless"]).search(prose.sentence(*match.span()))):
                yield _Claim(entry["fact"], True, match.start())
                break


def _is_soft(entry: dict[str, Any], prose: Prose, match: re.Match[str]) -> bool:
    """The word is shared with another field that the text names ("lora", "prompt"), and no name follows it."""
    return match[0].lower() in entry["soft"] and _pattern(entry["not_beside"]).search(prose.text) is not None


def _phase(prose: Prose) -> Iterator[_Claim]:
    """The phase whose words stand nearest to the failure; where two are named, the rarer one (eval before train)."""
    knowledge = _knowledge("phases.yaml")
    works = _pattern(_knowledge("settings.yaml")["works"])
    lowered = prose.text.lower()
    for entry in knowledge["phases"]:
        if not any(word in lowered for word in entry["needs"]):
            continue
        places = [
            match.start()
            for source in entry["any"]
            for match in islice(_pattern(source).finditer(prose.text), _MOST_MATCHES)
            if not works.search(
                prose.sentence(*match.span()) if "contrast" in entry else _clause(prose.text, *match.span())
            )
        ]
        if places:
            yield _Claim("run.phase", entry["phase"], min(places))
            break
    steps = {int(match[1]): match.start() for match in _pattern(knowledge["steps"]).finditer(prose.text)}
    if len(steps) == 1:
        step, place = next(iter(steps.items()))
        if step:
            yield _Claim("run.step", step, place)


def _anywhere(document: Document) -> Iterator[Fact]:
    for entry in _knowledge("reports.yaml")["anywhere"]:
        if entry["needs"] not in document.text:
            continue
        for source in entry["any"]:
            if match := _joined(source).search(document.text):
                yield stated(document, entry["fact"], True, match.start(), How.TOLD)
                break


@cache
def _joined(source: str) -> re.Pattern[str]:
    return re.compile(source, re.DOTALL)
