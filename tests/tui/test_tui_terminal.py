"""The real program in a pseudo-terminal: a pipe beside the keyboard, no terminal, a read-only home, leaving early."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from oomdoc.tui import terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
ROOT = Path(__file__).parents[2]
OOM = (ROOT / "examples" / "eval-crash" / "train.log").read_text(encoding="utf-8")


class Screen:
    """What the program writes, without its control sequences."""

    def __init__(self, terminal_file: int) -> None:
        self.file = terminal_file
        self.raw = b""

    def wait_for(self, text: str, seconds: float = 15.0) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.file], [], [], 0.05)[0]:
                try:
                    self.raw += os.read(self.file, 1 << 16)
                except OSError:
                    break
            if text in self.text:
                return self.text
        raise AssertionError(f"{text!r} never came: {self.text[-2000:]}")

    @property
    def text(self) -> str:
        return re.sub(r"\x1b(?:\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_].*?\x1b\\|[@-Z\\-_])", "",
                      self.raw.decode("utf-8", "replace"))  # fmt: skip

    def type(self, text: str) -> None:
        os.write(self.file, text.encode())


@contextmanager
def room(
    folder: Path, *arguments: str, stdin: int | None = None, size: tuple[int, int] = (30, 100), **environment: str
) -> Iterator[tuple[Screen, int]]:
    pid, file = pty.fork()
    if pid == 0:
        os.chdir(folder)
        if stdin is not None:
            os.dup2(stdin, 0)
        known = {**os.environ, "TERM": "xterm-256color", "OOMDOC_LANG": "en", "PYTHONPATH": str(ROOT)}
        known["XDG_STATE_HOME"] = str(folder / "state")
        known.pop("NO_COLOR", None)
        os.execve(sys.executable, [sys.executable, "-m", "oomdoc", "tui", *arguments], {**known, **environment})
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    try:
        yield Screen(file), pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(file)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "train.log").write_text(OOM, encoding="utf-8")
    return folder


def test_the_folder_is_read_without_being_asked(run: Path) -> None:
    with room(run) as (screen, _):
        screen.wait_for("aste a log")
        assert "train.log" in screen.wait_for("out of GPU memory")


def test_a_pipe_is_the_log_and_the_keyboard_stays(run: Path) -> None:
    (run / "train.log").unlink()
    reader, writer = os.pipe()
    with room(run, stdin=reader) as (screen, _):
        os.close(reader)
        os.write(writer, OOM.encode())
        screen.wait_for("Reading standard input")
        screen.type("abc")
        screen.wait_for("abc")
        os.close(writer)
        screen.wait_for("out of GPU memory")


def test_a_read_only_home_is_no_hindrance(run: Path) -> None:
    with room(run, HOME="/proc", XDG_STATE_HOME="/proc/none") as (screen, _):
        screen.wait_for("out of GPU memory")


def test_bytes_that_are_no_text_do_not_end_the_keyboard(run: Path) -> None:
    with room(run) as (screen, _):
        screen.wait_for("out of GPU memory")
        os.write(screen.file, b"\xe9\xff\x80")
        time.sleep(0.2)
        screen.type("still")
        screen.wait_for("still")


def test_a_terminal_without_unicode_gets_ascii(run: Path) -> None:
    with room(run, LC_ALL="en_US.ISO-8859-1", PYTHONIOENCODING="latin-1", PYTHONUTF8="0") as (screen, _):
        seen = screen.wait_for("out of GPU memory")
        screen.wait_for("[####")
        assert "\ufffd" not in seen


def test_leaving_gives_the_terminal_back(run: Path) -> None:
    with room(run) as (screen, _):
        screen.wait_for("out of GPU memory")
        screen.type("\x11")  # Ctrl+Q
        for _ in range(100):
            if select.select([screen.file], [], [], 0.05)[0]:
                try:
                    screen.raw += os.read(screen.file, 1 << 16)
                except OSError:
                    break
        assert b"\x1b[?1049l" in screen.raw


def test_leaving_early_lets_the_run_go_on(run: Path) -> None:
    (run / "train.log").unlink()
    reader, writer = os.pipe()
    with room(run, stdin=reader) as (screen, _):
        os.close(reader)
        os.write(writer, b"step 1\n")
        screen.wait_for("Reading standard input")
        screen.type("\x11")
        screen.wait_for("the run goes on")
        os.write(writer, b"a later step\n")
        screen.wait_for("a later step")
        os.close(writer)


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_without_a_terminal_it_is_one_clear_line(run: Path, term: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "oomdoc", "tui"], cwd=run, env={**os.environ, "TERM": term, "OOMDOC_LANG": "en"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0] == "oomdoc: standard output is no terminal"
    assert lines[1].startswith("help: oomdoc diagnose")


def test_the_copy_of_a_pipe_goes_away(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    spool = terminal.Spool(reader)
    os.write(writer, b"x" * 100_000)
    os.close(writer)
    spool._thread.join(5)
    assert spool.ended
    assert spool.path.stat().st_size == 100_000
    assert spool.path.stat().st_mode & 0o077 == 0
    spool.remove()
    assert not spool.path.exists()
    os.close(reader)
