"""Operators are closed and three-valued."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.engine.conditions import ConditionError, compile_clause


@pytest.mark.parametrize(
    ("clause", "values", "expected"),
    [
        ({"fact": "a", "is": 3}, {"a": 3}, True),
        ({"fact": "a", "is": 3}, {}, None),
        ({"fact": "a", "is": True}, {"a": 1}, False),
        ({"fact": "a", "is": "Eager"}, {"a": "eager"}, True),
        ({"fact": "a", "is_not": None}, {"a": None}, False),
        ({"fact": "a", "in": ["x", "y"]}, {"a": "y"}, True),
        ({"fact": "a", "not_in": ["x"]}, {"a": "x"}, False),
        ({"fact": "a", "at_least": 2}, {"a": 2}, True),
        ({"fact": "a", "above": 2}, {"a": 2}, False),
        ({"fact": "a", "at_most": 2}, {"a": None}, False),
        ({"fact": "a", "below": 2}, {"a": True}, False),
        ({"fact": "a", "absent": True}, {"a": None}, True),
        ({"fact": "a", "absent": True}, {"a": 5}, False),
        ({"fact": "a", "absent": True}, {}, None),
        ({"fact": "a", "contains": "lm_head"}, {"a": ("embed", "LM_head")}, True),
        ({"fact": "a", "matches": "^torch\\."}, {"a": "torch.cuda"}, True),
        ({"fact": "a", "matches": "."}, {"a": ("embed_tokens",)}, True),
        ({"fact": "a", "matches": "."}, {"a": ()}, False),
        ({"fact": "a", "version_below": "4.54"}, {"a": "4.9.1"}, True),
        ({"fact": "a", "version_at_least": "2.1"}, {"a": "2.1.0+cu118"}, True),
        ({"fact": "a", "version_at_least": "2.1"}, {"a": "main"}, False),
        ({"fact": "a", "stated": False}, {}, True),
        ({"fact": "a", "stated": True}, {"a": None}, True),
    ],
)
def test_an_operator_holds_fails_or_does_not_know(clause, values, expected):
    assert compile_clause(clause).test(values) is expected


TRUTH = {"t": True, "f": False}


@pytest.mark.parametrize(
    ("kind", "parts", "expected"),
    [
        ("all", "tt", True),
        ("all", "tf", False),
        ("all", "uf", False),
        ("all", "ut", None),
        ("any", "ft", True),
        ("any", "ut", True),
        ("any", "uf", None),
        ("any", "ff", False),
    ],
)
def test_combinations_follow_kleene(kind, parts, expected):
    clause = {kind: [{"fact": f"x{place}", "is": True} for place in range(len(parts))]}
    values = {f"x{place}": TRUTH[part] for place, part in enumerate(parts) if part in TRUTH}
    assert compile_clause(clause).test(values) is expected


def test_not_keeps_the_unknown():
    clause = {"not": {"fact": "a", "is": 1}}
    assert compile_clause(clause).test({"a": 2}) is True
    assert compile_clause(clause).test({}) is None


def test_an_undecided_condition_names_the_unknown_facts():
    condition = compile_clause({"all": [{"fact": "a", "is": 1}, {"fact": "b", "is": 1}]})
    assert condition.undecided_by({"a": 1}) == ("b",)


@pytest.mark.parametrize(
    "clause", [{}, {"fact": "a"}, {"fact": "a", "is": 1, "in": [1]}, {"fact": "a", "resembles": 1}]
)
def test_anything_else_is_refused(clause):
    with pytest.raises(ConditionError):
        compile_clause(clause)


@given(st.dictionaries(st.sampled_from("abc"), st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4))))
def test_learning_a_fact_never_turns_a_decided_condition_around(values):
    condition = compile_clause(
        {"any": [{"all": [{"fact": "a", "at_least": 1}, {"fact": "b", "absent": True}]}, {"fact": "c", "is": "x"}]}
    )
    whole = condition.test(values)
    for name in values:
        fewer = {key: value for key, value in values.items() if key != name}
        before = condition.test(fewer)
        assert before is None or before is whole
