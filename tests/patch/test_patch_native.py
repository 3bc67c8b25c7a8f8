"""Advice in the framework's own words: existing options only, in the syntax the run was written in."""

import pytest

from oomdoc.facts.case import Case
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.patch.native import native_words


def case_of(framework: str, version: str, native: str | None = None, how: How = How.COMMAND) -> Case:
    stated = [Fact(name="framework.name", value=framework, source=Source(how=How.DERIVED))]
    stated.append(Fact(name="framework.version", value=version, source=Source(how=How.LOG)))
    if native:
        stated.append(Fact(name="train.max_length", value=None, source=Source(how=how, native=native)))
    return Case(facts=tuple(stated))


@pytest.mark.parametrize(
    ("framework", "version", "native", "how", "sets", "words"),
    [
        ("ms-swift", "3.5.0", "--max_length", How.COMMAND, {"train.max_length": 4096}, "--max_length 4096"),
        ("ms-swift", "3.5.0", "max_length", How.CONFIG, {"train.max_length": 4096}, "max_length: 4096"),
        ("ms-swift", "3.5.0", None, How.COMMAND, {"image.max_pixels": 602112}, "MAX_PIXELS=602112"),
        (
            "llama-factory",
            "0.9.2",
            None,
            How.CONFIG,
            {"train.gradient_checkpointing": True},
            "disable_gradient_checkpointing: false",
        ),
        ("ixc", "2024.05", "--max_length", How.COMMAND, {"quant.bits": 4}, None),
        ("transformers", "4.57.1", None, How.COMMAND, {"train.max_length": 512}, None),
        ("transformers", "4.57.1", "--max_seq_length", How.COMMAND, {"train.max_length": 512}, "--max_seq_length 512"),
        ("no-such-framework", "1", None, How.COMMAND, {"train.max_length": 4096}, None),
    ],
)
def test_a_change_is_written_as_the_framework_reads_it(framework, version, native, how, sets, words):  # type: ignore[no-untyped-def]
    assert native_words(case_of(framework, version, native, how), sets) == words


def test_nothing_to_set_is_nothing_to_write() -> None:
    assert native_words(case_of("ms-swift", "3.5.0"), {}) is None
