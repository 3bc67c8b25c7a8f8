"""Lines of files by number, whatever the size; and a followed log."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oomdoc.chat import follow as following
from oomdoc.chat.follow import Follower
from oomdoc.chat.new_part import read_since
from oomdoc.tui import lines as lazy
from oomdoc.tui.lines import FileLines, lines_of, open_lines

OOM = (
    b'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    loss.backward()\n'
    b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.00 GiB. GPU 0 has a total capacity of 23.69 GiB "
    b"of which 1.87 GiB is free. Including non-PyTorch memory, this process has 21.80 GiB memory in use. Of the "
    b"allocated memory 21.16 GiB is allocated by PyTorch, and 302.11 MiB is reserved by PyTorch but unallocated.\n"
)  # fmt: skip


def indexed(path: Path) -> FileLines:
    found = open_lines(path)
    while found.extend():
        pass
    return found


@given(text=st.lists(st.text(alphabet="ab 显", max_size=9), max_size=60), ends=st.booleans(), block=st.integers(1, 40))
@settings(max_examples=150, deadline=None)
def test_lines_are_those_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: list[str], ends: bool, block: int
) -> None:
    path = tmp_path_factory.mktemp("lines") / "log"
    whole = "\n".join(text) + ("\n" if ends and text else "")
    path.write_bytes(whole.encode())
    expected = whole.split("\n")
    if expected[-1] == "":
        expected.pop()
    before, lazy.BLOCK = lazy.BLOCK, block  # type: ignore[misc]
    try:
        found = indexed(path)
        assert found.count == len(expected)
        assert [found.line(number) for number in range(1, found.count + 1)] == expected
        assert found.line(0) is None
        assert found.line(found.count + 1) is None
        for needle in ("a", "显", "zz"):
            hits = [number for number, line in enumerate(expected, 1) if needle in line]
            assert found.find(needle.encode(), 0) == (hits[0] if hits else None)
            assert found.find(needle.encode(), found.count + 1, back=True) == (hits[-1] if hits else None)
        found.close()
    finally:
        lazy.BLOCK = before  # type: ignore[misc]


def test_a_large_file_is_indexed_without_being_kept(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    with path.open("wb") as out:
        for number in range(300_000):
            out.write(b"%07d {'loss': 1.73, 'grad_norm': 18.2}\n" % (number + 1))
    found = indexed(path)
    assert found.count == 300_000
    for number in (1, 2, 31_000, 150_001, 300_000):
        assert (found.line(number) or "").startswith(f"{number:07d} ")
    assert len(found._blocks) <= 8
    assert found.find(b"0299999 ", 1) == 299_999
    assert found.find(b"0000005 ", 200_000, back=True) == 5
    found.close()


def test_a_line_that_was_overprinted_shows_its_end_and_a_long_one_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"  0%|  |\r 50%|# |\r100%|##|\n" + b"x" * 100_000 + b"\nwindows\r\n")
    found = indexed(path)
    assert found.line(1) == "100%|##|"
    assert len(found.line(2) or "") == 4_000
    assert found.line(3) == "windows"
    found.close()


def test_a_file_that_grows_is_indexed_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw")
    found = indexed(path)
    assert (found.count, found.line(2)) == (2, "tw")
    with path.open("ab") as out:
        out.write(b"o\nthree\n")
    while found.extend():
        pass
    assert (found.count, found.line(2), found.line(3)) == (3, "two", "three")
    found.close()


def test_a_followed_log_speaks_up_once_the_failure_rests(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(b"step 1\n")
    follower = Follower(str(log), "en")
    assert follower.step(0.0) == []
    with log.open("ab") as out:
        out.write(OOM[:120])
    assert [news.kind for news in follower.step(1.0)] == ["grown"]
    with log.open("ab") as out:
        out.write(OOM[120:])
    assert [news.kind for news in follower.step(1.5)] == ["grown"]
    assert follower.step(1.9) == []  # it may still be written
    assert [news.kind for news in follower.step(2.6)] == ["crash"]
    assert follower.step(9.0) == []


def test_what_the_log_held_before_is_not_news(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(OOM)
    follower = Follower(str(log), "en")
    assert follower.step(0.0) == []
    assert follower.step(5.0) == []


def test_memory_that_grows_is_said_before_it_runs_out(tmp_path: Path) -> None:
    log = tmp_path / "logging.jsonl"
    log.write_bytes(b"")
    follower = Follower(str(log), "en")
    with log.open("a") as out:
        for step in range(1, 60):
            out.write(
                f"{{'loss': 1.73, 'memory(GiB)': {20 + step * 0.5:.2f}, 'global_step/max_steps': '{step}/1000'}}\n"
            )
    news = follower.step(10.0)
    assert [one.kind for one in news] == ["grown", "trouble"]
    assert "49.50 GiB" in news[1].told
    assert [one.kind for one in follower.step(20.0)] == []


def test_a_log_that_starts_over_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(b"step 1\n" * 1000)
    follower = Follower(str(log), "en")
    log.write_bytes(OOM)
    assert [news.kind for news in follower.step(1.0)] == ["grown"]
    assert [news.kind for news in follower.step(3.0)] == ["crash"]


def test_a_log_that_goes_away_is_no_error(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(b"x\n")
    follower = Follower(str(log), "en")
    log.unlink()
    assert follower.step(1.0) == []


def test_following_ends_when_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(following, "_EVERY", 0.0)
    looks = []
    follower = Follower(str(tmp_path / "none.log"), "en")
    monkeypatch.setattr(follower, "step", lambda now: looks.append(now) or [])
    following.follow(follower, lambda news: None, lambda: len(looks) >= 3)
    assert len(looks) == 3


TEXT = "".join(f"步骤 {number}: loss 1.{number}\n" for number in range(1, 4000)) + "CUDA out of memory\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_a_line_has_its_number_and_its_words_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(TEXT.encode(encoding))
    lines = indexed(path)
    assert lines.count == 4000
    assert (lines.line(1) or "").endswith("步骤 1: loss 1.1")
    assert lines.line(3999) == "步骤 3999: loss 1.3999"
    assert lines.line(4000) == "CUDA out of memory"
    assert lines.find(b"out of memory", 1) == 4000
    lines.close()


def test_a_compressed_log_is_unpacked_as_it_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "train.log.gz"
    path.write_bytes(gzip.compress(TEXT.encode() * 40))
    lines = open_lines(path)
    lines.extend()
    assert lines.line(1) == "步骤 1: loss 1.1"
    halfway = lines.share
    assert halfway is None
    while lines.extend():
        pass
    assert lines.share == 1.0
    assert lines.count == 160_000
    assert lines.line(160_000) == "CUDA out of memory"


def test_a_damaged_archive_is_shown_up_to_the_damage(tmp_path: Path) -> None:
    import random

    noise = random.Random(1)
    text = "".join(f"{noise.random()}\n" for _ in range(200_000))
    whole = gzip.compress(text.encode())
    path = tmp_path / "train.log.gz"
    path.write_bytes(whole[: len(whole) // 2])
    lines = open_lines(path)
    while lines.extend():
        pass
    assert 1000 < lines.count < 200_000
    assert lines.line(1000) == text.split("\n")[999]


def test_a_paste_has_lines_too() -> None:
    lines = lines_of("one\ntwo\n三")
    while lines.extend():
        pass
    assert [lines.line(number) for number in (1, 2, 3, 4)] == ["one", "two", "三", None]


def test_of_a_followed_log_only_the_new_run_is_read(tmp_path: Path) -> None:
    """The failure that stands above it is the last run's; lines keep their numbers, a rewritten file begins anew."""
    path = tmp_path / "train.log"
    oom = OOM.decode()
    path.write_text("step 1\n" + oom)
    follower = Follower(str(path), "en")
    with path.open("a") as log:
        log.write("step 1\nstep 2\n" + oom.replace("4.00 GiB", "2.00 GiB"))
    news = [*follower.step(10.0), *follower.step(20.0)]
    (crash,) = [one for one in news if one.kind == "crash"]
    case = read_since(crash.path, crash.since)
    (event,) = case.events
    assert event.figures["tried_to_allocate_bytes"] == 2 << 30
    whole = path.read_text().splitlines()
    assert "2.00 GiB" in whole[event.line - 1]
    assert len(read_since(crash.path, 0).events) == 2
