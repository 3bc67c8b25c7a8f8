"""Line mode: lines as they come, a log that is followed beside them, progress only where a person waits."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from oomdoc.chat.stdin import Lines

ROOT = Path(__file__).parents[2]
OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.00 GiB. GPU 0 has a total capacity of 23.69 GiB "
    "of which 1.87 GiB is free.\n"
)


def test_lines_come_whole_whatever_the_pieces() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, encoding="utf-8") as source:
        lines = Lines(source)
        assert lines.get(0.01) is None
        for piece in ("一".encode()[:2], "一".encode()[2:] + b"\ntwo\nth", b"ree\nrest"):
            os.write(writer, piece)
        os.close(writer)
        assert [lines.get() for _ in range(6)] == ["一\n", "two\n", "three\n", "rest", "", ""]


def test_bytes_that_are_no_text_end_nothing() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, encoding="utf-8") as source:
        os.write(writer, b"\xff\xfe why?\n")
        os.close(writer)
        assert (Lines(source).get() or "").endswith(" why?\n")


def plain(run: Path, *arguments: str) -> list[str]:
    del run
    return [sys.executable, "-m", "oomdoc", "--plain", *arguments]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("OOMDOC_LANG", "en")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (folder / "train.log").write_text("step 1 loss 1.0\n")
    return folder


def test_a_watched_log_is_followed_after_the_end_of_input(run: Path) -> None:
    """No keyboard at all: it speaks up when the run fails, and ends."""

    def fail() -> None:
        time.sleep(2.0)
        with (run / "train.log").open("a") as log:
            log.write(OOM)

    threading.Thread(target=fail).start()
    done = subprocess.run(
        plain(run, "--watch", "train.log"), cwd=run, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert "Following train.log" in done.stdout
    assert "has run out of memory" in done.stdout
    assert "It asked for 4.00 GiB with 1.87 GiB free" in done.stdout
    assert done.returncode in (0, 1)


def test_a_watched_run_that_ends_well_is_told(run: Path) -> None:
    def end() -> None:
        time.sleep(2.0)
        with (run / "train.log").open("a") as log:
            log.write("{'train_runtime': 12.5, 'train_loss': 1.1}\n")

    threading.Thread(target=end).start()
    done = subprocess.run(
        plain(run, "--watch", "train.log"), cwd=run, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert "has reached its end" in done.stdout


def test_a_script_that_asks_for_watching_ends_with_its_input(run: Path) -> None:
    (run / "train.log").write_text(OOM)
    (run / "train.sh").write_text("python train.py --per_device_train_batch_size 8 --max_length 2048\n")
    done = subprocess.run(
        plain(run), cwd=run, input="why?\nquit\nnever\n", capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode in (0, 1)
    assert "never" not in done.stdout


def test_a_log_that_is_not_there_is_one_line(run: Path) -> None:
    done = subprocess.run(
        plain(run, "--watch", "none.log"), cwd=run, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "oomdoc: none.log: no such log"
