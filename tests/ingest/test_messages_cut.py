"""Cutting a message anywhere never invents a figure: what remains is read to the same value, or not at all."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oomdoc.ingest.messages import Found, find_messages
from oomdoc.ingest.template import raw_entries

RECORDED = json.loads((Path(__file__).parent.parent / "fixtures/messages/pytorch_allocator.json").read_text("utf-8"))
TEXTS = [
    *(str(example["text"]) for _, raw in raw_entries() for example in raw["examples"]),
    *(str(run["message"]) for run in RECORDED["runs"]),
]


def values(found: list[Found]) -> set[tuple[str, object]]:
    """Every figure and fact of some messages."""
    return {
        item
        for message in found
        for item in [*message.figures.items(), *((name, value) for name, value in message.facts.items() if "." in name)]
        if item[0] not in message.template.sets
    }


def invented(whole: str, part: str) -> set[tuple[str, object]]:
    """Figures of a part that the whole does not have."""
    return values(find_messages(part)) - values(find_messages(whole))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_every_cut_at_the_end(text: str) -> None:
    whole = values(find_messages(text))
    for place in range(len(text)):
        assert values(find_messages(text[:place])) <= whole, text[:place][-60:]


@given(st.sampled_from(TEXTS), st.data())
def test_any_piece(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    assert invented(text, text[start:end]) == set()


@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.data())
def test_a_cut_message_runs_into_another(first: str, second: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(first)))
    assume(not re.search(r"\d[.,]?$", first[:place]))  # a line that ends in a number says that number
    glued = f"{first[:place]}\n{second}"
    known = values(find_messages(first)) | values(find_messages(second)) | values(find_messages(first[:place]))
    assert {name for name, _ in values(find_messages(glued)) - known} == set()
