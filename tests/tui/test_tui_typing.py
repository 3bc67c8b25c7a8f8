"""Keys that come faster than they are drawn: a slow line, a busy machine, a macro."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from textual import events
from tui_scripted import NO_CARDS, ScriptedDoctor, settled, text_of

from oomdoc.tui.app import DoctorApp
from oomdoc.tui.doctor import Doctor

KEYS = {
    " ": "space", ",": "comma", "/": "slash", "?": "question_mark", ".": "full_stop", "\r": "enter", "\b": "backspace",
    "\x15": "ctrl+u", "\x01": "ctrl+a",
}  # fmt: skip


def burst(app: DoctorApp, text: str) -> None:
    """All keys at once, as the terminal's reader posts them."""
    for char in text:
        app.post_message(events.Key(KEYS.get(char, char), char if char.isprintable() else None))


async def test_enter_keeps_its_place_among_the_keys(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        burst(room, "apply\rwhy?\rundo\r")
        await said(room, pilot, doctor, 3)
        assert doctor.heard == ["apply", "why?", "undo"]


async def test_a_correction_keeps_its_place_among_the_keys(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    """Backspace, Ctrl+U, Home and the arrows act where they were pressed."""
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        burst(room, "nonsense\x15wht\by?\r")
        burst(room, "bc\x01a\r")
        await said(room, pilot, doctor, 2)
        assert doctor.heard == ["why?", "abc"]


async def test_a_command_typed_ahead_of_its_completions_is_the_one_performed(
    room: DoctorApp, doctor: ScriptedDoctor
) -> None:
    """At "/e" the list offers /expand; by Enter the line says something else."""
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        burst(room, "/export a.md\r/why\r")
        await said(room, pilot, doctor, 2)
        assert doctor.heard == ["/export a.md", "why"]


async def test_what_an_answer_asks_for_is_done_before_what_was_typed_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "apply" and "undo" typed in one go: the change is written, then taken back; nothing else is undone."""
    folder = tmp_path / "run"
    shutil.copytree(Path(__file__).parents[2] / "examples" / "minimind", folder)
    old = (folder / "train.sh").read_bytes()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    app = DoctorApp(Doctor("en", folder), cards=lambda: NO_CARDS)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(app, pilot)
        burst(app, "no, batch is 30\rshow me the diff\rapply\rundo\r")
        for _ in range(400):
            await pilot.pause(0.02)
            if "Restored: train.sh" in text_of(app):
                break
        assert (folder / "train.sh").read_bytes() == old
        assert text_of(app).index("Written: train.sh") < text_of(app).index("Restored: train.sh")
        assert app.doctor.talk.case.value("train.per_device_batch_size") == 30


async def said(app: DoctorApp, pilot: Any, doctor: ScriptedDoctor, count: int) -> None:
    for _ in range(200):
        await pilot.pause(0.02)
        if len(doctor.heard) >= count and not app.turns.busy:
            return
