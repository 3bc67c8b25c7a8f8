"""The scripted room as fixtures."""

from pathlib import Path

import pytest
from tui_scripted import CARDS, ScriptedDoctor

from oomdoc.tui.app import DoctorApp


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedDoctor:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "train.log").write_text("step 1\nstep 2\ntorch.OutOfMemoryError: CUDA out of memory.\nend\n")
    return ScriptedDoctor("en", tmp_path)


@pytest.fixture
def room(doctor: ScriptedDoctor) -> DoctorApp:
    return DoctorApp(doctor, cards=lambda: CARDS, theme="dark", place="~/run")


@pytest.fixture(autouse=True)
def one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cards are read once: how long a test takes must not show in the panel."""
    monkeypatch.setattr("oomdoc.tui.app._GPU_SECONDS", 1e6)
    monkeypatch.setattr("oomdoc.tui.app._GPU_SECONDS_WITHOUT", 1e6)
