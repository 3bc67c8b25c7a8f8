"""`oomdoc ask` and `oomdoc chat --plain` as a script sees them."""

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from oomdoc.chat.line import LineMode
from oomdoc.chat.session import Dialogue
from oomdoc.cli.ask import command as ask
from oomdoc.facts.base import root
from oomdoc.report.blocks_chat_text import ChatText

EXAMPLE = root() / "examples" / "llamafactory-qwen2.5-vl"


def asked(*arguments: str) -> dict:
    result = CliRunner().invoke(ask, [*arguments, "--format", "json"], standalone_mode=False)
    assert result.exception is None, result.exception
    return json.loads(result.output)


def test_the_shape_of_the_answer() -> None:
    """intent, facts, drops, terms, blocks; bytes are integers."""
    answer = asked("what if batch 2 on a RTX 4090 24G without lora")
    assert answer["intent"] == "what_if"
    assert answer["facts"] == {
        "train.per_device_batch_size": 2,
        "hardware.gpu_name": "RTX 4090",
        "hardware.gpu_total_bytes": 24 << 30,
    }
    assert answer["drops"] == ["train.method"]
    assert {"terms", "blocks"} <= set(answer)
    assert all("kind" in block for block in answer["blocks"])


def test_a_question_about_a_run() -> None:
    """With a log and a config, the figures are those of the run."""
    answer = asked("batch 1 呢", "--log", str(EXAMPLE / "train.log"), "-c", str(EXAMPLE / "train.yaml"))
    (compared,) = [block for block in answer["blocks"] if block["kind"] == "compare"]
    assert [row["capacity_bytes"] for row in compared["rows"]] == [compared["rows"][0]["capacity_bytes"]] * 2
    assert compared["rows"][0]["fits"] is not True


def test_words_need_no_quotes_and_the_language_is_that_of_the_words() -> None:
    """`oomdoc ask 什么是 ZeRO-3` is answered in Chinese."""
    answer = asked("什么是", "ZeRO-3")
    assert answer["terms"] == ["zero-3"]
    assert "分摊" in answer["blocks"][0]["text"]


@pytest.mark.parametrize(("said", "status"), [("what is ZeRO-3", 0), ("my cat sat on the keyboard", 1)])
def test_the_exit_status_says_whether_it_was_understood(said: str, status: int) -> None:
    """0 understood, 1 not."""
    result = CliRunner().invoke(ask, [said], standalone_mode=False)
    assert result.return_value == status
    assert result.output.strip()


def test_a_path_is_read() -> None:
    """A path as utterance is the paste of its content."""
    answer = asked(str(EXAMPLE / "train.log"))
    assert answer["intent"] == "paste"
    assert "oom.tried_to_allocate_bytes" in answer["facts"]


def test_line_mode_speaks_without_glyphs(capsys: pytest.CaptureFixture[str]) -> None:
    """A script's conversation: one line a turn, a fenced paste is one; no colour, no bar, ends with quit."""
    script = io.StringIO(
        "what if batch 1\n```\nper_device_train_batch_size: 2\ncutoff_len: 4096\nbf16: true\n```\n"
        "why?\nquit\nnever read\n"
    )
    dialogue = Dialogue(folder=EXAMPLE)
    drawer = ChatText("en", 80, ascii_only=True, spoken=True)
    assert LineMode(dialogue, drawer, script).run() == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "█" not in shown
    assert [intent for _, intent in dialogue.turns] == ["what_if", "paste", "why", "smalltalk"]
    assert dialogue.case.value("train.max_length") == 4096


@pytest.mark.parametrize(("adapts", "told"), [(True, "为什么是"), (False, "Why: ")])
def test_line_mode_answers_in_the_language_that_is_spoken(
    adapts: bool, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server's locale is nobody's choice; a language that was asked for is."""
    LineMode(Dialogue(folder=EXAMPLE), ChatText("en"), io.StringIO("为什么\n"), adapts=adapts).run()
    assert told in capsys.readouterr().out


def test_applying_in_line_mode_writes_the_file_and_undo_restores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing before the second "apply"; a backup, and undo."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = tmp_path / "run"
    run.mkdir()
    for file in EXAMPLE.iterdir():
        (run / file.name).write_bytes(file.read_bytes())
    before = (run / "train.yaml").read_bytes()
    dialogue = Dialogue(folder=run)
    LineMode(dialogue, ChatText("en"), io.StringIO("show me the diff\n")).run()
    assert (run / "train.yaml").read_bytes() == before
    LineMode(dialogue, ChatText("en"), io.StringIO("apply\n")).run()
    assert (run / "train.yaml").read_bytes() != before
    LineMode(dialogue, ChatText("en"), io.StringIO("undo\n")).run()
    assert (run / "train.yaml").read_bytes() == before
    assert capsys.readouterr().out
