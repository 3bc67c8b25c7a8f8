"""The room driven by keys: what is typed, pasted, chosen, searched, copied and opened."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual import events
from tui_scripted import CARDS, NO_CARDS, ScriptedDoctor, chat_blocks, report_blocks, settled, text_of

from oomdoc.facts.case import Case, Input
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.ingest.gpu import GpuReading
from oomdoc.tui.app import DoctorApp
from oomdoc.tui.blocks.diff import DiffView
from oomdoc.tui.blocks.offer import OfferView
from oomdoc.tui.blocks.plans import PlansView
from oomdoc.tui.blocks.question import QuestionView
from oomdoc.tui.screen.case_panel import CasePanel
from oomdoc.tui.screen.chat import KEPT
from oomdoc.tui.screen.gpu_panel import GpuPanel
from oomdoc.tui.screen.help import HelpScreen
from oomdoc.tui.screen.log_view import LogLines, LogScreen

CASE = Case(
    facts=(
        Fact(name="train.max_length", value=2048, source=Source(how=How.CONFIG, file="train.log", line=2)),
        Fact(name="train.per_device_batch_size", value=32, source=Source(how=How.COMMAND)),
        Fact(name="model.layers", value=28, source=Source(how=How.CATALOG)),
    ),
    inputs=(Input(name="train.log", kind="log"),),
)


async def say(app: DoctorApp, pilot: Any, text: str) -> None:
    app.prompt.value = text
    app.prompt.cursor_position = len(text)
    await pilot.press("enter")
    await settled(app, pilot)


async def test_the_first_frame_is_drawn_and_keys_are_taken_before_anything_was_read(doctor: ScriptedDoctor) -> None:
    doctor.gate.clear()
    app = DoctorApp(doctor, cards=lambda: CARDS, theme="dark")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause(0.05)
        assert not app.chat.views
        await pilot.press("w", "h", "y")
        assert app.prompt.value == "why"
        await asyncio.sleep(0.8)
        await pilot.pause()
        assert "looking around: train.log" in text_of(app)
        assert "25 %" in text_of(app)  # what takes long says how far it is
        assert app.status.busy
        doctor.gate.set()
        await settled(app, pilot)
        assert "out of GPU memory" in text_of(app)
        assert "25 %" not in text_of(app)
        assert not app.status.busy


async def test_an_utterance_is_shown_at_once_and_answered(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        await say(room, pilot, "为什么？")
        assert doctor.heard == ["为什么？"]
        assert "❯ 为什么？" in room.chat.views[-2].render().plain
        assert "heard: 为什么？" in text_of(room)
        await pilot.press("up")
        assert room.prompt.value == "为什么？"


async def test_utterances_are_answered_in_the_order_they_were_said(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        for number in range(5):
            room.say_to_doctor(f"turn {number}")
        await settled(room, pilot)
        assert doctor.heard == [f"turn {number}" for number in range(5)]


async def test_an_error_becomes_one_line_and_the_room_stays(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        doctor.error = ValueError("the file went away")
        await say(room, pilot, "why?")
        assert "the file went away" in text_of(room)
        doctor.error = None
        await say(room, pilot, "again")
        assert doctor.heard == ["again"]


async def test_work_can_be_stopped(doctor: ScriptedDoctor) -> None:
    doctor.gate.clear()
    app = DoctorApp(doctor, cards=lambda: CARDS, theme="dark")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause(0.1)
        await pilot.press("ctrl+c")
        await settled(app, pilot)
        assert "Stopped." in text_of(app)
        assert not app.turns.busy


@pytest.mark.parametrize(("key", "answer"), [("1", "bfloat16"), ("3", "float32"), ("0", "I don't know")])
async def test_a_digit_answers_the_question_in_focus(
    room: DoctorApp, doctor: ScriptedDoctor, key: str, answer: str
) -> None:
    async with room.run_test(size=(100, 40)) as pilot:
        await settled(room, pilot)
        await pilot.press("ctrl+up")
        assert isinstance(room.chat.chosen, QuestionView)
        await pilot.press(key)
        await settled(room, pilot)
        assert doctor.heard == [answer]
        assert room.prompt.has_focus


async def test_alt_and_a_digit_answer_from_the_prompt_and_digits_are_typed(
    room: DoctorApp, doctor: ScriptedDoctor
) -> None:
    async with room.run_test(size=(100, 40)) as pilot:
        await settled(room, pilot)
        await pilot.press("2", "4", "G")
        assert room.prompt.value == "24G"
        await pilot.press("alt+9")
        await settled(room, pilot)
        assert doctor.heard == []
        await pilot.press("alt+2")
        await settled(room, pilot)
        assert doctor.heard == ["float16"]


async def test_a_yes_or_no_question_has_choices_of_its_own(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    from oomdoc.report.blocks import QuestionBlock

    doctor.opening = (QuestionBlock("train.gradient_checkpointing", "Is it on?", ""),)
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        await pilot.press("alt+2")
        await settled(room, pilot)
        assert doctor.heard == ["no"]


async def test_plans_and_offers_are_chosen_by_their_numbers(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    doctor.opening = chat_blocks()
    async with room.run_test(size=(100, 60)) as pilot:
        await settled(room, pilot)
        next(view for view in room.chat.views if isinstance(view, PlansView)).focus()
        await pilot.press("1")
        await settled(room, pilot)
        next(view for view in room.chat.views if isinstance(view, OfferView)).focus()
        await pilot.press("9", "2")
        await settled(room, pilot)
        assert doctor.heard == ["show the diff of plan 1", "why?"]


async def test_a_paste_of_lines_is_kept_whole_until_enter(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    pasted = "python train.py \\\n  --batch 4\n\x1b[31mred\n"
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        room.prompt.post_message(events.Paste(pasted))
        await pilot.pause()
        assert room.prompt.value == ""
        assert room.query_one("#attached").display
        assert doctor.heard == []
        await pilot.press("w", "h", "y", "enter")
        await settled(room, pilot)
        assert doctor.heard == [pasted + "\nwhy"]
        assert not room.query_one("#attached").display
        room.prompt.post_message(events.Paste("a\nb"))
        await pilot.pause()
        await pilot.press("escape", "enter")
        await settled(room, pilot)
        assert len(doctor.heard) == 1


async def test_ten_megabytes_can_be_pasted(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    pasted = "{'loss': 1.73, 'epoch': 0.01} [bold]x[/]\n" * 250_000
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        room.prompt.post_message(events.Paste(pasted))
        await pilot.pause()
        await pilot.press("enter")
        await settled(room, pilot)
        assert len(doctor.heard[0]) == len(pasted)
        assert max(view.size.height for view in room.chat.views) < 40


async def test_slash_commands_complete_and_run(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        await pilot.press("slash", "p", "l")
        assert room.prompt.completing
        await pilot.press("enter")
        await settled(room, pilot)
        assert doctor.heard == ["plans"]
        await pilot.press("slash", "l", "a", "tab")
        assert room.prompt.value == "/lang "
        await say(room, pilot, "/lang zh")
        assert room.language == "zh"
        await say(room, pilot, "/nonsense")
        assert doctor.heard[-1] == "/nonsense"


async def test_the_palette_runs_an_action(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"prove")
        await pilot.pause(0.5)
        await pilot.press("down", "enter")
        await settled(room, pilot)
        await settled(room, pilot)
        assert doctor.heard == ["verify"]


async def test_help_lists_every_action_and_the_widget_in_focus(room: DoctorApp) -> None:
    async with room.run_test(size=(100, 40)) as pilot:
        await settled(room, pilot)
        await pilot.press("f1")
        await pilot.pause()
        screen = room.screen
        assert isinstance(screen, HelpScreen)
        shown = "\n".join("".join(text for text, _ in line) for line in screen.lines(68))
        assert "The prompt." in shown
        assert "/export" in shown
        assert "^P" in shown
        await pilot.press("f1")
        await pilot.pause()
        assert not isinstance(room.screen, HelpScreen)


async def test_the_log_opens_at_the_quoted_line_and_is_searched(room: DoctorApp, tmp_path: Path) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        await pilot.press("f4")
        await pilot.pause(0.2)
        assert isinstance(room.screen, LogScreen)
        lines = room.screen.query_one(LogLines)
        assert lines.marked == 3
        await pilot.press("slash", *"step", "enter")
        await pilot.pause(0.2)
        assert lines.marked == 3  # no hit below: stays
        await pilot.press("N")
        await pilot.pause(0.2)
        assert lines.marked == 2
        await pilot.press("m")
        assert lines.marked == 3
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(room.screen, LogScreen)


async def test_a_log_that_is_gone_is_said_not_raised(room: DoctorApp, tmp_path: Path) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        (tmp_path / "train.log").unlink()
        await pilot.press("f4")
        await settled(room, pilot)
        assert "no log to open" in text_of(room)


async def test_blocks_are_walked_opened_copied_and_found(room: DoctorApp) -> None:
    async with room.run_test(size=(100, 40)) as pilot:
        await settled(room, pilot)
        await pilot.press("ctrl+up", "ctrl+up", "ctrl+up")
        chosen = room.chat.chosen
        assert chosen is not None
        assert chosen.KIND == "cause"
        before = chosen.size.height
        await pilot.press("enter")
        await pilot.pause()
        assert chosen.size.height > before
        await pilot.press("c")
        assert "Activations grow" in room.clipboard
        await pilot.press("escape")
        assert room.prompt.has_focus
        await say(room, pilot, "/find live tensors")
        assert room.chat.chosen is not None
        assert room.chat.chosen.KIND == "bar"
        assert room.chat.chosen.needle == "live tensors"
        await pilot.press("escape", "escape")
        assert all(not view.needle for view in room.chat.views)


async def test_typing_after_a_click_on_a_block_goes_to_the_prompt(room: DoctorApp) -> None:
    async with room.run_test(size=(100, 40)) as pilot:
        await settled(room, pilot)
        await pilot.click("CauseView")
        assert room.chat.chosen is not None
        await pilot.press("w", "h", "y")
        assert room.prompt.has_focus
        assert room.prompt.value == "why"


async def test_a_fact_is_corrected_from_the_panel(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    doctor.case = CASE
    async with room.run_test(size=(120, 30)) as pilot:
        await settled(room, pilot)
        await pilot.press("f2")
        await pilot.pause()
        panel = room.query_one(CasePanel)
        assert panel.has_focus
        assert panel.fact is not None
        assert panel.fact.name == "train.max_length"
        await pilot.press("enter")
        assert room.prompt.value == "/correct train.max_length 2048"
        await say(room, pilot, "/correct train.max_length 1k")
        assert doctor.edited == [("train.max_length", 1024)]
        await say(room, pilot, "/correct train.max_length 1,5")
        assert len(doctor.edited) == 1
        assert "cannot be read" in text_of(room)


async def test_a_fact_opens_the_line_it_was_read_from(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    doctor.case = CASE
    async with room.run_test(size=(120, 30)) as pilot:
        await settled(room, pilot)
        await pilot.press("f2")
        await pilot.pause()
        await pilot.press("l")
        await pilot.pause(0.2)
        assert isinstance(room.screen, LogScreen)
        assert room.screen.query_one(LogLines).marked == 2


async def test_a_narrow_terminal_shows_a_panel_in_place_of_the_chat(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    doctor.case = CASE
    async with room.run_test(size=(80, 24)) as pilot:
        await settled(room, pilot)
        assert not room.query_one("#side").display
        await pilot.press("f2")
        await pilot.pause()
        assert room.query_one("#side").display
        assert not room.chat.display
        await pilot.press("f2")
        await pilot.pause()
        assert room.chat.display
        await pilot.press("f3")
        await pilot.pause()
        assert room.query_one(GpuPanel).display
        assert not room.query_one(CasePanel).display
        await pilot.press("escape")
        await pilot.pause()
        assert room.chat.display


async def test_twenty_by_five_still_takes_an_utterance(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        await pilot.resize_terminal(20, 5)
        await pilot.pause(0.1)
        assert room.prompt.region.height == 1
        assert room.chat.region.height >= 3
        await pilot.press("w", "h", "y", "enter")
        await settled(room, pilot)
        assert doctor.heard == ["why"]
        for key in ("f1", "escape", "f2", "f3", "escape", "f4", "escape", "ctrl+p", "escape"):
            await pilot.press(key)
            await pilot.pause()


async def test_cards_that_vanish_are_said_to_be_gone(doctor: ScriptedDoctor) -> None:
    readings = [CARDS, NO_CARDS]

    def cards() -> GpuReading:
        if not readings:
            raise RuntimeError("NVML is gone")
        return readings.pop(0)

    app = DoctorApp(doctor, cards=cards, theme="dark")
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(app, pilot)
        panel = app.query_one(GpuPanel)
        assert "RTX 4090" in panel.render().plain
        assert "20.00 GiB" in panel.render().plain
        app._read_cards()
        await pilot.pause(0.1)
        assert "can no longer be read" in panel.render().plain
        app._read_cards()
        await pilot.pause(0.1)
        assert "NVML is gone" in panel.render().plain


async def test_a_machine_without_cards_says_so_plainly(doctor: ScriptedDoctor) -> None:
    app = DoctorApp(doctor, cards=lambda: NO_CARDS, theme="dark")
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(app, pilot)
        assert "No GPU can be read on this machine." in app.query_one(GpuPanel).render().plain


async def test_themes_go_round(room: DoctorApp) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        seen = [room.theme]
        for _ in range(4):
            await pilot.press("ctrl+t")
            seen.append(room.theme)
        assert seen == ["dark", "light", "contrast", "mono", "dark"]
        await say(room, pilot, "/theme light")
        assert room.theme == "light"


async def test_a_long_talk_keeps_few_blocks_and_says_so(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(80, 24)) as pilot:
        await settled(room, pilot)
        for number in range(120):
            await room.chat.add(report_blocks()[:2])
            assert len(room.chat.views) <= KEPT, number
        await pilot.pause()
        assert "earlier blocks" in str(room.query_one("#let-go").render())


async def test_reading_one_more_file_is_a_turn(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        await say(room, pilot, "/read other.yaml")
        assert doctor.taken == [("other.yaml",)]


async def test_a_click_on_the_key_line_does_what_the_key_does(room: DoctorApp) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        await pilot.click("#keys", offset=(2, 0))
        await pilot.pause()
        assert isinstance(room.screen, HelpScreen)


async def test_quitting(room: DoctorApp) -> None:
    async with room.run_test(size=(100, 30)) as pilot:
        await settled(room, pilot)
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert room.is_running
        await pilot.press("ctrl+q")
        await pilot.pause()
    assert room.return_code == 0


async def test_a_diff_is_opened_and_copied(room: DoctorApp, doctor: ScriptedDoctor) -> None:
    doctor.opening = chat_blocks()
    async with room.run_test(size=(100, 60)) as pilot:
        await settled(room, pilot)
        view = next(view for view in room.chat.views if isinstance(view, DiffView))
        view.focus()
        await pilot.press("c")
        assert room.clipboard.startswith("--- train.sh\n+++ train.sh\n")
