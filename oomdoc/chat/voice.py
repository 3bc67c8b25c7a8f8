"""The doctor's sentences (`knowledge/chat/sentences.yaml`) and short names of settings, in one language."""

from oomdoc.facts import base
from oomdoc.facts.case import Case
from oomdoc.facts.model import Value
from oomdoc.facts.units import show
from oomdoc.messages import Language
from oomdoc.report.blocks_chat import SayBlock, Tone


def tell(language: Language, key: str, **places: object) -> str:
    """The sentence of a key with its places filled; a missing key is a defect and raises KeyError."""
    sentence: str = base.section("chat")["sentences.yaml"][key][language]
    return sentence.format(**places) if places else sentence


def words(kind: str) -> tuple[str, ...]:
    """A list of `knowledge/chat/said.yaml`."""
    return tuple(base.section("chat")["said.yaml"][kind])


def saying(language: Language, key: str, tone: Tone = "plain", **places: object) -> SayBlock:
    """One sentence as a block."""
    return SayBlock((tell(language, key, **places),), tone)


def cannot(language: Language, key: str, reason: str) -> SayBlock:
    """Why no figure can be given."""
    return saying(language, key, "warn", **({"reason": reason} if reason else {}))


def short(name: str, case: Case | None = None) -> str:
    """A setting as the person writes it where that is known, else the last part of its canonical name; what stands for
    cards (`CUDA_VISIBLE_DEVICES`) is no name for how many there are."""
    fact = case.fact(name) if case is not None else None
    if fact is not None and fact.source.native and not name.startswith("hardware."):
        return fact.source.native.lstrip("-")
    return name.rpartition(".")[2]


def setting(name: str, value: Value, case: Case | None = None) -> str:
    """ "max_length 1024", "packing true"."""
    return f"{short(name, case)} {show(name, value)}"


def change(facts: dict[str, Value], drops: list[str], case: Case | None, language: Language) -> str:
    """A what-if in words."""
    names = base.section("chat")["said.yaml"]["names"]
    parts = [
        f"{names[name][language]} {show(name, value)}" if name in names else setting(name, value, case)
        for name, value in facts.items()
    ]
    parts += [("不用 " if language == "zh" else "no ") + short(name, case) for name in drops]
    return ("，" if language == "zh" else ", ").join(parts)
