"""Patches are those that the frameworks' own parsers were given and read as meant (benchmarks/record_patches.py).

A patch that comes out otherwise than recorded has to be read by its framework's parser again before it counts.
"""

import json
from pathlib import Path

import pytest

from oomdoc.patch.document import decoded
from oomdoc.patch.plan import plan_edits

FIXTURES = Path(__file__).parent.parent / "fixtures" / "patches"
RECORDED = sorted(FIXTURES.glob("*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_patches_are_those_that_the_parser_read_as_meant(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    seen = 0
    for case in body["cases"]:
        document = decoded(case["file"], case["text"].encode(), Path(case["file"]))
        for patch in case["patches"][:: 1 if len(case["patches"]) < 8 else 3]:
            assert patch["verdict"] == "exact", patch
            plan = plan_edits(patch["changes"], [document], log=body["log"], repair=False)
            (edit,) = plan.files
            assert [list(splice) for splice in edit.splices] == patch["edits"], (patch["remedy"], edit.diff)
            seen += 1
    assert seen >= 10


def test_most_frameworks_are_recorded() -> None:
    assert len(RECORDED) >= 22
