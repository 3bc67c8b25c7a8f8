"""The shipped examples by keyboard only, with the real dialogue: read, asked why, a plan, its diff, written, undone."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tui_scripted import NO_CARDS, settled, text_of

from oomdoc.tui.app import DoctorApp
from oomdoc.tui.blocks.diff import DiffView
from oomdoc.tui.blocks.evidence_sum import SumView
from oomdoc.tui.blocks.plans import PlansView
from oomdoc.tui.blocks.verdict import VerdictView
from oomdoc.tui.doctor import Doctor
from oomdoc.tui.screen.case_panel import CasePanel
from oomdoc.tui.screen.log_view import LogLines, LogScreen

EXAMPLES = sorted(path for path in (Path(__file__).parents[2] / "examples").iterdir() if path.is_dir())
SAID = {
    "en": ("why?", "show me the diff", "apply", "undo"),
    "zh": ("为什么？", "看看改动", "应用", "撤销"),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_from_the_folder_to_a_change_and_back(
    example: Path, language: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(example, folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    app = DoctorApp(Doctor(language, folder), cards=lambda: NO_CARDS, theme="dark")
    why, diff, apply, undo = SAID[language]

    async with app.run_test(size=(100, 40)) as pilot:

        async def say(text: str) -> None:
            # Pilot has no keys for Chinese: an input method hands over text as well.
            app.prompt.insert_text_at_cursor(text)
            await pilot.press("enter")
            await settled(app, pilot)
            await settled(app, pilot)

        await settled(app, pilot)
        assert any(isinstance(view, VerdictView) for view in app.chat.views)
        assert app.query_one(CasePanel).fact is not None
        await pilot.press("f4")
        await pilot.pause(0.1)
        assert isinstance(app.screen, LogScreen)
        assert "out of memory" in marked(app).lower()
        await pilot.press("escape")
        await say(why)
        assert any(isinstance(view, SumView) for view in app.chat.views)
        await pilot.press("slash", *"plans", "enter")
        await settled(app, pilot)
        assert any(isinstance(view, PlansView) for view in app.chat.views)
        await say(diff)
        shown = [view for view in app.chat.views if isinstance(view, DiffView)]
        await say(apply)
        now = {path: path.read_bytes() for path in folder.iterdir()}
        assert (now != before) == bool(shown), text_of(app)[-600:]
        if shown:
            await say(undo)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before


def marked(app: DoctorApp) -> str:
    lines = app.screen.query_one(LogLines)
    return lines.lines.line(lines.marked) or ""


@pytest.mark.parametrize(("adapts", "language"), [(True, "zh"), (False, "en")])
async def test_the_room_answers_in_the_language_that_is_spoken(
    adapts: bool, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    app = DoctorApp(Doctor("en", tmp_path), cards=lambda: NO_CARDS, theme="dark", adapts=adapts)
    async with app.run_test(size=(100, 40)) as pilot:
        await settled(app, pilot)
        app.prompt.insert_text_at_cursor("你能做什么？")
        await pilot.press("enter")
        await settled(app, pilot)
        assert app.language == language
        assert app.doctor.dialogue is not None
        assert app.doctor.dialogue.language == language
