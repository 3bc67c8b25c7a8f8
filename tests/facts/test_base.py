"""The knowledge base on disk: parsed once, cached by stamp, errors with file and line."""

import pytest

from oomdoc.facts import base


@pytest.fixture
def small_base(tmp_path, monkeypatch):
    (tmp_path / "rules").mkdir()
    (tmp_path / "knowledge" / "facts").mkdir(parents=True)
    monkeypatch.setattr(base, "root", lambda: tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base.section.cache_clear()
    yield tmp_path
    base.section.cache_clear()


def test_a_changed_file_is_read_again(small_base):
    path = small_base / "knowledge" / "facts" / "a.yaml"
    path.write_text("x: 1\n")
    assert base.section("facts") == {"a.yaml": {"x": 1}}
    path.write_text("x: 22\n")
    base.section.cache_clear()
    assert base.section("facts") == {"a.yaml": {"x": 22}}


def test_a_broken_cache_is_ignored(small_base):
    (small_base / "knowledge" / "facts" / "a.yaml").write_text("x: 1\n")
    base.section("facts")
    for cached in (small_base / "cache").rglob("*.json"):
        cached.write_text("{")
    base.section.cache_clear()
    assert base.section("facts") == {"a.yaml": {"x": 1}}


def test_a_cache_folder_that_cannot_be_written_costs_nothing_but_time(small_base, monkeypatch):
    (small_base / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(small_base / "file"))
    (small_base / "knowledge" / "facts" / "a.yaml").write_text("x: 1\n")
    assert base.section("facts") == {"a.yaml": {"x": 1}}


@pytest.mark.parametrize(
    ("text", "sentence"), [("a: 1\na: 2\n", ":2: key 'a' stands twice"), ("a: [1\nb: 2\n", "a.yaml:2:")]
)
def test_an_error_names_file_and_line(small_base, text, sentence):
    (small_base / "knowledge" / "facts" / "a.yaml").write_text(text)
    with pytest.raises(base.BaseError, match=sentence):
        base.section("facts")


def test_tests_beside_rules_are_no_documents(small_base):
    (small_base / "rules" / "input").mkdir()
    (small_base / "rules" / "input" / "a.yaml").write_text("id: a\n")
    (small_base / "rules" / "input" / "a.test.yaml").write_text("- name: b\n")
    assert base.section("rules") == {"input/a.yaml": {"id": "a"}}
