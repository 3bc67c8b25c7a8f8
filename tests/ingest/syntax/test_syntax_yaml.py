"""YAML by its events: values, spans, anchors, interpolation, and what is said about broken documents."""

import pytest

from oomdoc.ingest.syntax.yaml_text import parse


def values(text: str) -> dict[str, object]:
    return {setting.key: setting.value for setting in parse(text).settings}


def test_values_are_those_of_pyyaml_but_exponents_are_numbers() -> None:
    text = "a: 1\nb: 0.5\nc: true\nd: no\ne: ~\nf: '1'\ng: 1e-4\nh: 1.0e-4\ni: null\nj: text here\n"
    assert values(text) == {
        "a": 1, "b": 0.5, "c": True, "d": False, "e": None, "f": "1", "g": 1e-4, "h": 1e-4, "i": None, "j": "text here",
    }  # fmt: skip
    (note,) = [setting.note for setting in parse(text).settings if setting.note]
    assert "PyYAML" in note


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_spans_hold_the_value_without_comment_tag_or_anchor(newline: str) -> None:
    text = newline.join(
        ["标题: 😀  # c", "a:", "  b: &x 'q'   # c", '  "k": !!int 3', "  l:", "    - u", "    - v", "f: [1, 2]", ""]
    )
    found = {setting.key: text[slice(*setting.value_span)] for setting in parse(text).settings if setting.value_span}
    assert found == {
        "标题": "😀", "a.b": "'q'", "a.k": "3", "a.l.0": "u", "a.l.1": "v", "a.l": f"- u{newline}    - v",
        "f.0": "1", "f.1": "2", "f": "[1, 2]",
    }  # fmt: skip
    keys = [text[slice(*setting.key_span)] for setting in parse(text).settings if setting.key_span]
    assert keys == ["标题", "b", "k", "l", "f"]


def test_anchors_and_merges_are_followed_and_say_where_they_stand() -> None:
    text = "base: &b\n  lr: 1\n  bs: 2\nrun:\n  <<: *b\n  bs: 4\ncopy: *b\nlist: [*b, 3]\n"
    found = values(text)
    assert (found["run.bs"], found["run.lr"], found["copy.bs"]) == (4, 1, 2)
    (merged,) = [setting for setting in parse(text).settings if setting.key == "run.lr"]
    assert merged.note == "merged from &b at line 2"


def test_interpolation_is_resolved_as_omegaconf_does() -> None:
    text = "m:\n  h: 8\n  twice: ${m.h}\n  near: ${.h}\np: x-${m.h}\n"
    text += "q: ${oc.env:NOPE_X,3}\nr: ${oc.env:NOPE_X}\ns: ${gone}\n"
    found = values(text)
    assert [found[key] for key in ("m.twice", "m.near", "p", "q", "r", "s")] == [
        8, 8, "x-8", 3, "${oc.env:NOPE_X}", "${gone}",
    ]  # fmt: skip
    (setting,) = [setting for setting in parse(text).settings if setting.key == "m.twice"]
    assert setting.raw == "${m.h}"


def test_a_cycle_of_interpolations_is_reported_and_ends() -> None:
    parsed = parse("a: ${b}\nb: ${c}\nc: ${a}\n")
    assert any("a -> b -> c -> a" in problem.message for problem in parsed.problems)


def test_a_key_that_stands_twice_is_reported_and_the_last_counts() -> None:
    parsed = parse("a:\n  x: 1\n  y: 2\nb: 1\na:\n  x: 3\n")
    assert {setting.key: setting.value for setting in parsed.settings} == {"b": 1, "a.x": 3}
    assert [(problem.line, "'a' stands twice (first at line 1)" in problem.message) for problem in parsed.problems] == [
        (5, True)
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\nc: [1, 2\n", 4),
        ("a: 1\nb: 2\n\tc: 3\n", 3),
        ('a: 1\nb: 2\nc: "open\n', 4),
        ("a: 1\nb: 2\nc: d: e\n", 3),
    ],
)
def test_half_a_file_gives_its_half_and_the_line_of_the_error(text: str, line: int) -> None:
    parsed = parse(text)
    found = {setting.key: setting.value for setting in parsed.settings}
    assert found["a"] == 1
    assert found["b"] == 2
    assert [problem.line for problem in parsed.problems if "not YAML" in problem.message] == [line]


def test_python_tags_are_named_and_never_constructed(tmp_path: object) -> None:
    parsed = parse("a: !!python/object/apply:os.system ['touch /tmp/should-not-exist']\nb: 1\n")
    assert "!!python/object/apply:os.system is not constructed" in parsed.problems[0].message
    assert {setting.key: setting.value for setting in parsed.settings}["b"] == 1


def test_aliases_that_grow_without_end_are_cut_off() -> None:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{n}: &a{n} {{{', '.join(f'k{m}: *a{n - 1}' for m in range(9))}}}" for n in range(1, 9)]
    parsed = parse("\n".join(lines))
    assert len(parsed.settings) <= 60_000
    assert any("grow" in problem.message or "more than" in problem.message for problem in parsed.problems)


def test_documents_after_the_first_are_marked() -> None:
    assert [setting.scope for setting in parse("a: 1\n---\na: 2\n").settings] == [None, "document 2"]
