"""JSON and TOML with the faults that people's files have, and exact places for all of it."""

import time

import pytest

from oomdoc.ingest.syntax import json_text, toml_text
from oomdoc.ingest.syntax.detect import parse


def test_json_with_comments_and_trailing_commas_is_read() -> None:
    text = '// top\n{"a": 1, /* c */ "b": {"c": "auto", "d": [1, 2,],},\n # x\n"e": true, "f": 5e8, \'g\': null}'
    parsed = json_text.parse(text)
    assert {setting.key: setting.value for setting in parsed.settings} == {
        "a": 1, "b.c": "auto", "b.d.0": 1, "b.d.1": 2, "b.d": (1, 2), "e": True, "f": 5e8, "g": None,
    }  # fmt: skip
    assert not parsed.problems
    for setting in parsed.settings:
        assert setting.value_span is not None
        assert text[slice(*setting.value_span)] == setting.raw
    assert {setting.raw for setting in parsed.settings} >= {'"auto"', "[1, 2,]", "5e8"}


def test_json_escapes_and_wide_characters_keep_their_places() -> None:
    text = '{"😀": "a\\"b\\u00e9", "k\\n": 1,\r\n"z": -1}'
    found = {setting.key: setting for setting in json_text.parse(text).settings}
    assert found["😀"].value == 'a"bé'
    assert found["k\n"].value == 1
    assert (found["z"].line, found["z"].raw) == (2, "-1")


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ('{"a": 1,\n "b": {"c": 2,', "ends early", 2),
        ('{"a": 1,\n "b": "open\n}', "not closed", 2),
        ('{"a": 1,\n "a": 2}', "stands twice", 2),
        ('{"a": 1]', "does not close", 1),
        ('{"a": 1}\n{"a": 2}', "JSON Lines", 2),
        ('{"a": what}', "no JSON value", 1),
    ],
)
def test_broken_json_keeps_what_was_read_and_names_the_line(text: str, message: str, line: int) -> None:
    parsed = json_text.parse(text)
    assert parsed.settings[0].key == "a"
    assert [(message in problem.message, problem.line) for problem in parsed.problems] == [(True, line)]


def test_a_duplicate_json_key_counts_last() -> None:
    assert [(s.key, s.value) for s in json_text.parse('{"a": {"x": 1}, "b": 1, "a": {"x": 2}}').settings] == [
        ("b", 1),
        ("a.x", 2),
    ]


def test_json_lines_are_refused_politely() -> None:
    parsed = parse('{"a": 1}\n{"a": 2}\n', "data.jsonl")
    assert not parsed.settings
    assert "data, not a configuration" in parsed.problems[0].message
    assert parse('{"a": 1}\n{"a": 2}\n', "data.json").syntax == "jsonl"


@pytest.mark.slow
def test_fifty_megabytes_of_json_end_soon() -> None:
    text = "[" + ",".join(['{"input": "some text", "label": [1, 2, 3]}'] * 1_200_000) + "]"
    started = time.process_time()
    parsed = json_text.parse(text, "huge.json")
    assert time.process_time() - started < 20
    assert "data, not a configuration" in parsed.problems[-1].message


def test_very_deep_json_does_not_recurse() -> None:
    assert "nested deeper" in json_text.parse("[" * 100_000).problems[-1].message
    assert json_text.parse('{"a":' * 100 + "1" + "}" * 100).settings[0].value == 1


def test_toml_tables_arrays_and_inline_tables() -> None:
    text = (
        '# c\nlr = 1e-4 # c\n[model]\nname = "é😀"\nargs.x = true\nlist = [\n  1, # one\n  2,\n]\n'
        "opt = {a = 'q', b = {c = 1}}\n[[data]]\np = 1\n[[data]]\np = 2\nd = 2024-01-01\n"
    )
    parsed = toml_text.parse(text)
    found = {setting.key: setting.value for setting in parsed.settings}
    assert found == {
        "lr": 1e-4, "model.name": "é😀", "model.args.x": True, "model.list": (1, 2), "model.opt.a": "q",
        "model.opt.b.c": 1, "data.0.p": 1, "data.1.p": 2, "data.1.d": "2024-01-01",
    }  # fmt: skip
    assert not parsed.problems
    for setting in parsed.settings:
        assert setting.value_span is not None
        assert setting.key_span is not None
        assert text[slice(*setting.value_span)] == setting.raw
        assert text[slice(*setting.key_span)] == setting.key.rpartition(".")[2]


def test_half_a_toml_gives_its_half_and_the_line() -> None:
    parsed = toml_text.parse("a = 1\nb = \nc = 'x\nd = 4\n")
    assert {setting.key: setting.value for setting in parsed.settings if setting.note is None} == {"a": 1, "d": 4}
    assert parsed.problems[0].line == 2


def test_a_toml_key_that_stands_twice_is_named() -> None:
    (problem,) = toml_text.parse("a = 1\na = 2\n").problems
    assert "overwrite" in problem.message
    assert problem.line == 2
