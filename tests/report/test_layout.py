"""Columns: CJK counts two, lines never overflow, bars add up."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.report.layout import clip, pad, shares, width, wrap

TEXT = st.text(alphabet=st.sampled_from("ab cdé 显存不足，。（）GiB-_/"), max_size=120)


@pytest.mark.parametrize(("text", "columns"), [("GPU", 3), ("显存", 4), ("é", 1), ("e\u0301", 1), ("ＧＰＵ", 6)])
def test_width_counts_terminal_columns(text, columns):
    assert width(text) == columns


@given(TEXT, st.integers(12, 60))
def test_no_line_overflows_unless_what_may_not_be_broken_does(text, columns):
    kept_together = re.split(r" (?![，。）,.;:!?)%GMK])", text)  # no line begins with punctuation or a unit
    longest = max((width(part) for part in kept_together), default=0)
    for line in wrap(text, columns, "  - "):
        assert width(line) <= max(columns, 4 + longest)


@given(TEXT, st.integers(12, 60))
def test_wrapping_loses_no_character(text, columns):
    assert "".join("".join(wrap(text, columns)).split()) == "".join(text.split())


def test_chinese_breaks_between_characters_and_punctuation_never_leads():
    lines = list(wrap("显存不足，申请失败。整卡可用", 9))
    assert lines == ["显存不", "足，申请", "失败。整", "卡可用"] or all(line[0] not in "，。" for line in lines)
    assert all(width(line) <= 10 for line in lines)


@given(TEXT, st.integers(2, 40))
def test_a_clipped_text_fits(text, columns):
    assert width(clip(text, columns)) <= columns


def test_padding_counts_wide_characters():
    assert pad("显存", 6) == "显存  "


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=6), st.integers(10, 120))
def test_bar_cells_never_exceed_the_bar_and_small_amounts_show(amounts, columns):
    total = sum(amounts)
    cells = shares(amounts, total, columns)
    assert sum(cells) == (columns if total else 0)
    assert all(cell >= 1 for cell, amount in zip(cells, amounts, strict=True) if amount and total)
