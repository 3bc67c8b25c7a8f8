"""The journal: every finished turn survives a kill, resume brings the state back, exports are masked."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from oomdoc.chat.export import export
from oomdoc.chat.journal import Journal
from oomdoc.chat.session import Dialogue

_TALK = """
import sys
from pathlib import Path
from oomdoc.chat.journal import Journal
from oomdoc.chat.session import Dialogue
dialogue = Dialogue(journal=Journal(Path(sys.argv[1]), folder=Path(sys.argv[2])), folder=Path(sys.argv[2]))
dialogue.open()
for number in range(1, 500):
    dialogue.say(f"batch is {number}")
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_kill_loses_no_finished_turn(tmp_path: Path, after: int) -> None:
    """SIGKILL in the middle of a conversation: every turn whose reply was shown is there on resume."""
    path = tmp_path / "state" / "journal.sqlite3"
    with subprocess.Popen([sys.executable, "-c", _TALK, str(path), str(tmp_path)], stdout=subprocess.PIPE) as talk:
        assert talk.stdout is not None
        shown = 0
        while shown < after:
            shown = int(talk.stdout.readline())
        os.kill(talk.pid, signal.SIGKILL)
        shown = int((talk.stdout.read().split() or [str(shown).encode()])[-1])
    journal = Journal(path, folder=tmp_path)
    assert journal.resume()
    said = [turn.said for turn in journal.turns() if turn.kind == "say"]
    assert said[:shown] == [f"batch is {number}" for number in range(1, shown + 1)]
    resumed = Dialogue(journal=journal, folder=tmp_path)
    resumed.open()
    assert resumed.case.value("train.per_device_batch_size") == len(said)


def test_resume_brings_wishes_and_facts_back(tmp_path: Path) -> None:
    """Said once, known after a restart; replaying writes nothing twice."""
    path = tmp_path / "j.sqlite3"
    first = Dialogue(journal=Journal(path, folder=tmp_path))
    first.open()
    first.say("Qwen2.5-7B lora on a RTX 4090 24G, batch 2, max_length 2048")
    first.say("keep 2048")
    first.set_fact("train.packing", True)
    count = len(first.journal.turns()) if first.journal else 0
    journal = Journal(path, folder=tmp_path)
    assert journal.resume()
    second = Dialogue(journal=journal)
    second.open()
    assert second.case.value("train.max_length") == 2048
    assert second.case.value("train.packing") is True
    assert second.say("why?").intent == "why"
    assert len(journal.turns()) == count + 1


def test_the_journal_is_private_and_removable(tmp_path: Path) -> None:
    """Nobody else reads it, and forgetting removes the words from the file."""
    path = tmp_path / "deep" / "j.sqlite3"
    journal = Journal(path, folder=tmp_path)
    journal.write("say", "a very particular sentence")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    journal.forget()
    journal.close()
    assert b"particular" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_a_home_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """The conversation goes on in memory."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    journal = Journal(blocked / "j.sqlite3", folder=tmp_path)
    assert journal.note
    journal.write("say", "hello")
    assert [turn.said for turn in journal.turns()] == ["hello"]


def test_two_conversations_in_one_folder(tmp_path: Path) -> None:
    """Each keeps its own turns."""
    path = tmp_path / "j.sqlite3"
    one, two = Journal(path, folder=tmp_path), Journal(path, folder=tmp_path)
    one.write("say", "one")
    two.write("say", "two")
    one.write("say", "three")
    assert [turn.said for turn in one.turns()] == ["one", "three"]
    assert [turn.said for turn in two.turns()] == ["two"]


@pytest.mark.parametrize("ending", [".md", ".html", ".json"])
def test_exports_name_no_person_and_no_secret(tmp_path: Path, ending: str) -> None:
    """Home folders and tokens are masked; markup is escaped."""
    dialogue = Dialogue(journal=Journal(tmp_path / "j.sqlite3", folder=tmp_path))
    dialogue.open()
    dialogue.say("HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz012345 python /home/margarete/train.py --batch_size 4 <script>")
    dialogue.say("why?")
    text = export(dialogue, ending)
    assert "margarete" not in text
    assert "hf_abcdefghijklmnop" not in text
    assert "why?" in text
    if ending == ".html":
        assert "<script>" not in text
    if ending == ".json":
        assert json.loads(text)["schema"] == "oomdoc.chat/1"


def test_another_ending_is_refused(tmp_path: Path) -> None:
    """One sentence says which endings there are."""
    with pytest.raises(ValueError, match="md"):
        export(Dialogue(), ".docx")
