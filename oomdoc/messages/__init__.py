"""Interface sentences in both languages; rule text lives in the rules."""

import json
import os
from errno import errorcode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Language: TypeAlias = Literal["en", "zh"]


@cache
def _table(language: Language) -> dict[str, str]:
    return read_sentences(Path(__file__).parent / f"{language}.toml")


def read_sentences(path: Path) -> dict[str, str]:
    """The sentences of a file by `section.key`.

    Read line by line, each value being a JSON string too: tomllib takes 9 ms for these files, this takes 1. A line in
    any other form of TOML raises ValueError, and a test compares the whole with tomllib's reading.
    """
    found: dict[str, str] = {}
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip()[1:-1]
        elif line and not line.startswith("#"):
            key, between, value = line.partition(" = ")
            if not between or f"{section}.{key}" in found:
                raise ValueError(f"{path.name}: neither a table nor a new key with its sentence: {line}")
            found[f"{section}.{key}"] = json.loads(value)
    return found


def say(language: Language, key: str, **places: object) -> str:
    """The sentence of a key with its places filled; a missing key is a defect and raises KeyError."""
    sentence = _table(language)[key]
    return sentence.format(**places) if places else sentence


class Said(str):
    """A sentence that knows itself in Chinese; as a text it is English. Places may be sentences too."""

    __slots__ = ("zh",)
    zh: str

    def __new__(cls, en: str, zh: str) -> Self:
        """Both texts of one sentence."""
        made = super().__new__(cls, en)
        made.zh = zh
        return made

    def __reduce__(self) -> "tuple[type[Said], tuple[str, str]]":
        """What a copy is made of."""
        return Said, (str(self), self.zh)


def said(key: str, **places: object) -> Said:
    """The sentence of a key in both languages."""
    return Said(say("en", key, **places), say("zh", key, **{name: told(place, "zh") for name, place in places.items()}))


class Sentence(NamedTuple):
    """A sentence by its key and its places, put into words only when somebody reads it.

    For what is noted in a search loop, and for sentences that keep their places' types; places may be sentences too.
    """

    key: str
    places: tuple[tuple[str, object], ...] = ()

    @property
    def en(self) -> str:
        """The sentence in English."""
        return self.told("en")

    @property
    def zh(self) -> str:
        """The sentence in Chinese."""
        return self.told("zh")

    def told(self, language: Language) -> str:
        """The sentence in a language; KeyError where its key or a place is missing, which is a defect."""
        return say(language, self.key, **{
            name: told(place, language) if isinstance(place, (Sentence, Said)) else place for name, place in self.places
        })  # fmt: skip

    def __str__(self) -> str:
        return self.en

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> Any:
        from pydantic_core import core_schema  # imported here: most who speak validate nothing

        return core_schema.is_instance_schema(cls)


def sentence(key: str, **places: object) -> Sentence:
    """A sentence for later."""
    return Sentence(key, tuple(places.items()))


def told(text: object, language: Language) -> str:
    """A text in a language where it knows it; names, figures and what others wrote are as they are."""
    if isinstance(text, Sentence):
        return text.told(language)
    return text.zh if language == "zh" and isinstance(text, Said) else str(text)


def joined(texts: "Iterable[str]") -> Said:
    """Several sentences as one."""
    several = list(texts)
    between = said("mark.semicolon") if len(several) > 1 else Said("", "")
    return Said(between.join(several), between.zh.join(told(text, "zh") for text in several))


def reason(error: Exception) -> str:
    """Why the system refused, in both languages where it is one of the usual refusals."""
    if isinstance(error, OSError) and error.strerror:
        name = f"system.{errorcode.get(error.errno or 0, '')}"
        english = error.strerror.lower()
        return Said(english, say("zh", name)) if name in keys("zh") else english
    return str(error).lower() or type(error).__name__


def keys(language: Language) -> frozenset[str]:
    """Every key of one language."""
    return frozenset(_table(language))


def is_chosen(asked: str | None = None) -> bool:
    """Whether the person chose a language for oomdoc; the locale of a server is nobody's choice."""
    return bool(asked or os.environ.get("OOMDOC_LANG"))


def spoken_in(text: str) -> Language | None:
    """The language somebody writes in, where their letters tell it: Chinese; None for others, which options and names
    of models are written in too."""
    return "zh" if any(0x4E00 <= ord(letter) <= 0x9FFF for letter in text) else None  # CJK Unified Ideographs


def preferred(asked: str | None = None) -> Language:
    """The language to speak: what was asked for, then OOMDOC_LANG, then the locale."""
    for source in (
        asked,
        os.environ.get("OOMDOC_LANG"),
        *(os.environ.get(n) for n in ("LC_ALL", "LC_MESSAGES", "LANG")),
    ):
        if source:
            return "zh" if source.lower().startswith("zh") else "en"
    return "en"
