"""Memory of the room over thousands of turns: the real dialogue on a shipped example, driven headless.

Prints one JSON object: resident MiB after warming up, on the way, and at the end. python benchmarks/tui_memory.py
"""

import argparse
import asyncio
import gc
import json
import os
import tempfile
from pathlib import Path

from oomdoc.ingest.gpu import GpuReading
from oomdoc.tui.app import DoctorApp
from oomdoc.tui.doctor import Doctor

ROOT = Path(__file__).resolve().parents[1]
SAID = ("why?", "what is zero-3", "why not fragmentation?", "what if batch size 2", "plans", "显存碎片是什么", "你好")


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def talk(turns: int, warm: int) -> dict[str, float]:
    os.chdir(ROOT / "examples" / "llamafactory-qwen2.5-vl")
    app = DoctorApp(Doctor("en", Path.cwd()), cards=GpuReading)
    seen: dict[str, float] = {}
    async with app.run_test(size=(100, 40)) as pilot:
        while app.turns.busy or not app.chat.views:
            await pilot.pause(0.05)
        for number in range(1, turns + 1):
            app.say_to_doctor(SAID[number % len(SAID)])
            while app.turns.busy:
                await asyncio.sleep(0)
            await pilot.pause()
            if number == warm or number % (turns // 4) == 0:
                gc.collect()
                seen[str(number)] = round(resident_mib(), 1)
        seen["blocks on the screen"] = len(app.chat.views)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=2000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        print(json.dumps(asyncio.run(talk(given.turns, min(300, given.turns // 2))), indent=1))


if __name__ == "__main__":
    main()
