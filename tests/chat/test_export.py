"""What leaves the machine: the report and the talk, without names of people, homes, hosts and secrets."""

import json
import shutil
from pathlib import Path

import pytest

from oomdoc.chat.carry import carry_out
from oomdoc.chat.export import export
from oomdoc.chat.journal import Journal
from oomdoc.chat.session import Dialogue
from oomdoc.chat.start import start
from oomdoc.report.hosts import mask_hosts

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimind"
SECRET = """margarete@gpu-node-17:~/run$ export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz012345 MASTER_ADDR=c13n04
margarete@gpu-node-17:~/run$ torchrun --master_addr c13n04 /home/margarete/train.py --batch_size 4
slurmstepd: error: Detected 1 oom_kill event in StepId=1.0 on node c13n04
"""


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dialogue:
    folder = tmp_path / "run"
    shutil.copytree(EXAMPLE, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    dialogue = start("en", folder, journal=Journal(folder=folder)).dialogue
    dialogue.say(SECRET)
    dialogue.say("why?")
    return dialogue


@pytest.mark.parametrize("ending", [".md", ".html", ".json"])
def test_report_and_talk_are_one_file(talk: Dialogue, ending: str) -> None:
    text = export(talk, ending)
    assert "out of GPU memory on GPU 0" in text
    assert "why?" in text
    assert "how often it is the cause" in text
    for private in ("margarete", "hf_abcdefghijklm", "gpu-node-17", "c13n04"):
        assert private not in text
    if ending == ".json":
        whole = json.loads(text)
        assert whole["report"]["verdict"]["outcome"] == "oom"
        assert [turn["said"] for turn in whole["turns"]][-1] == "why?"
    if ending == ".html":
        assert text.count("</body>") == 1
        assert text.rstrip().endswith("</body></html>")


def test_an_existing_file_is_never_replaced(talk: Dialogue) -> None:
    (effect,) = talk.say("/export train.log.md").effects
    assert carry_out(talk, effect).ok
    outcome = carry_out(talk, effect)
    assert outcome.ok is False
    assert "exists already" in outcome.sentence


def test_saving_promises_only_what_is_kept(talk: Dialogue) -> None:
    def told(dialogue: Dialogue) -> str:
        return str(dialogue.say("/save").blocks)

    assert "oomdoc --resume" in told(talk)
    assert "only in memory" in told(Dialogue())


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("(base) root@dgx-07:/data# ls", "(base) …@…:/data# ls"),
        ("Hostname: dgx-07", "Hostname: …"),
        ("[gpu-node-17:1234] MPI", "[…:1234] MPI"),
        ("Nov 21 02:14:11 gpu-box kernel: Out of memory", "Nov 21 02:14:11 … kernel: Out of memory"),
        ("--master_addr=worker-0.job.ns.svc.cluster.local", "--master_addr=…"),
        ("node01.cluster.internal: Traceback", "…: Traceback"),
    ],
)
def test_names_of_machines_go(line: str, shown: str) -> None:
    assert mask_hosts(line) == shown


@pytest.mark.parametrize(
    "line",
    [
        "[rank0:1234] CUDA out of memory",
        "--master_addr $MASTER_ADDR --node_rank 0",
        "MASTER_ADDR=localhost",
        "model.layers.0.local.weight and self.local.bias",
        "2025-11-21T02:03:04 INFO train: step 1",
        "killed on node with 512 GB",
    ],
)
def test_what_names_no_machine_stays(line: str) -> None:
    assert mask_hosts(line) == line
