"""Keys that come faster than they are drawn: a slow line, a busy machine, a macro."""

from typing import Any

from textual import events
from tui_scripted import ScriptedDoctor, settled

from oomdoc.tui.app import DoctorApp

KEYS = {" ": "space", "/": "slash", "?": "question_mark", ".": "full_stop", "\r": "enter"}


def burst(app: DoctorApp, text: str) -> None:
    """All keys at once, as the terminal's reader posts them."""
    for char in text:
        app.post_message(events.Key(KEYS.get(char, char), None if char == "\r" else char))


async def test_enter_keeps_its_place_among_the_keys(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        burst(room, "apply\rwhy?\rundo\r")
        await said(room, pilot, doctor, 3)
        assert doctor.heard == ["apply", "why?", "undo"]


async def test_a_command_typed_ahead_of_its_completions_is_the_one_performed(
    room: DoctorApp, doctor: ScriptedDoctor
) -> None:
    """At "/e" the list offers /expand; by Enter the line says something else."""
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        burst(room, "/export a.md\r/why\r")
        await said(room, pilot, doctor, 2)
        assert doctor.heard == ["/export a.md", "why"]


async def said(app: DoctorApp, pilot: Any, doctor: ScriptedDoctor, count: int) -> None:
    for _ in range(200):
        await pilot.pause(0.02)
        if len(doctor.heard) >= count and not app.turns.busy:
            return
