"""Interface sentences in both languages; rule text lives in the rules."""

import os
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["en", "zh"]


@cache
def _table(language: Language) -> dict[str, str]:
    import tomllib  # 3 ms, and `--format json` may never need it

    sections = tomllib.loads((Path(__file__).parent / f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{section}.{key}": text for section, entries in sections.items() for key, text in entries.items()}


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
