"""`oomdoc settings` on whole scripts and configurations of twelve frameworks: what each framework would really use."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from oomdoc.cli.settings import command

FOLDER = Path(__file__).parent.parent / "fixtures/settings"
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(FOLDER.glob("*.yaml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("case", CASES)
def test_a_whole_run_is_read_as_its_framework_reads_it(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in case["files"].items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content, encoding="utf-8")
    given = [name for name in case["files"] if not any(name in other for other in case["files"].values())]
    result = CliRunner().invoke(command, [*given, "--json"], standalone_mode=False)
    assert result.exception is None, result.exception
    body = json.loads(result.output)
    found = {row["fact"]: row["value"] for row in body["derived"]}
    found.update({row["fact"]: row["value"] for row in body["settings"] if row["in_force"]})
    assert {name: found.get(name, "UNKNOWN") for name in case["facts"]} == case["facts"]
    wrong = [issue for issue in body["issues"] if issue["kind"] in {"misspelt", "misplaced", "removed", "lost"}]
    assert wrong == []


def test_each_framework_has_two_runs() -> None:
    for file in FOLDER.glob("*.yaml"):
        assert len(yaml.safe_load(file.read_text(encoding="utf-8"))) >= 2, file.name
    assert len(list(FOLDER.glob("*.yaml"))) >= 12
