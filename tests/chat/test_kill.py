"""Killed in the middle of an apply, an undo or a turn: what was shown is kept, files are old or new, undo works."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oomdoc.chat.carry import carry_out
from oomdoc.chat.journal import Journal
from oomdoc.chat.session import Dialogue
from oomdoc.chat.start import start
from oomdoc.report import blocks_chat

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimind"
TALK = """
import os, signal, sys
from pathlib import Path
from oomdoc.chat.carry import carry_out
from oomdoc.chat.journal import Journal
from oomdoc.chat.start import start

left = int(sys.argv[1])

def counted(real):
    def call(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **named)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

dialogue = start("en", Path.cwd(), journal=Journal()).dialogue
for said in ("batch is 16", "plans", "show me the diff"):
    dialogue.say(said)
    print(said, flush=True)
os.replace, os.fsync, Journal.write = counted(os.replace), counted(os.fsync), counted(Journal.write)
for said in ("apply", "undo"):
    for effect in dialogue.say(said).effects:
        print(said, flush=True)
        outcome = carry_out(dialogue, effect)
        assert outcome.ok, outcome
        dialogue.done(effect, outcome)
        print("done", said, flush=True)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(EXAMPLE, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE.parents[1]))
    return folder


def resumed(run: Path) -> tuple[Dialogue, list[str], str]:
    """The conversation taken up again: what it shows as said, and its sentences."""
    journal = Journal(folder=run)
    assert journal.resume()
    begun = start("en", run, journal=journal)
    said = [block.text for block in begun.blocks if isinstance(block, blocks_chat.SaidBlock)]
    told = [line for block in begun.blocks if isinstance(block, blocks_chat.SayBlock) for line in block.sentences]
    return begun.dialogue, said, "\n".join(told)


# Two moments (before and after) of each journalled turn, flush and rename of an apply and an undo.
@pytest.mark.parametrize("moment", [2, 7, 11, 14, 17, 23])
def test_killed_at_a_moment_of_writing(run: Path, moment: int) -> None:
    old = (run / "train.sh").read_bytes()
    talk = subprocess.run([sys.executable, "-c", TALK, str(moment)], capture_output=True, text=True, check=False)
    assert talk.returncode in (-signal.SIGKILL, 0), talk.stderr
    shown = [line for line in talk.stdout.splitlines() if not line.startswith("done")]
    now = (run / "train.sh").read_bytes()
    assert now == old or b"--batch_size 4" in now

    dialogue, said, told = resumed(run)
    assert said[: len(shown)] == shown
    assert dialogue.case.value("train.per_device_batch_size") == 16
    assert [plan.number for plan in dialogue.plans]
    if "apply" in said and "done apply" not in talk.stdout:
        assert ("the change is complete" in told) == (now != old)
        assert ("files are as they were" in told) == (now == old)
    if now != old:
        (effect,) = dialogue.say("undo").effects
        outcome = carry_out(dialogue, effect)
        assert outcome.ok, outcome
    assert (run / "train.sh").read_bytes() == old
    assert not [path for path in run.iterdir() if path.name.startswith(".")]
