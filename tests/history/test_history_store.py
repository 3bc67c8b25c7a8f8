"""The database: private, whole under two writers, and never in the way where it cannot be used."""

import os
import sqlite3
import stat
import subprocess
import sys
import time

import pytest

from oomdoc.history.store import VERSION, HistoryError, opened, remove

ROW = {
    "at": 1.0, "oomdoc": "0", "place": "p", "places": "p q", "folder": "/home/…/run", "log": "train.log", "print": "a",
    "head": "h", "head_bytes": 5, "size": 9, "lines": 2, "line": 2, "outcome": "oom", "memory": "gpu", "phase": "train",
    "step": None, "framework": None, "model": None, "causes": "[]", "configs": "[]",
}  # fmt: skip
FIX = {
    "at": 2.0, "journal": "j1", "sets": "{}", "before": "{}", "aside": "[]", "remedies": "[]", "natives": "[]",
    "predicted_bytes": None,
}  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "oomdoc" / "history.sqlite3"


def added(path, **changed):
    with opened(path, write=True) as store:
        return store.add({**ROW, **changed})


def test_only_the_user_may_read_it(path):
    added(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_database_that_others_could_read_is_closed_to_them(path):
    added(path)
    path.chmod(0o644)
    added(path, print="b")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reading_makes_no_file(path):
    with opened(path, write=False) as store:
        assert store is None
    assert not path.parent.exists()


def test_the_same_log_keeps_its_row_and_its_id(path):
    first = added(path)
    assert added(path, outcome="unclear") == first
    assert added(path, print="b") == first + 1
    with opened(path, write=False) as store:
        assert [row["outcome"] for row in store.diagnoses()] == ["unclear", "oom"]


def test_a_diagnosis_that_was_acted_on_stays_as_it_was(path):
    first = added(path, causes='["batch"]')
    with opened(path, write=True) as store:
        store.add_fix({**FIX, "diagnosis": first})
    assert added(path, causes='["other"]') == first
    with opened(path, write=False) as store:
        assert store.diagnosis(first)["causes"] == '["batch"]'


def test_those_below_a_folder_are_found_by_its_key(path):
    added(path)
    added(path, print="b", place="z", places="z y")
    with opened(path, write=False) as store:
        assert len(store.diagnoses("q")) == 1
        assert len(store.diagnoses()) == 2
        assert store.diagnoses("nowhere") == []


def test_what_is_forgotten_is_gone_from_the_disk(path):
    number = added(path, folder="/very/telling/name")
    with opened(path, write=True) as store:
        store.add_fix({**FIX, "diagnosis": number, "natives": '["--telling_option 7"]'})
        store.forget([number])
        assert store.diagnoses() == []
        assert store.fixes() == []
    left = b"".join(one.read_bytes() for one in path.parent.iterdir())
    assert b"telling" not in left


def test_old_rows_without_a_fix_go(path, monkeypatch):
    monkeypatch.setattr("oomdoc.history.store._MOST", 10)
    kept = added(path)
    with opened(path, write=True) as store:
        store.add_fix({**FIX, "diagnosis": kept})
        for number in range(130):
            store.add({**ROW, "print": f"n{number}"})
        rows = store.diagnoses()
    assert kept in [row["id"] for row in rows]
    assert len(rows) < 80


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be read as one" * 40, b"\0" * 4096])
def test_a_damaged_file_is_told_and_left_alone(path, content):
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(HistoryError) as caught, opened(path, write=True) as store:
        store.add(ROW)
    assert caught.value.key in ("damaged", "failed")
    assert "\n" not in caught.value.told("en")
    assert caught.value.told("zh")
    assert path.read_bytes() == content
    assert remove(path)
    assert not path.exists()


def test_one_of_a_newer_version_is_left_alone(path):
    added(path)
    with sqlite3.connect(path) as db:
        db.execute(f"pragma user_version = {VERSION + 1}")
    before = path.read_bytes()
    for write in (True, False):
        with pytest.raises(HistoryError) as caught, opened(path, write=write):
            pass
        assert caught.value.key == "newer"
    assert path.read_bytes() == before


def test_a_database_that_another_process_holds_is_told_as_busy(path, monkeypatch):
    monkeypatch.setattr("oomdoc.history.store._BUSY_SECONDS", 0.05)
    added(path)
    holder = sqlite3.connect(path)
    holder.execute("begin exclusive")
    started = time.monotonic()
    with pytest.raises(HistoryError) as caught:
        added(path, print="b")
    holder.rollback()
    holder.close()
    assert caught.value.key == "busy"
    assert time.monotonic() - started < 5


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(HistoryError) as caught:
        added(tmp_path / "state" / "oomdoc" / "history.sqlite3")
    assert caught.value.key == "unwritable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_told(path):
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o500)
    with pytest.raises(HistoryError) as caught:
        added(path)
    path.parent.chmod(0o700)
    assert caught.value.key == "unwritable"


def test_two_processes_that_come_first_at_once_lose_nothing(path):
    program = (
        "import sys\nfrom pathlib import Path\nfrom oomdoc.history.store import opened\n"
        "row = eval(sys.argv[2])\n"
        "for n in range(20):\n"
        "    with opened(Path(sys.argv[1]), write=True) as store:\n"
        "        store.add({**row, 'print': f'{sys.argv[3]}-{n}'})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), repr(ROW), name]) for name in "ab"]
    assert [one.wait(60) for one in writers] == [0, 0]
    with opened(path, write=False) as store:
        assert len(store.diagnoses()) == 40
