"""The data of the dialogue: both languages, known facts, causes that exist, patterns that compile; nothing raises."""

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oomdoc.chat import phrasings
from oomdoc.chat.intents import _lines, by_grammar, knowledge
from oomdoc.chat.reply import INTENTS
from oomdoc.chat.topics import glossary, glossary_terms
from oomdoc.chat.understand import understand
from oomdoc.chat.weigh import NOTHING
from oomdoc.engine.rule import rules
from oomdoc.facts import base
from oomdoc.facts.vocabulary import term

CHAT = base.section("chat")


@pytest.mark.parametrize("key", sorted(CHAT["sentences.yaml"]))
def test_sentences_have_equal_places(key: str) -> None:
    """Both languages fill the same places."""
    sentence = CHAT["sentences.yaml"][key]
    places = [{name for _, name, _, _ in string.Formatter().parse(sentence[lang]) if name} for lang in ("en", "zh")]
    assert places[0] == places[1]


@pytest.mark.parametrize("entry", sorted(glossary()))
def test_glossary_entries_are_whole(entry: str) -> None:
    """Both languages, a source, known facts, and found by its own first name."""
    found = glossary()[entry]
    assert all(found[part][language].strip() for part in ("title", "text") for language in ("en", "zh"))
    assert re.search("[\u4e00-\u9fff]", found["text"]["zh"])
    assert all(source.startswith("https://") for source in found["sources"])
    assert found["sources"]
    assert all(term(fact) for fact in found.get("facts", ()))
    assert entry in glossary_terms(found["names"][0].lower())


def test_settings_speak_the_vocabulary() -> None:
    """Every fact exists, every word's value is one of its choices."""
    document = CHAT["settings.yaml"]
    for entry in (*document["numbers"], *document["words"]):
        declared = term(entry["fact"])
        assert declared is not None, entry["fact"]
        if declared.choices and "value" in entry:
            assert entry["value"] in declared.choices
    assert all(term(fact) for fact in document["topics"])


def test_causes_are_those_of_the_rules() -> None:
    """People's names exist for every cause, and for no other."""
    assert set(CHAT["causes.yaml"]) <= {rule.cause for rule in rules()}


def test_intents_are_the_known_ones() -> None:
    """The list, the commands and the phrasings name no other."""
    named = {entry["intent"] for entry in knowledge()["intents"]}
    assert named | set(knowledge()["commands"].values()) | set(CHAT["phrasings.yaml"]) <= set(INTENTS)


@pytest.mark.parametrize(
    ("phrase", "intent"), [(p, intent) for intent, phrases in CHAT["phrasings.yaml"].items() for p in phrases]
)
def test_what_is_offered_is_understood(phrase: str, intent: str) -> None:
    """A phrasing shown as an example means what it stands for."""
    assert understand(phrase).intent == intent


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_has_an_intent(text: str) -> None:
    """Nothing raises, and facts are in the vocabulary."""
    found = understand(text)
    assert found.intent in INTENTS
    assert all(term(name) for name in found.facts)


def test_the_stock_reads_as_it_stands() -> None:
    """Of every twentieth phrasing nearly all have the intent they are listed under, so the weights fit the stock."""
    sample = [line for line in phrasings.lines() if not line.wrapped][::20]
    missed = [(line.text, line.intent) for line in sample if understand(line.text).intent not in (line.intent, "paste")]
    assert len(sample) > 300
    assert len(missed) <= 0.05 * len(sample), missed


def test_weights_speak_of_known_intents_and_lines() -> None:
    """The fitted file names the intents of the dialogue and lines that the grammar has."""
    document = base.section("readings")["weights.yaml"]
    assert set(document["intents"]) == set(INTENTS) - {"paste"}
    assert set(document["grammar"]) <= {*_lines(), NOTHING}
    told = {word for row in document["weights"].values() for word in row.split()[::2]}
    assert told <= set(INTENTS)


def test_macros_leave_other_words_alone() -> None:
    """Names of causes are found inside questions, with their blanks."""
    assert by_grammar("isn't it just fragmentation", has_facts=False) == "why_not"
