"""Facts keep their sources; the closest to the crash wins; unknown is neither true nor false."""

import pytest

from oomdoc.facts.case import Case
from oomdoc.facts.derive import derive
from oomdoc.facts.fact import UNKNOWN, Fact, How, Source
from oomdoc.facts.units import GIB, MIB, show, size
from oomdoc.facts.vocabulary import term, terms


def fact(name, value, how=How.LOG, **more):
    return Fact(name=name, value=value, source=Source(how=how, **more))


def test_unknown_is_not_none_and_has_no_truth():
    case = Case(facts=(fact("train.max_length", None),))
    assert case.value("train.max_length") is None
    assert case.value("train.precision") is UNKNOWN
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(case.value("train.precision"))


def test_the_log_beats_the_config_and_both_are_kept():
    case = Case(facts=(fact("train.max_length", 2048, How.CONFIG), fact("train.max_length", None, How.LOG)))
    assert case.value("train.max_length") is None
    (found,) = case.disagreements()
    assert (found.kept.value, found.other.value) == (None, 2048)


def test_a_default_that_differs_is_no_disagreement():
    case = Case(facts=(fact("train.max_length", 2048, How.CONFIG), fact("train.max_length", 1024, How.DEFAULT)))
    assert case.disagreements() == ()


def test_what_the_person_answers_beats_everything():
    case = Case(facts=(fact("hardware.gpu_count", 8),)).with_facts([fact("hardware.gpu_count", 4, How.ANSWERED)])
    assert case.value("hardware.gpu_count") == 4


def test_derived_facts_name_what_they_came_from_and_never_replace_a_stated_one():
    case = derive(
        Case(
            facts=(
                fact("oom.gpu_total_bytes", 24 * GIB),
                fact("oom.free_bytes", GIB),
                fact("oom.reserved_bytes", 20 * GIB),
                fact("oom.tried_to_allocate_bytes", 20 * MIB),
                fact("oom.outside_share", 0.5),
            )
        )
    )
    assert case.value("oom.outside_bytes") == 3 * GIB
    assert case.value("oom.outside_share") == 0.5
    assert case.value("oom.last_straw") is True
    derived = case.fact("oom.outside_bytes")
    assert derived is not None
    assert derived.source.derived_from == ("oom.gpu_total_bytes", "oom.free_bytes", "oom.reserved_bytes")
    assert case.value("oom.slack_share") is UNKNOWN


def test_every_term_speaks_both_languages_and_asks_in_both_or_neither():
    for declared in terms():
        assert declared.en, declared.name
        assert declared.zh, declared.name
        assert (declared.ask_en is None) == (declared.ask_zh is None), declared.name
    assert term("no.such_fact") is None


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.50 KiB"), (20 * MIB, "20.00 MiB"), (25394610176, "23.65 GiB")],
)
def test_sizes_are_binary(count, text):
    assert size(count) == text


def test_values_are_shown_by_their_unit():
    assert show("oom.free_bytes", GIB) == "1.00 GiB"
    assert show("oom.allocated_share", 0.831) == "83 %"
    assert show("train.max_length", None) == "—"
    assert show("model.vocab_size", 151936) == "151,936"
