"""Logs of runs that went well: no finding over any of them, and no verdict of running out of memory."""

from pathlib import Path

import pytest

from oomdoc.engine.diagnosis import diagnose_case
from oomdoc.ingest.read import read_inputs

LOGS = sorted((Path(__file__).parent / "healthy").glob("*.log"))


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_a_healthy_run_has_no_finding(log: Path) -> None:
    """Words about memory are not a lack of it."""
    found = diagnose_case(read_inputs([str(log)]))
    assert found.verdict.outcome != "oom", found.verdict.event
    assert [finding.rule.path for finding in found.findings] == []


def test_there_are_enough_of_them() -> None:
    """A base that grows is held silent over different frameworks."""
    assert len(LOGS) >= 12
