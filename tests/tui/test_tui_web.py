"""The browser door: nobody without the token, no other page; and the room clicked through in headless Chromium."""

import asyncio
import base64
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textual_serve")
aiohttp = pytest.importorskip("aiohttp")
from aiohttp.test_utils import TestClient, TestServer  # noqa: E402

from oomdoc.tui.web import make_server  # noqa: E402

ROOT = Path(__file__).parents[2]
SERVE = (
    "import sys; from oomdoc.tui.web import make_server\n"
    "make_server(sys.argv[3:], 'localhost', int(sys.argv[1]), None, 'en', sys.argv[2]).serve()"
)


async def client_of(token: str = "secret") -> TestClient:  # type: ignore[type-arg]
    server = make_server(["true"], "localhost", 8765, None, "en", token)
    client = TestClient(TestServer(await server._make_app()))
    await client.start_server()
    return client


async def test_nobody_enters_without_the_token() -> None:
    client = await client_of()
    for path in ("/", "/ws", "/static/js/textual.js", "/?token=wrong"):
        assert (await client.get(path)).status == 403, path
    answer = await client.get("/?token=secret")
    assert answer.status == 200
    assert answer.cookies["oomdoc-token"]["httponly"]
    assert answer.cookies["oomdoc-token"]["samesite"] == "Strict"
    await client.close()


async def test_another_page_of_the_same_browser_cannot_open_the_socket() -> None:
    client = await client_of()
    await client.get("/?token=secret")
    refused = await client.get("/ws?token=secret", headers={"Origin": "https://example.org"})
    assert refused.status == 403
    await client.close()


def test_a_token_is_random_and_stands_in_the_address() -> None:
    one, other = (make_server(["true"], "localhost", 8765, None, "en") for _ in range(2))
    assert one.token != other.token
    assert len(one.token) >= 32
    assert one.address == f"http://localhost:8765/?token={one.token}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


class Page:
    """A browser tab over the DevTools protocol."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._number = socket, 0

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json(timeout=20)
            if answer.get("id") == self._number:
                return dict(answer.get("result") or {})

    async def click(self, x: int, y: int) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def enter(self) -> None:
        for kind in ("rawKeyDown", "char", "keyUp"):
            await self.ask(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13
            )

    async def picture(self) -> bytes:
        return base64.b64decode((await self.ask("Page.captureScreenshot"))["data"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
async def test_the_room_is_used_in_a_browser(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(ROOT / "examples" / "eval-crash", run)
    port = free_port()
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PYTHONPATH": str(ROOT),
        "OOMDOC_LANG": "en",
    }
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port), "secret", sys.executable, "-m", "oomdoc", "tui"],
        cwd=run,
        env=environment,
    )
    browser = subprocess.Popen(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
         "--window-size=1000,700", f"--user-data-dir={tmp_path / 'browser'}", "about:blank"],
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        before, after = await use(port, tmp_path / "browser" / "DevToolsActivePort", tmp_path / "state")
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        server.terminate()
        server.wait(10)
        browser.wait(10)
    kept = os.environ.get("OOMDOC_SCREENSHOT")
    if kept:
        Path(kept).write_bytes(after)
    assert len(before) > 20_000  # an empty page is a few kilobytes
    assert before != after


async def use(port: int, active: Path, state: Path) -> tuple[bytes, bytes]:
    """Open the page, click, type a question, and wait until the conversation's journal holds it."""
    await until(active.is_file)
    control = active.read_text(encoding="utf-8").split()[0]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{control}/json/list") as answer:
            target = next(one for one in json.loads(await answer.text()) if one["type"] == "page")
        async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as connection:
            page = Page(connection)
            await page.ask("Page.enable")
            await until(lambda: listens(port))
            await page.ask("Page.navigate", url=f"http://localhost:{port}/?token=secret")
            journal = state / "oomdoc" / "journal.sqlite3"
            await until(lambda: "open" in turns(journal))
            await asyncio.sleep(2)
            before = await page.picture()
            await page.click(400, 300)
            for letter in "why?":
                await page.ask("Input.dispatchKeyEvent", type="keyDown", key=letter, text=letter)
                await page.ask("Input.dispatchKeyEvent", type="keyUp", key=letter)
            await asyncio.sleep(0.5)
            await page.enter()
            await until(lambda: "why?" in turns(journal))
            await asyncio.sleep(1.5)
            return before, await page.picture()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("localhost", port)) == 0


def turns(journal: Path) -> set[str]:
    if not journal.is_file():
        return set()
    database = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    try:
        return {word for row in database.execute("select kind, said from turns") for word in row}
    except sqlite3.Error:
        return set()
    finally:
        database.close()


async def until(holds: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.1)
