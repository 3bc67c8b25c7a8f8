"""Estimated sample lengths: what a limit would cut."""

import json

import pytest

from oomdoc.remedies.lengths import estimate, read_lengths


def test_text_of_every_depth_counts():
    assert estimate({"messages": [{"role": "", "content": "a" * 400}], "n": 3}) == 100
    assert estimate({"text": "中" * 100}) == 70


def test_the_share_over_a_limit(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps({"text": "x" * (4 * count)}) for count in (10, 20, 30, 40)) + "\n")
    lengths = read_lengths(str(path))
    assert lengths.tokens == (10, 20, 30, 40)
    assert lengths.share_over(20) == 0.5
    assert lengths.share_over(40) == 0.0
    assert lengths.quantile(0.99) == 40


def test_an_array_reads_as_lines_do(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps([{"text": "x" * 40}]))
    assert read_lengths(str(path)).tokens == (10,)


def test_what_holds_no_samples_is_refused(tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_text("\n")
    with pytest.raises(ValueError, match="no samples"):
        read_lengths(str(path))
