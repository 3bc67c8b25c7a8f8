"""The dialogue behind the room: what is taken of a folder, and that nothing unreadable ends the conversation."""

import shutil
from pathlib import Path

import pytest

from oomdoc.chat import aside
from oomdoc.chat.carry import carry_out
from oomdoc.ingest.errors import InputError
from oomdoc.ingest.read import read_inputs
from oomdoc.tui.blocks.said import Told
from oomdoc.tui.doctor import Doctor
from oomdoc.tui.values import NotReadable, value_of

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(EXAMPLES / "minimind", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return folder


def test_the_folder_gives_its_log_and_its_settings(run: Path) -> None:
    turn = Doctor("en", run, journalled=False).open()
    assert turn.took == ("train.log", "train.sh")
    assert turn.case is not None
    assert turn.case.value("train.per_device_batch_size") == 32


def test_a_named_log_brings_the_settings_beside_it(run: Path) -> None:
    assert Doctor("en", run, files=("train.log",), journalled=False).open().took == ("train.log", "train.sh")
    elsewhere = run / "sub"
    elsewhere.mkdir()
    shutil.copy(run / "train.log", elsewhere)
    took = Doctor("en", run, files=("sub/train.log",), journalled=False).open().took
    assert took == ("sub/train.log",)


def test_a_pipe_leaves_the_folders_old_log_alone(run: Path) -> None:
    assert Doctor("en", run, logs=False, journalled=False).open().took == ("train.sh",)


def test_a_file_that_cannot_be_read_is_said_and_the_talk_goes_on(run: Path) -> None:
    doctor = Doctor("en", run, files=("none.log",), journalled=False)
    turn = doctor.open()
    told = turn.blocks[0]
    assert isinstance(told, Told)
    assert "none.log" in told.text
    assert doctor.say("what is zero-3").blocks


def test_a_talk_can_begin_where_reading_was_stopped(run: Path) -> None:
    doctor = Doctor("en", run, journalled=False)
    assert doctor.say("what is zero-3").blocks


def test_a_talk_is_taken_up_again(run: Path) -> None:
    first = Doctor("en", run)
    first.open()
    first.say("no, batch is 4")
    again = Doctor("en", run, resume=True)
    turn = again.open()
    assert turn.case is not None
    assert turn.case.value("train.per_device_batch_size") == 4


def test_a_home_that_cannot_be_written_is_told_and_nothing_is_changed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The talk goes on in memory; without room for a backup no file is touched."""
    home = tmp_path / "no-home"
    home.mkdir()
    (home / "oomdoc").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    before = (run / "train.sh").read_bytes()
    doctor = Doctor("en", run)
    told = doctor.open().blocks[0]
    assert isinstance(told, Told)
    assert "cannot be kept on disk" in told.text
    doctor.say("show me the diff")
    (effect,) = doctor.say("apply").effects
    outcome = carry_out(doctor.talk, effect)
    assert outcome.ok is False
    assert "without room for a backup nothing is written" in outcome.sentence
    assert (run / "train.sh").read_bytes() == before


def test_a_large_log_is_read_in_a_process_of_its_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The case is the one that reading here gives; what cannot be read is said in the same words; a stop is one."""
    monkeypatch.setattr(aside, "_LARGE", 1)
    logs, settings = ["train.log"], ["train.sh"]
    heard: list[str] = []
    beside = aside.read_beside(logs, settings, lambda name, done, total: heard.append(name))
    assert beside == read_inputs(logs, configs=settings)
    (run / "core.log").write_bytes(b"\x7fELF" + bytes(2000))
    with pytest.raises(InputError, match="binary file"):
        aside.read_beside(["core.log"], [], lambda *_: None)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("train.max_length", "2048", 2048),
        ("train.max_length", "2k", 2048),
        ("train.max_length", "16,384", 16384),
        ("hardware.gpu_total_bytes", "24 GiB", 24 << 30),
        ("hardware.gpu_total_bytes", "24G", 24 << 30),
        ("train.gradient_checkpointing", "开", True),
        ("train.gradient_checkpointing", "no", False),
        ("train.max_length", "none", None),
        ("train.precision", "bfloat16", "bfloat16"),
    ],
)
def test_a_typed_value_is_read_in_the_facts_unit(name: str, text: str, value: object) -> None:
    assert value_of(name, text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("train.max_length", "1,5"), ("train.max_length", "2.5"), ("train.max_length", "a lot"), ("train.max_length", ""),
     ("train.gradient_checkpointing", "maybe"), ("train.precision", "int3"), ("no.such_fact", "1")],
)  # fmt: skip
def test_a_doubtful_value_is_refused(name: str, text: str) -> None:
    with pytest.raises(NotReadable):
        value_of(name, text)
