"""A conversation taken up again: the same case, facts, plans and words; what changed in between is told."""

import shutil
from pathlib import Path

import pytest

from oomdoc.chat.journal import Journal
from oomdoc.chat.keep import blocks_of, given_back, kept
from oomdoc.chat.session import Dialogue
from oomdoc.chat.start import Start, start
from oomdoc.ingest.read import read_inputs
from oomdoc.report import blocks, blocks_chat

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimind"
PASTE = """Traceback (most recent call last):
  File "train.py", line 12, in <module>
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 1 has a total capacity of 79.15 GiB of \
which 1.02 GiB is free. Including non-PyTorch memory, this process has 78.11 GiB memory in use.
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(EXAMPLE, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return folder


def begin(run: Path, *, resume: bool = False) -> Start:
    journal = Journal(folder=run)
    if resume:
        assert journal.resume()
    return start("en", run, journal=journal)


def told(begun: Start) -> str:
    return "\n".join(s for block in begun.blocks if isinstance(block, blocks_chat.SayBlock) for s in block.sentences)


def test_everything_that_was_known_is_known_again(run: Path) -> None:
    """Files read at the start, a paste, a file handed over, told facts, wishes, plans, the question."""
    first = begin(run).dialogue
    first.say(PASTE)
    (run / "more.yaml").write_text("per_device_train_batch_size: 2\ncutoff_len: 4096\n")
    first.take(read_inputs([], configs=["more.yaml"]), "more.yaml")
    first.say("no, batch is 16")
    first.say("keep 2048")
    first.set_fact("train.packing", True)
    shown = first.say("plans").blocks

    begun = begin(run, resume=True)
    second = begun.dialogue
    assert second.case.facts == first.case.facts
    assert second.case.events == first.case.events
    assert second.case.inputs == first.case.inputs
    assert second.plans == first.plans
    assert second.question == first.question
    assert second.turns == first.turns
    assert [block for block in begun.blocks if isinstance(block, blocks_chat.PlansBlock)] == [
        block for block in shown if isinstance(block, blocks_chat.PlansBlock)
    ]
    assert second.pasted(1) == PASTE
    assert second.say("why?").blocks == first.say("why?").blocks


def test_a_told_fact_can_still_be_taken_back(run: Path) -> None:
    begin(run).dialogue.say("no, batch is 16")
    dialogue = begin(run, resume=True).dialogue
    dialogue.say("undo")
    assert dialogue.case.value("train.per_device_batch_size") == 32


def test_files_that_changed_or_went_are_named(run: Path) -> None:
    """The case stays what it was; the person hears what no longer agrees with it."""
    begin(run).dialogue.say("why?")
    with (run / "train.log").open("a") as log:
        log.write("another line\n")
    (run / "train.sh").unlink()
    begun = begin(run, resume=True)
    assert "Changed since I read it: train.log" in told(begun)
    assert "No longer there: train.sh" in told(begun)
    assert begun.dialogue.case.value("train.per_device_batch_size") == 32


def test_untouched_files_are_not_mentioned(run: Path) -> None:
    begin(run).dialogue.say("why?")
    (run / "train.log").touch()
    assert "Changed" not in told(begin(run, resume=True))


def test_a_file_named_at_resume_joins_the_case(run: Path) -> None:
    begin(run).dialogue.say("why?")
    (run / "more.yaml").write_text("per_device_train_batch_size: 2\n")
    journal = Journal(folder=run)
    journal.resume()
    begun = start("en", run, configs=("more.yaml",), journal=journal)
    assert "more.yaml" in [read.name for read in begun.dialogue.case.inputs]


def test_an_interrupted_dry_run_is_told(run: Path) -> None:
    dialogue = begin(run).dialogue
    dialogue.say("plans")
    assert dialogue.say("verify").effects
    assert "The dry run was cut off" in told(begin(run, resume=True))


def test_long_conversations_show_every_turn(run: Path) -> None:
    """The last twenty whole, the earlier ones by what was said."""
    first = begin(run).dialogue
    for number in range(30):
        first.say(f"what is zero-{number % 3 + 1}")
    drawn = begin(run, resume=True).blocks
    said = [block.text for block in drawn if isinstance(block, blocks_chat.SaidBlock)]
    (earlier,) = [block for block in drawn if isinstance(block, blocks_chat.HistoryBlock)]
    assert len(said) == 20
    assert [*(row[0] for row in earlier.rows), *said] == [f"what is zero-{number % 3 + 1}" for number in range(30)]


def test_a_conversation_that_is_open_elsewhere_is_left_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds it: a new one begins, and says so."""
    import subprocess
    import sys

    begin(run).dialogue.say("why?")
    holder = (
        "import sys, time\nfrom oomdoc.chat.journal import Journal\njournal = Journal()\n"
        "print(journal.resume(), flush=True)\ntime.sleep(60)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE.parents[1]))
    monkeypatch.setattr("oomdoc.chat.hold._held", {})
    for mark in (run.parent / "state" / "oomdoc").glob("*.open"):
        mark.unlink()
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        journal = Journal(folder=run)
        assert not journal.resume()
        begun = start("en", run, journal=journal)
        other.kill()
    assert "open in another window" in told(begun)
    assert begun.dialogue.turns == ()


def test_an_earlier_conversation_is_offered(run: Path) -> None:
    begin(run).dialogue.say("why?")
    assert "oomdoc --resume takes it up again" in told(begin(run))


def test_a_paste_without_a_journal_is_kept_for_the_viewer() -> None:
    dialogue = Dialogue()
    for _ in range(6):
        dialogue.say(PASTE)
    assert dialogue.pasted(6) == PASTE
    assert dialogue.pasted(1) is None


def test_halves_of_surrogate_pairs_reach_no_file(run: Path) -> None:
    """A terminal without UTF-8 can bring them."""
    dialogue = begin(run).dialogue
    dialogue.say("what is \udce9?")
    assert begin(run, resume=True).dialogue.turns[-1][0] == "what is ??"


def test_blocks_come_back_as_they_were() -> None:
    whole = (
        blocks.VerdictBlock("oom", "h", "s", blocks.Place("a.log", 3, "quote")),
        blocks.BarBlock("t", 9, (blocks.Segment("free", "free", 9),), None),
        blocks.StepsBlock((blocks.Step("r", "c", "t", sets=(("train.max_length", 1), ("quant.type", None))),)),
        blocks_chat.PlansBlock("p", (blocks_chat.PlanRow(1, "t", ("a",), "p", "c", 1, None),)),
        blocks_chat.HistoryBlock("h", (("a", "b"),)),
    )
    assert blocks_of(kept(whole)) == whole
    assert given_back(kept({"train.max_length": (1, 2.5, None, True)})) == {"train.max_length": (1, 2.5, None, True)}


def test_blocks_of_another_version_are_left_out() -> None:
    strange = [{"is": "NoSuchBlock"}, {"is": "SayBlock", "unheard": 1}, *kept((blocks_chat.SayBlock(("here",)),))]
    assert blocks_of(strange) == (blocks_chat.SayBlock(("here",)),)
