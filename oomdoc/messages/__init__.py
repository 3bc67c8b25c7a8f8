"""Interface sentences in both languages; rule text lives in the rules."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

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


def keys(language: Language) -> frozenset[str]:
    """Every key of one language."""
    return frozenset(_table(language))


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
