"""What the room looks like: fixed words, frozen cards, no blinking cursor. Read every difference before taking it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tui_scripted import CARDS, GIB, ScriptedDoctor, chat_blocks, settled

from oomdoc.facts.case import Case
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.tui.app import DoctorApp
from oomdoc.tui.screen.gpu_panel import GpuPanel

CASE = Case(
    facts=(
        Fact(name="train.max_length", value=2048, source=Source(how=How.CONFIG)),
        Fact(name="train.per_device_batch_size", value=32, source=Source(how=How.COMMAND)),
        Fact(name="train.precision", value="bfloat16", source=Source(how=How.LOG)),
        Fact(name="model.name", value="Qwen/Qwen2.5-7B-Instruct", source=Source(how=How.LOG)),
        Fact(name="model.layers", value=28, source=Source(how=How.CATALOG)),
        Fact(name="hardware.gpu_total_bytes", value=25_436_943_811, source=Source(how=How.DERIVED)),
    )
)
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}


def made(folder: Path, language: str = "en", theme: str = "dark", **more: Any) -> DoctorApp:
    doctor = ScriptedDoctor(language, folder)  # type: ignore[arg-type]
    doctor.case = CASE
    return DoctorApp(doctor, cards=lambda: CARDS, theme=theme, place="~/runs/qwen", **more)


def still(*keys: str) -> Any:
    async def before(pilot: Any) -> None:
        pilot.app.prompt.cursor_blink = False
        await settled(pilot.app, pilot)
        for used in (3, 9, 14, 20, 22):
            card = replace(CARDS.gpus[0], used_bytes=used * GIB, free_bytes=(24 - used) * GIB)
            pilot.app.query_one(GpuPanel).show(replace(CARDS, gpus=(card,)))
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await pilot.pause(0.2)

    return before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["dark", "light", "mono"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_room(snap_compare: Any, tmp_path: Path, size: str, theme: str, language: str) -> None:
    app = made(tmp_path, language, theme)
    assert snap_compare(app, terminal_size=SIZES[size], run_before=still())


@pytest.mark.parametrize("size", SIZES)
def test_blocks_of_the_conversation(snap_compare: Any, tmp_path: Path, size: str) -> None:
    app = made(tmp_path)
    app.doctor.opening = chat_blocks()  # type: ignore[attr-defined]
    assert snap_compare(app, terminal_size=SIZES[size], run_before=still())


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("help", ("f1",)),
        ("palette", ("ctrl+p",)),
        ("completion", ("slash", "c")),
        ("case", ("f2",)),
        ("gpu", ("f3",)),
        ("block", ("ctrl+up", "ctrl+up", "ctrl+up", "enter")),
    ],
)
def test_what_lies_over_the_room(snap_compare: Any, tmp_path: Path, name: str, keys: tuple[str, ...]) -> None:
    assert snap_compare(made(tmp_path), terminal_size=SIZES["80x24"], run_before=still(*keys))


def test_high_contrast(snap_compare: Any, tmp_path: Path) -> None:
    assert snap_compare(made(tmp_path, theme="contrast"), terminal_size=SIZES["120x40"], run_before=still())


def test_ascii_only(snap_compare: Any, tmp_path: Path) -> None:
    app = made(tmp_path, theme="mono", ascii_only=True)
    assert snap_compare(app, terminal_size=SIZES["80x24"], run_before=still())


def test_very_wide(snap_compare: Any, tmp_path: Path) -> None:
    assert snap_compare(made(tmp_path, "zh"), terminal_size=(200, 50), run_before=still())


def test_the_log(snap_compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{{'loss': 1.7{n:02d}, 'epoch': 0.{n:02d}}}  显存 20.{n:02d} GiB" for n in range(40)]
    lines[2] = "torch.OutOfMemoryError: CUDA out of memory. \x1b[31mTried\x1b[0m to allocate 4.00 GiB."
    Path("train.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert snap_compare(made(tmp_path), terminal_size=SIZES["80x24"], run_before=still("f4"))
