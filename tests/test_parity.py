"""Both languages say the same things: equal keys, equal places, no sentence left in the other language."""

import re
import string
import tomllib
from pathlib import Path
from typing import Any

import pytest

import oomdoc.messages
from oomdoc.messages import keys, read_sentences, say

FOLDER = Path(oomdoc.messages.__file__).parent
HAN = re.compile("[\u4e00-\u9fff]")


def places(sentence: str) -> set[str]:
    """The names of the {places} of a sentence."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_both_languages_have_the_same_keys() -> None:
    """A sentence is added in both or in none."""
    assert keys("en") == keys("zh")


@pytest.mark.parametrize("key", sorted(keys("en")))
def test_a_sentence_has_the_same_places_in_both_languages(key: str) -> None:
    """What is filled in one is filled in the other."""
    assert places(say("en", key)) == places(say("zh", key))


@pytest.mark.parametrize("key", sorted(keys("en")))
def test_english_has_no_chinese(key: str) -> None:
    """A swapped pair would show here."""
    assert not HAN.search(say("en", key))


def test_sections_and_order_are_the_same() -> None:
    """The two files can be read side by side."""
    en, zh = (tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")) for name in ("en", "zh"))
    assert list(en) == list(zh)
    for section in en:
        assert list(en[section]) == list(zh[section]), section


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_quick_reading_is_tomls_own(language: Any) -> None:
    """The files stay TOML, and both ways of reading them agree."""
    read = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    whole = {f"{section}.{key}": text for section, entries in read.items() for key, text in entries.items()}
    assert read_sentences(FOLDER / f"{language}.toml") == whole


def test_a_missing_key_is_a_defect() -> None:
    """It raises instead of printing the key."""
    with pytest.raises(KeyError):
        say("en", "report.no_such_key")


def test_every_key_in_the_code_exists() -> None:
    """Literal keys of say(...), said(...), sentence(...) and assume(...) are declared."""
    root = Path(oomdoc.__file__ or "").parent
    found = {
        match
        for path in root.rglob("*.py")
        for match in re.findall(
            r"(?:say\(\s*[\w.]+(?:\[\"\w+\"\])?,\s*|\b(?:said|sentence|assume)\(\s*)\"([a-z_]+\.[a-z_]+)\"",
            path.read_text("utf-8"),
        )
    }
    assert len(found) > 30
    assert found <= keys("en"), found - keys("en")
