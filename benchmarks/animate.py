"""The conversation on a shipped example as one animated SVG, which GitHub shows in a README: no script, no player.

Run it from a checkout: python benchmarks/animate.py docs/conversation.svg
"""

import argparse
import asyncio
import os
import re
import shutil
import tempfile
from pathlib import Path

from screenshots import CARDS, ROOT, at_cell_width

from oomdoc.messages import Language
from oomdoc.tui.app import DoctorApp
from oomdoc.tui.doctor import Doctor

SIZE = (88, 27)
SAID: dict[Language, tuple[str, ...]] = {
    "en": ("why?", "plans", "show me the diff", "apply", "next"),
    "zh": ("为什么？", "有什么办法", "看看改动", "应用", "下一步"),
}
TYPED_SECONDS = 1.0
READ_SECONDS = 3.2
_FONTS = re.compile(r"@font-face \{[^}]*\}", re.DOTALL)
_CLIPS = re.compile(r' clip-path="url\(#[^"]*-line-\d+\)"|<clipPath id="[^"]*-line-\d+">.*?</clipPath>', re.DOTALL)
_OPEN = re.compile(r"<svg[^>]*viewBox=\"([^\"]*)\"[^>]*>")


async def frames(example: str, language: Language) -> list[tuple[str, float]]:
    """(picture, seconds it is shown): what is typed, then what is answered."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / example
        shutil.copytree(ROOT / "examples" / example, folder)
        os.chdir(folder)
        os.environ["XDG_STATE_HOME"] = str(Path(name) / "state")
        app = DoctorApp(Doctor(language, folder), cards=lambda: CARDS, theme="dark", place=f"~/runs/{example}")
        async with app.run_test(size=SIZE) as pilot:
            await _rest(app)

            def shot(seconds: float) -> None:
                found.append((at_cell_width(app.export_screenshot(title="oomdoc")), seconds))

            await pilot.pause(0.3)
            shot(READ_SECONDS)
            for line in SAID[language]:
                app.prompt.value = line
                app.prompt.cursor_position = len(line)
                await pilot.pause(0.2)
                shot(TYPED_SECONDS)
                await pilot.press("enter")
                await asyncio.sleep(0.3)
                await _rest(app)
                await pilot.pause(0.3)
                shot(READ_SECONDS)
        os.chdir(ROOT)
    return found


async def _rest(app: DoctorApp) -> None:
    for _ in range(400):
        await asyncio.sleep(0.05)
        if app.turns.served and not app.turns.busy and app.chat.views:
            return


def animated(shown: list[tuple[str, float]]) -> str:
    """The pictures one after the other, for ever; each keeps its own classes."""
    whole = sum(seconds for _, seconds in shown)
    head = _OPEN.search(shown[0][0])
    assert head is not None
    parts, styles, begun = [], [], 0.0
    for number, (picture, seconds) in enumerate(shown):
        body = _FONTS.sub("", picture[_OPEN.search(picture).end() : picture.rindex("</svg>")])  # type: ignore[union-attr]
        body = _CLIPS.sub("", body).replace("terminal-", f"t{number}-")
        on, off = 100 * begun / whole, 100 * (begun + seconds) / whole
        begun += seconds
        before = "" if number == 0 else f"0%{{visibility:hidden}}{on:.3f}%{{visibility:visible}}"
        first = "0%{visibility:visible}" if number == 0 else before
        styles.append(
            f"@keyframes k{number}{{{first}{off:.3f}%{{visibility:hidden}}100%{{visibility:hidden}}}}"
            f"#s{number}{{visibility:{'visible' if number == 0 else 'hidden'};"
            f"animation:k{number} {whole:.1f}s step-end infinite}}"
        )
        parts.append(f'<g id="s{number}">{body}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{head[1]}">\n<style>{"".join(styles)}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--example", default="minimind")
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    given = parser.parse_args()
    target = given.target.resolve()
    target.write_text(animated(asyncio.run(frames(given.example, given.lang))), encoding="utf-8")
    print(f"{given.target}: {target.stat().st_size >> 10} KiB")


if __name__ == "__main__":
    main()
