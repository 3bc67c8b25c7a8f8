"""A report as what was tried: which remedy moved between it and the new run; what is no report is told in one line."""

import json
import shutil
from pathlib import Path

import pytest

from oomdoc.api import diagnose
from oomdoc.engine.diagnosis import diagnose_case
from oomdoc.history.previous import read_previous, tried_since
from oomdoc.ingest.errors import InputError
from oomdoc.ingest.read import read_inputs

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimind"


@pytest.fixture
def run(tmp_path):
    """A copy of an example, its report, and what makes the next run of it."""
    folder = tmp_path / "run"
    shutil.copytree(EXAMPLE, folder)
    log, script = folder / "train.log", folder / "train.sh"
    report = tmp_path / "case.json"
    report.write_text(diagnose(log, configs=[script]).model_dump_json(by_alias=True), encoding="utf-8")

    def following(old="", new="", *, failed="96.00 MiB", configs=True):
        script.write_text(script.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        log.write_text(log.read_text(encoding="utf-8").replace("4.00 GiB", failed), encoding="utf-8")
        case = read_inputs([str(log)], configs=[str(script)] if configs else [])
        found = tried_since(read_previous(str(report)), case, "case.json")
        return found, diagnose_case(case, attempts=found.attempts)

    return following


def test_a_remedy_taken_by_hand_is_recognised_whatever_its_figure(run):
    found, diagnosis = run("--batch_size 32", "--batch_size 6")
    (attempt,) = found.attempts
    assert attempt.sets == {"train.per_device_batch_size": 6}
    assert attempt.before == {"train.per_device_batch_size": 32}
    assert "batch-one" in attempt.remedies
    assert attempt.natives == ("--batch_size 6",)
    assert diagnosis.aftermath.latest.became == "failed"
    assert "batch-one" in diagnosis.spent


def test_the_python_door_takes_a_report_too(run, tmp_path):
    run("--batch_size 32", "--batch_size 6")
    again = diagnose(tmp_path / "run/train.log", configs=[tmp_path / "run/train.sh"], previous=tmp_path / "case.json")
    assert [one.outcome for one in again.history.attempts] == ["failed"]
    with pytest.raises(InputError, match="no such file"):
        diagnose("a log\n", previous=tmp_path / "missing.json")


def test_more_of_it_is_no_remedy(run):
    _, diagnosis = run("--batch_size 32", "--batch_size 64")
    assert diagnosis.aftermath.latest.became == "not_in_force"
    assert diagnosis.spent == frozenset()


def test_what_was_proposed_and_is_not_there_is_told(run):
    _, diagnosis = run()
    assert diagnosis.aftermath.latest.became == "not_in_force"
    found = {effect.name: effect.now for effect in diagnosis.aftermath.latest.effects if not effect.minor}
    assert found == {"train.per_device_batch_size": 32}
    assert diagnosis.spent == frozenset()


def test_without_settings_nothing_is_claimed(run):
    found, diagnosis = run("--batch_size 32", "--batch_size 1", configs=False)
    assert (found.attempts, found.note) == ((), "unseen")
    assert diagnosis.aftermath is None


def test_an_allocation_of_the_old_size_tells_that_the_change_never_arrived(run):
    _, diagnosis = run("--batch_size 32", "--batch_size 4", failed="4.00 GiB")
    last = diagnosis.aftermath.latest
    assert last.became == "doubtful"
    assert "32 x" in last.doubt[0]
    assert "32 x" in last.doubt[1]
    assert diagnosis.spent == frozenset()


def test_a_report_carries_on_what_was_tried_before_it(run, tmp_path):
    from oomdoc.report.build import build_report

    _, second = run("--batch_size 32", "--batch_size 4")
    (tmp_path / "case.json").write_text(build_report(second, "en").model_dump_json(by_alias=True), encoding="utf-8")
    found, third = run("--max_seq_len 2048", "--max_seq_len 512")
    assert [one.sets for one in found.attempts] == [{"train.per_device_batch_size": 4}, {"train.max_length": 512}]
    assert [one.became for one in third.aftermath.followed] == ["failed", "failed"]
    assert {"batch-one", "lower-max-length"} <= third.spent


def test_a_report_of_no_failure_has_nothing_to_follow(run, tmp_path):
    healthy = diagnose("training finished\nbye\n")
    (tmp_path / "case.json").write_text(healthy.model_dump_json(by_alias=True), encoding="utf-8")
    found, _ = run("--batch_size 32", "--batch_size 4")
    assert (found.attempts, found.note) == ((), "no_failure")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"{\n 'a': 1}", "case.json:2: not JSON"),
        (b"[1, 2]", "not a report"),
        (b"{}", "not a report"),
        (b'{"schema": "oomdoc.fix/1"}', "not a report"),
        (b'{"schema": "oomdoc.report/2"}', "another version"),
        (b'{"schema": "oomdoc.report/1"}', "damaged"),
        (b'{"schema": "oomdoc.report/1", "facts": 3, "verdict": {}, "findings": []}', "damaged"),
        (b"\xff\xfe\x00\x01", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_report_is_told_in_one_line(tmp_path, content, said):
    path = tmp_path / "case.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_previous(str(path))
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_report_and_a_folder_are_told(tmp_path):
    for name, said in ((tmp_path / "no.json", "no such file"), (tmp_path, "folder")):
        with pytest.raises(InputError, match=said):
            read_previous(str(name))


def test_a_report_with_one_broken_fact_is_damaged(run, tmp_path):
    path = tmp_path / "case.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["facts"][0]["source"]["how"] = "hearsay"
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        read_previous(str(path))
