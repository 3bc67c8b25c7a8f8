"""`fix --verify probe` and `diagnose --verify probe` with a stand-in for the GPU: proven, refuted, refused, unsure."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from oomdoc.cli.diagnose import command as diagnose
from oomdoc.cli.fix import command as fix
from oomdoc.probe import verify
from oomdoc.probe.cards import Card, RefusedError
from oomdoc.probe.gpu_probe import Probe, profile_of
from oomdoc.probe.plan import plan_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimind"
GIB = 1 << 30
IDLE, BUSY = 100 << 20, 12 * GIB


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "run"
    shutil.copytree(EXAMPLE, folder)

    def call(command, *more):
        arguments = ["train.log", "-c", "train.sh", "--verify", "probe", "--lang", "en", *more]
        monkeypatch.chdir(folder)
        done = CliRunner().invoke(command, arguments, standalone_mode=False)
        assert done.exception is None, done.exception
        return done

    call.script = folder / "train.sh"
    return call


@pytest.fixture
def gpu(monkeypatch):
    """A card of some size on which a step takes so much."""

    def install(*, needs: float, card: float = 79.0, used: int = IDLE):
        asked = []

        def probed(facts, *, cap_bytes, found, yes, **_):
            if used > IDLE and not yes:
                raise RefusedError("busy", found[0])
            room = cap_bytes or found[0].free_bytes
            held = int(needs * GIB)
            asked.append((facts, room))
            oom = {"phase": "backward", "message": "CUDA out of memory.", "where": ""} if held > room else None
            phase = {"phase": "backward", "moment": "step 1", "allocated_bytes": min(held, room),
                     "reserved_bytes": min(held, room)}  # fmt: skip
            answer = {"phases": [phase], "allocated_bytes": min(held, room), "reserved_bytes": min(held, room),
                      "device_bytes": min(held, room), "oom": oom, "notes": [], "gpu": {"name": "a card"}}  # fmt: skip
            plan = plan_of(facts)
            return Probe(profile_of(plan, answer, room), plan, answer)

        monkeypatch.setattr(verify, "probe", probed)
        monkeypatch.setattr(verify, "usable", lambda: [Card(0, "a card", int(card * GIB), used)])
        return asked

    return install


def test_a_plan_that_runs_is_proven_and_written(run, gpu):
    asked = gpu(needs=13.0)
    done = run(fix, "--apply")
    assert done.return_value == 0
    assert "proven on the GPU: 13.00 GiB of 23.69 GiB, measured on a card" in done.stderr
    (facts, room), = asked  # fmt: skip
    assert facts["train.per_device_batch_size"] < 32
    assert room == facts["hardware.gpu_total_bytes"]  # a larger card plays that of the run
    assert run.script.read_text() != (EXAMPLE / "train.sh").read_text()


def test_a_plan_that_runs_out_of_memory_is_not_written(run, gpu):
    gpu(needs=30.0)
    done = run(fix, "--apply")
    assert done.return_value == 3
    assert "the probe contradicts the plan" in done.stderr
    assert run.script.read_text() == (EXAMPLE / "train.sh").read_text()


def test_running_out_of_memory_on_a_smaller_card_proves_nothing(run, gpu):
    gpu(needs=20.0, card=11.0)
    done = run(fix, "--apply")
    assert done.return_value == 2
    assert "a card of which 10.90 GiB may be taken; the run had 23.69 GiB" in done.stderr
    assert run.script.read_text() == (EXAMPLE / "train.sh").read_text()


def test_fitting_on_a_smaller_card_is_a_proof(run, gpu):
    gpu(needs=9.0, card=11.0)
    assert run(fix).return_value == 0


@pytest.mark.parametrize(("command", "status"), [(fix, 0), (diagnose, 0)])
def test_a_busy_card_is_left_alone_until_agreed(run, gpu, command, status):
    asked = gpu(needs=13.0, used=BUSY)
    done = run(command)
    assert done.return_value == status
    told = " ".join((done.output + done.stderr).split())
    assert "agree with --yes, or let --verify dryrun prove it on the CPU" in told
    assert not asked
    agreed = run(command, "--yes")
    assert asked
    assert "agree with --yes" not in agreed.output + agreed.stderr


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_a_gpu_one_line_offers_the_dry_run(run, monkeypatch, language):
    monkeypatch.setattr("oomdoc.probe.cards.nvidia_smi", lambda *_: "")
    done = run(fix, "--apply", "--lang", language)
    assert done.return_value == 2
    lines = [line for line in done.stderr.splitlines() if "--verify dryrun" in line]
    assert len(lines) == 1
    assert "{" not in done.stderr
    assert run.script.read_text() == (EXAMPLE / "train.sh").read_text()
    shown = run(diagnose, "--lang", language)
    assert shown.return_value == 0
    assert "--verify dryrun" in " ".join(shown.output.split())


@pytest.mark.parametrize(
    "error",
    [
        RefusedError("driver", told="NVIDIA-SMI has failed"),
        RefusedError("hidden", stated='""'),
        RefusedError("partitioned", name="MIG-1"),
        RefusedError("too_large", Card(0, "a", 8 * GIB, 0), cap=24 * GIB),
        RefusedError("too_few", Card(0, "a", 8 * GIB, 0), wanted=8, here=1, kind="zero"),
        RefusedError("nodes", nodes=2, world=16),
        RefusedError("split", kind="tensor"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_refusal_is_a_sentence(run, monkeypatch, error, language):
    def refuse():
        raise error

    monkeypatch.setattr(verify, "usable", refuse)
    done = run(diagnose, "--lang", language)
    assert "--verify dryrun" in " ".join(done.output.split())
    assert "{" not in done.output.partition("What to do next")[0]
