"""What the log viewer opens: pastes, packed logs, logs with characters of two bytes; always at the quoted line."""

import gzip
from pathlib import Path

import pytest
from textual import events
from tui_scripted import NO_CARDS, settled

from oomdoc.tui.app import DoctorApp
from oomdoc.tui.doctor import Doctor
from oomdoc.tui.screen.log_view import LogLines, LogScreen

OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.00 GiB. GPU 0 has a total capacity of 23.69 GiB "
    "of which 1.87 GiB is free.\n"
)
LOG = "".join(f"step {number} loss 1.5\n" for number in range(1, 300)) + OOM


def marked(app: DoctorApp) -> tuple[int, str]:
    view = app.screen.query_one(LogLines)
    return view.marked, view.lines.line(view.marked) or ""


async def test_a_pasted_log_opens_at_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    app = DoctorApp(Doctor("en", tmp_path), cards=lambda: NO_CARDS)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(app, pilot)
        app.prompt.post_message(events.Paste(LOG))
        await pilot.pause()
        await pilot.press("enter")
        await settled(app, pilot)
        await settled(app, pilot)
        await pilot.press("f4")
        await pilot.pause(0.3)
        assert isinstance(app.screen, LogScreen)
        assert app.screen.name_shown == "<paste 1>"
        number, text = marked(app)
        assert number == 300
        assert "out of memory" in text


async def test_packed_and_wide_logs_open_at_their_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(LOG.encode()))
    (tmp_path / "b.log").write_bytes(LOG.encode("utf-16"))
    for name in ("a.log.gz", "b.log"):
        app = DoctorApp(Doctor("en", tmp_path, files=(name,)), cards=lambda: NO_CARDS)
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(app, pilot)
            await pilot.press("f4")
            await pilot.pause(0.3)
            assert isinstance(app.screen, LogScreen)
            number, text = marked(app)
            assert number == 300
            assert "out of memory" in text
