"""What holds for every test: nothing is written into the state folder of whoever runs them."""

import os
import tempfile
from pathlib import Path

import pytest

# Set at import, so that subprocesses inherit it; tests of the history turn it on in a folder of their own.
os.environ["OOMDOC_HISTORY"] = "off"
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="oomdoc-tests-")


@pytest.fixture
def remembering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The history turned on, in a state folder of this test; returns where its database will lie."""
    monkeypatch.setenv("OOMDOC_HISTORY", "on")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("OOMDOC_LANG", "en")
    return tmp_path / "state" / "oomdoc" / "history.sqlite3"
