"""`oomdoc frameworks`: the base is clean, the lint bites, and a skeleton passes it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from oomdoc.cli.frameworks import command
from oomdoc.ingest.framework_check import check, check_all
from oomdoc.ingest.frameworks import raw_files

GOOD: dict[str, Any] = {
    "id": "my-trainer",
    "title": "My trainer",
    "assume": "1.0",
    "sources": ["its wheel 1.0"],
    "parameters": [{"fact": "train.max_length", "names": ["max_length"], "default": 512}],
    "recognise": [{"command": "my-trainer train", "weight": 8}],
}
BESIDE = "no my-trainer.test.yaml beside it"


def complaints(**change: Any) -> list[str]:
    found = list(check("my-trainer.yaml", {**GOOD, **change}, {"my-trainer", "hf-trainer"}))
    return [line for line in found if not line.endswith("test.yaml beside it")]


def test_the_base_is_clean() -> None:
    assert check_all() == []
    assert len(raw_files()) >= 36


def test_a_good_file_has_no_complaints() -> None:
    assert complaints() == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"id": "other"}, "must be the file's name"),
        ({"extends": ["nobody"]}, "does not exist"),
        ({"sources": []}, "say where it was read"),
        ({"recognise": []}, "at least one sign"),
        ({"recognise": [{"command": "a", "key": "b"}]}, "exactly one of"),
        ({"recognise": [{"command": "a", "versions": "3 or later"}]}, "version bound"),
        ({"parameters": [{"fact": "train.no_such", "names": ["a"]}]}, "not in the vocabulary"),
        ({"parameters": [{"fact": "train.max_length", "names": ["--max-length"]}]}, "write 'max_length'"),
        ({"parameters": [{"fact": "train.max_length", "names": ["a"], "default": "long"}]}, "not a value of"),
        ({"parameters": [{"fact": "train.precision", "names": ["a"], "values": {"x": "half"}}]}, "not one of"),
        ({"parameters": [{"names": ["a"]}]}, "says nothing"),
        ({"surprise": 1}, "Extra inputs"),
    ],
)
def test_each_defect_is_named(change: dict[str, Any], part: str) -> None:
    found = complaints(**change)
    assert len(found) == 1
    assert part in found[0]


def test_check_prints_one_line_when_clean() -> None:
    result = CliRunner().invoke(command, ["check", "--lang", "en"], standalone_mode=False)
    assert result.return_value == 0
    assert result.output.endswith("framework files are in order\n")


def test_new_writes_a_skeleton_that_the_lint_accepts(tmp_path: Path) -> None:
    arguments = ["new", "my-trainer", "--folder", str(tmp_path), "--lang", "en"]
    assert CliRunner().invoke(command, arguments, standalone_mode=False).return_value == 0
    skeleton = yaml.safe_load((tmp_path / "my-trainer.yaml").read_text(encoding="utf-8"))
    assert list(check("my-trainer.yaml", skeleton, set())) == [BESIDE]
    assert (
        yaml.safe_load((tmp_path / "my-trainer.test.yaml").read_text(encoding="utf-8"))[0]["framework"] == "my-trainer"
    )
    assert CliRunner().invoke(command, arguments, standalone_mode=False).return_value == 2


def test_new_refuses_names_that_are_no_file_names(tmp_path: Path) -> None:
    arguments = ["new", "../evil", "--folder", str(tmp_path)]
    assert CliRunner().invoke(command, arguments, standalone_mode=False).return_value == 2
    assert list(tmp_path.iterdir()) == []
