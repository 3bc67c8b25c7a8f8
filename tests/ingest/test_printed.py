"""Settings that a program prints when it starts: figures are read whole or not at all."""

import pytest

from oomdoc.ingest import printed
from oomdoc.ingest.text import clean


def read(text: str) -> dict[str, object]:
    return {fact.name: fact.value for fact in printed.read(clean(text, "train.log"))}


def test_a_printed_batch_is_read_with_its_commas():
    line = "  Instantaneous batch size per device = 1,024\n"
    assert read(line) == {"train.per_device_batch_size": 1024}


@pytest.mark.parametrize("figure", [",", ",,,", "9" * 40])
def test_a_figure_that_is_none_is_not_read(figure: str):
    assert read(f"  Instantaneous batch size per device = {figure}\n") == {}
