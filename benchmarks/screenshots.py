"""SVG screenshots of the room on the shipped examples, in both languages; the README shows them.

Run it from a checkout: python benchmarks/screenshots.py docs/screenshots
"""

import argparse
import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

from oomdoc.ingest.gpu import Gpu, GpuProcess, GpuReading
from oomdoc.messages import Language
from oomdoc.report.layout import width
from oomdoc.tui.app import DoctorApp
from oomdoc.tui.doctor import Doctor

ROOT = Path(__file__).resolve().parents[1]
GIB = 1 << 30
# A frozen reading: the machine that takes the pictures must not show in them.
CARDS = GpuReading(
    (
        Gpu(0, "NVIDIA GeForce RTX 4090", 24 * GIB, 3 * GIB, 21 * GIB, 12, "8.9", False,
            (GpuProcess(4189, 2 * GIB, "python", "ana"),)),
    ),
    "570.86",
)  # fmt: skip
_TEXT = re.compile(r'(<text [^>]*textLength=")([\d.]+)("[^>]*>)([^<]*)(</text>)')


@dataclass(frozen=True)
class Shot:
    """One picture: an example, a language, a theme, a size, and what is typed."""

    name: str
    example: str
    language: Language = "en"
    theme: str = "dark"
    size: tuple[int, int] = (120, 40)
    typed: tuple[str, ...] = ()


SHOTS = (
    Shot("room", "llamafactory-qwen2.5-vl"),
    Shot("room-zh", "ms-swift-ovis2", language="zh"),
    Shot("room-light", "eval-crash", theme="light"),
    Shot("room-80x24", "minimind", size=(80, 24)),
    Shot("what-if", "minimind", typed=("what if batch size 4",)),
    Shot("what-if-zh", "minimind", language="zh", typed=("batch 改成 4 呢",)),
    Shot("log", "llamafactory-qwen2.5-vl", typed=("/log",)),
)


def at_cell_width(svg: str) -> str:
    """The picture with the length of every text by terminal columns: the exporter counts characters, and a Chinese
    one takes two columns."""

    def fix(found: re.Match[str]) -> str:
        from html import unescape

        text = unescape(found[4])
        if not text or width(text) == len(text):
            return found[0]
        return f"{found[1]}{float(found[2]) * width(text) / len(text):.1f}{found[3]}{found[4]}{found[5]}"

    return _TEXT.sub(fix, svg)


async def take(shot: Shot, state: Path) -> str:
    """The picture of one moment."""
    os.chdir(ROOT / "examples" / shot.example)
    os.environ["XDG_STATE_HOME"] = str(state)
    doctor = Doctor(shot.language, Path(shot.example), journalled=False)
    doctor.folder = Path.cwd()
    app = DoctorApp(doctor, cards=lambda: CARDS, theme=shot.theme, place=f"~/runs/{shot.example}")
    async with app.run_test(size=shot.size) as pilot:
        await _rest(app)
        for line in shot.typed:
            app.prompt.value = line
            await pilot.press("enter")
            await _rest(app)
        await pilot.pause(0.3)
        return at_cell_width(app.export_screenshot(title="oomdoc"))


async def _rest(app: DoctorApp) -> None:
    for _ in range(200):
        await asyncio.sleep(0.05)
        if not app.turns.busy and app.chat.views:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", help="the name of one picture")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    folder = given.folder.resolve()
    for shot in SHOTS:
        if given.only in {None, shot.name}:
            (folder / f"{shot.name}.svg").write_text(asyncio.run(take(shot, folder / ".state")), encoding="utf-8")
            print(f"{shot.name}.svg")


if __name__ == "__main__":
    main()
