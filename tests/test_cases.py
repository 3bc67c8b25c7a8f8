"""Whole cases in the spirit of real reports: verdict, memory, phase, and the whole list of causes held likely."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from oomdoc.engine.diagnosis import diagnose_case
from oomdoc.ingest.read import read_inputs

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/expect.yaml"))


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.name)
def test_a_case_is_judged_as_an_expert_would(folder: Path) -> None:
    """`likely` are all causes that stand at likely or confirmed, best first; `first` where none of them does."""
    expected: dict[str, Any] = yaml.safe_load((folder / "expect.yaml").read_text(encoding="utf-8"))
    configs = sorted(str(path) for path in folder.glob("config.*"))
    found = diagnose_case(read_inputs([str(folder / "log.txt")], configs=configs))
    likely = [finding.rule.cause for finding in found.findings if finding.standing != "possible"]
    seen = {
        "outcome": found.verdict.outcome,
        "memory": found.verdict.memory,
        "phase": found.verdict.phase,
        "likely": likely,
    }
    if "first" in expected:
        seen["first"] = found.findings[0].rule.cause if found.findings else None
    assert seen == expected


def test_there_are_enough_of_them() -> None:
    """At least a dozen, and every folder has its expectation."""
    folders = [path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir()]
    assert len(CASES) >= 12
    assert len(folders) == len(CASES)
