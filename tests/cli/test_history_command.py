"""Diagnose, fix, run again: what the history of a folder makes of the next log; listed, shown and forgotten."""

import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from oomdoc.cli.diagnose import command as diagnose
from oomdoc.cli.fix import command as fix
from oomdoc.cli.history import command as history
from oomdoc.cli.root import run as whole
from oomdoc.cli.undo import command as undo
from oomdoc.schemas import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimind"


def call(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def folder(tmp_path, monkeypatch, remembering):
    """The run's folder, with the log of a failure that is an hour old."""
    place = tmp_path / "run"
    shutil.copytree(EXAMPLE, place)
    monkeypatch.chdir(place)
    aged("train.log", 3600)
    return place


def aged(name, seconds):
    past = time.time() - seconds
    os.utime(name, (past, past))


def applied():
    """The first plan, written; the script as it was comes back."""
    before = Path("train.sh").read_text(encoding="utf-8")
    assert call(fix, "train.log", "-c", "train.sh", "--apply").return_value == 0
    assert Path("train.sh").read_text(encoding="utf-8") != before
    return before


def failing(name="new.log", size="96.00 MiB", head=""):
    """The log of a run after it that fails otherwise than the first."""
    text = Path("train.log").read_text(encoding="utf-8").replace("4.00 GiB", size)
    Path(name).write_text(head + text, encoding="utf-8")
    return name


def passing(name="ok.log"):
    Path(name).write_text("Epoch:[1/2](0/900) loss:8.912\nEpoch:[2/2](900/900) loss:1.2\n", encoding="utf-8")
    return name


def report(*arguments):
    return json.loads(call(diagnose, *arguments, "--json").stdout)


def attempt(*arguments):
    found = report(*arguments)["history"]
    return found["attempts"][-1] if found else None


def test_a_run_that_fails_again_moves_on_and_lowers_the_cause(folder):
    before = report("train.log", "-c", "train.sh")
    assert before["findings"][0]["cause"] == "batch-size-too-large"
    first = json.loads(call(fix, "train.log", "-c", "train.sh", "--json").stdout)["plans"][0]
    applied()
    after = report(failing(), "-c", "train.sh")
    jsonschema.validate(after, load("report-1.json"))
    (tried,) = after["history"]["attempts"]
    assert (tried["outcome"], tried["in_force"], tried["sets"]) == ("failed", True, first["sets"])
    assert tried["applied_at"]
    assert after["findings"][0]["cause"] != "batch-size-too-large"
    against = [why for found in after["findings"] for why in found["why_not"]]
    assert any("was in force" in why["sentence"] and why["weight"] < 0 for why in against)
    again = json.loads(call(fix, "new.log", "-c", "train.sh", "--json").stdout)["plans"]
    assert again
    assert set(again[0]["remedies"]) != set(first["remedies"])
    assert "train.per_device_batch_size" not in again[0]["sets"]


@pytest.mark.parametrize(("language", "said"), [("en", "memory ran out again"), ("zh", "仍然内存不足")])
def test_the_text_says_what_was_applied_and_when(folder, language, said):
    applied()
    shown = call(diagnose, failing(), "-c", "train.sh", "--lang", language).stdout
    flat = "".join(shown.split())
    assert "".join(said.split()) in flat
    assert "--batch_size2" in flat
    assert time.strftime("%Y-%m-%d", time.gmtime()) in flat


@pytest.mark.parametrize("kind", ["text", "markdown", "html", "github"])
@pytest.mark.parametrize(
    ("language", "said"), [("en", "The per-device batch is too large"), ("zh", "单卡 batch size 过大")]
)
def test_every_format_says_what_a_passed_run_confirms(folder, kind, language, said):
    applied()
    shown = call(diagnose, passing(), "-c", "train.sh", "--format", kind, "--lang", language).stdout
    assert ("After the fix" if language == "en" else "修复之后") in shown
    assert said in " ".join(shown.split())
    assert "98" in shown


def test_a_second_look_says_the_same(folder):
    applied()
    first = call(diagnose, failing(), "-c", "train.sh").stdout
    assert call(diagnose, "new.log", "-c", "train.sh").stdout == first


def test_a_run_that_passed_confirms_the_cause(folder):
    applied()
    found = report(passing(), "-c", "train.sh")
    assert found["verdict"]["outcome"] == "not_oom"
    assert found["history"]["attempts"][0]["outcome"] == "passed"
    lead = found["findings"][0]
    assert (lead["cause"], lead["standing"]) == ("batch-size-too-large", "confirmed")
    assert any("reached its end" in why["sentence"] for why in lead["why"])
    assert found["remedies"] == []
    assert call(diagnose, "ok.log", "-c", "train.sh").return_value == 0


def test_a_change_that_did_not_take_effect_is_told_with_its_place(folder):
    before = applied()
    Path("train.sh").write_text(before, encoding="utf-8")
    found = attempt(failing(), "-c", "train.sh")
    assert (found["outcome"], found["in_force"]) == ("not_in_force", False)
    assert any("--batch_size is still 32, not 2 (train.sh:5)" in sentence for sentence in found["sentences"])
    kept = report("new.log", "-c", "train.sh")
    assert not any("was in force" in why["sentence"] for one in kept["findings"] for why in one["why_not"])


def test_a_log_that_prints_another_command_beats_the_file(folder):
    applied()
    found = attempt(failing(head="python train_full_sft.py --batch_size 32 --max_seq_len 2048\n"), "-c", "train.sh")
    assert found["outcome"] == "not_in_force"
    assert any("new.log:1" in sentence for sentence in found["sentences"])


def test_an_allocation_of_the_old_size_is_doubted(folder):
    applied()
    assert attempt(failing(size="4.00 GiB", head="a new run\n"), "-c", "train.sh")["outcome"] == "doubtful"


def test_without_the_configuration_it_is_weighed_less_and_said(folder):
    applied()
    found = attempt(failing())
    assert (found["outcome"], found["in_force"]) == ("failed", None)
    assert any("pass its configuration" in sentence for sentence in found["sentences"])


def test_the_old_log_is_no_new_run(folder):
    applied()
    shown = call(diagnose, "train.log", "-c", "train.sh")
    assert "After the fix" not in shown.stdout
    assert "changed by the fix of history 1" in shown.stderr
    shutil.copy("train.log", "copy.log")
    shown = call(diagnose, "copy.log", "-c", "train.sh")
    assert "After the fix" not in shown.stdout
    assert "byte for byte" in shown.stderr
    assert attempt("copy.log", "-c", "train.sh", "--previous", "auto")["outcome"] == "doubtful"


def test_a_log_that_was_appended_to_is_no_new_failure(folder):
    applied()
    with Path("train.log").open("a", encoding="utf-8") as log:
        log.write("Epoch:[1/2](0/115512) loss:8.9\n")
    shown = call(diagnose, "train.log", "-c", "train.sh")
    assert "After the fix" not in shown.stdout
    assert "appended" in shown.stderr


def test_a_change_that_was_taken_back_was_not_tried(folder):
    applied()
    assert call(undo).return_value == 0
    assert attempt(failing(), "-c", "train.sh") is None
    assert "taken back" in call(history).stdout


def test_a_fix_of_another_script_is_another_matter(folder):
    applied()
    shutil.copy("train.sh", "other.sh")
    assert attempt(failing(), "-c", "other.sh") is None


def test_two_fixes_in_a_row_are_both_remembered(folder):
    applied()
    call(diagnose, failing(), "-c", "train.sh")
    time.sleep(0.02)
    assert call(fix, "new.log", "-c", "train.sh", "--apply").return_value == 0
    found = report(failing("third.log", "120.00 MiB"), "-c", "train.sh")["history"]["attempts"]
    assert [(one["outcome"], one["this_run"]) for one in found] == [("failed", False), ("failed", True)]
    last = report(passing(), "-c", "train.sh")["history"]["attempts"]
    assert [one["outcome"] for one in last] == ["failed", "passed"]


def test_what_became_of_it_is_told_to_the_first_log_too(folder):
    before = report("train.log", "-c", "train.sh")["findings"][0]["probability"]
    script = applied()
    call(diagnose, passing(), "-c", "train.sh")
    Path("train.sh").write_text(script, encoding="utf-8")
    lead = report("train.log", "-c", "train.sh")["findings"][0]
    assert lead["cause"] == "batch-size-too-large"
    assert lead["probability"] > before


def test_switched_off_nothing_is_read_and_nothing_kept(folder, remembering, monkeypatch):
    call(diagnose, "train.log", "--no-history")
    assert not remembering.exists()
    applied()
    size = remembering.stat().st_size
    assert attempt(failing(), "-c", "train.sh", "--no-history") is None
    monkeypatch.setenv("OOMDOC_HISTORY", "off")
    assert attempt("new.log", "-c", "train.sh") is None
    assert remembering.stat().st_size == size
    with sqlite3.connect(remembering) as db:
        assert db.execute("select count(*) from diagnoses").fetchone() == (1,)


def test_a_pipe_leaves_no_trace(folder, remembering):
    CliRunner().invoke(diagnose, ["-"], input=Path("train.log").read_text(encoding="utf-8"), standalone_mode=False)
    assert not remembering.exists()


def test_what_is_piped_in_counts_where_the_person_says_so(folder, remembering):
    applied()
    text = Path(failing()).read_text(encoding="utf-8")
    told = CliRunner().invoke(diagnose, ["-", "-c", "train.sh"], input=text, standalone_mode=False)
    assert "After the fix" not in told.stdout
    assert "--previous auto" in told.stderr
    asked = ["-", "-c", "train.sh", "--previous", "auto"]
    told = CliRunner().invoke(diagnose, asked, input=text, standalone_mode=False)
    assert "After the fix" in told.stdout
    with sqlite3.connect(remembering) as db:
        assert db.execute("select count(*) from diagnoses").fetchone() == (1,)


def test_a_file_whose_clock_lags_is_no_older_log(folder):
    applied()
    failing()
    aged("new.log", 1)
    assert attempt("new.log", "-c", "train.sh")["outcome"] == "failed"
    aged("new.log", 60)
    assert attempt("new.log", "-c", "train.sh") is None


def test_previous_takes_a_report(folder, tmp_path):
    case = tmp_path / "case.json"
    case.write_text(call(diagnose, "train.log", "-c", "train.sh", "--json", "--no-history").stdout, encoding="utf-8")
    script = Path("train.sh").read_text(encoding="utf-8")
    Path("train.sh").write_text(script.replace("--batch_size 32", "--batch_size 5"), encoding="utf-8")
    found = attempt(failing(), "-c", "train.sh", "--previous", case)
    assert (found["outcome"], found["sets"]) == ("failed", {"train.per_device_batch_size": 5})
    assert found["known_from"].endswith("case.json")


def test_auto_says_why_nothing_counts(folder, monkeypatch, capsys):
    told = call(diagnose, "train.log", "-c", "train.sh", "--previous", "auto")
    assert "no fix is known" in told.stderr
    applied()
    assert "changed by the fix" in call(diagnose, "train.log", "-c", "train.sh", "--previous", "auto").stderr
    assert whole(["diagnose", "train.log", "--previous", "auto", "--no-history"]) == 2
    assert "switched off" in capsys.readouterr().err


def test_a_previous_that_is_no_report_ends_with_one_line(folder, capsys):
    for name in ("missing.json", "train.log"):
        assert whole(["diagnose", "train.log", "--previous", name]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert name in said.err


@pytest.mark.parametrize("content", [b"garbage " * 900, b""])
def test_a_damaged_history_never_stops_a_diagnosis(folder, remembering, content):
    remembering.parent.mkdir(parents=True)
    remembering.write_bytes(content)
    shown = call(diagnose, "train.log", "-c", "train.sh")
    assert shown.return_value == 0
    assert "batch-size-too-large" in shown.stdout
    assert shown.stderr.count("\n") == (1 if content else 0)


def test_a_state_folder_that_cannot_be_made_is_no_news(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    shown = call(diagnose, "train.log", "-c", "train.sh")
    assert (shown.return_value, shown.stderr) == (0, "")


def test_the_list_is_of_this_folder_and_below(folder, monkeypatch, tmp_path):
    applied()
    call(diagnose, failing(), "-c", "train.sh")
    here = call(history)
    assert here.return_value == 0
    assert "train.log" in here.stdout
    assert "told by history 2" in " ".join(here.stdout.split())
    monkeypatch.chdir(tmp_path)
    assert "train.log" in call(history).stdout
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert call(history).return_value == 1
    assert "train.log" in call(history, "--all").stdout


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_entry_is_shown_whole_and_as_json(folder, language):
    applied()
    shown = call(history, "show", "1", "--lang", language)
    assert shown.return_value == 0
    assert "train.per_device_batch_size: 32 -> 2" in shown.stdout
    (entry,) = json.loads(call(history, "show", "1", "--json").stdout)["entries"]
    (made,) = entry["fixes"]
    assert made["sets"]["train.per_device_batch_size"] == 2
    assert made["before"]["train.per_device_batch_size"] == 32
    assert made["predicted_bytes"] > 0
    assert made["outcome"] is None
    listed = json.loads(call(history, "--json").stdout)
    assert listed == {"schema": "oomdoc.history/1", "entries": [entry]}


def test_forgetting_needs_a_yes(folder, remembering):
    applied()
    call(diagnose, failing(), "-c", "train.sh")
    for arguments in (["1"], [], ["--all"]):
        refused = call(history, "forget", *arguments)
        assert refused.return_value == 2
        assert "--yes" in refused.stderr
    assert len(json.loads(call(history, "--json").stdout)["entries"]) == 2
    assert call(history, "forget", "1", "--yes").return_value == 0
    assert [entry["id"] for entry in json.loads(call(history, "--json").stdout)["entries"]] == [2]
    assert attempt("new.log", "-c", "train.sh") is None
    assert call(history, "forget", "9", "--yes").return_value == 2
    assert call(history, "forget", "--all", "--yes").return_value == 0
    assert not remembering.exists()


def test_a_damaged_history_is_told_and_can_be_removed(folder, remembering):
    remembering.parent.mkdir(parents=True)
    remembering.write_bytes(b"garbage " * 900)
    for arguments in ([], ["show", "1"], ["forget", "1", "--yes"]):
        told = call(history, *arguments)
        assert told.return_value == 2
        assert "forget --all --yes" in told.stderr
    assert call(history, "forget", "--all", "--yes").return_value == 0
    assert not remembering.exists()


def test_neither_home_nor_host_nor_secret_is_kept_in_plain(tmp_path, monkeypatch, remembering):
    place = tmp_path / "home" / "wendy.secretive" / "run"
    place.mkdir(parents=True)
    log = (EXAMPLE / "train.log").read_text(encoding="utf-8")
    (place / "train.log").write_text(f"export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH\n{log}", encoding="utf-8")
    shutil.copy(EXAMPLE / "train.sh", place / "train.sh")
    monkeypatch.chdir(place)
    assert call(fix, "train.log", "-c", "train.sh", "--apply").return_value == 0
    kept = b"".join(one.read_bytes() for one in remembering.parent.glob("history*"))
    assert b"hf_abcdef" not in kept
    assert b"wendy" not in kept
