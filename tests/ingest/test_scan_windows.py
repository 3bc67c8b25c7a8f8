"""Huge logs: the interesting places are read with true line numbers, in memory that stays constant."""

import io
import tracemalloc
from pathlib import Path

import pytest

from oomdoc.ingest import read as reading
from oomdoc.ingest import scan as scanning
from oomdoc.ingest.encoding import detect
from oomdoc.ingest.read import read_inputs
from oomdoc.ingest.scan import Scanned, scan, scan_file

STEP = "[rank{rank}]: {{'loss': 1.25, 'learning_rate': 1e-05, 'memory(GiB)': {memory:.2f}, 'step': {step}}}\n"
MESSAGE = (
    "[rank{rank}]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {tried}.00 MiB. GPU {rank} has a "
    "total capacity of 79.14 GiB of which 100.75 MiB is free. Of the allocated memory 78.18 GiB is allocated by "
    "PyTorch, and 69.36 MiB is reserved by PyTorch but unallocated.\n"
)


def log(steps: int, failures: dict[int, tuple[int, int]]) -> bytes:
    """Steps of eight ranks; `failures` are line number -> (rank, MiB)."""
    lines = []
    for number in range(1, steps + 1):
        if number in failures:
            rank, tried = failures[number]
            lines.append(MESSAGE.format(rank=rank, tried=tried))
        else:
            lines.append(STEP.format(rank=number % 8, memory=40 + number / steps * 20, step=number // 8))
    return "".join(lines).encode()


def check_numbers(scanned: Scanned, data: bytes) -> None:
    """Every fragment stands where it says, whole lines in order and none twice."""
    lines = data.decode(detect(data)).splitlines()
    after = 0
    for first, fragment in scanned.fragments:
        assert first > after
        for number, line in enumerate(fragment.decode(scanned.codec).splitlines(), first):
            assert line == lines[number - 1]
            after = number


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sizes divided by 64, so that a megabyte is huge."""
    for name in ("CHUNK", "HEAD", "TAIL", "_BEFORE", "_AFTER", "_LONGEST_WINDOW", "_MOST_BYTES", "_CARRIED"):
        monkeypatch.setattr(scanning, name, getattr(scanning, name) // 64)
    monkeypatch.setattr(reading, "WHOLE", 32 << 10)


FAILURES = {3000: (3, 512), 3001: (0, 514), 9000: (1, 516), 14_900: (2, 518)}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_windows_keep_their_line_numbers(encoding: str) -> None:
    data = log(15_000, FAILURES).decode().encode(encoding)
    scanned = scan(io.BytesIO(data[65536:]), data[:65536])
    assert scanned.total_lines == 15_000
    assert (scanned.codec, scanned.encoding) == ("utf-8", encoding)
    plain = data.decode(encoding).encode()
    check_numbers(scanned, plain)
    read = b"".join(fragment for _, fragment in scanned.fragments)
    assert all(f"{tried}.00 MiB".encode() in read for _, tried in FAILURES.values())
    assert len(read) < len(plain) / 4


@pytest.mark.usefixtures("small")
def test_a_counting_process_gives_the_same(tmp_path: Path) -> None:
    data = log(15_000, FAILURES)
    path = tmp_path / "a.log"
    path.write_bytes(data + b"written meanwhile\n")
    aside = scan_file(path, len(data), "utf-8")
    inside = scan(io.BytesIO(data), b"")
    assert (aside.fragments, aside.total_lines) == (inside.fragments, inside.total_lines)


@pytest.mark.usefixtures("small")
def test_a_huge_file_is_judged_by_its_first_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(log(15_000, FAILURES))
    case = read_inputs([str(path)])
    assert [(event.line, event.rank) for event in case.events] == [(line, rank) for line, (rank, _) in FAILURES.items()]
    assert case.value("oom.tried_to_allocate_bytes") == 512 << 20
    assert "read closely" in (case.inputs[0].note or "")
    trend = [series for series in case.series if series.rank == 1]
    assert trend
    assert trend[0].points[0][1] < trend[0].points[-1][1]


@pytest.mark.usefixtures("small")
def test_first_failures_of_a_late_rank_survive_many_retries_of_another() -> None:
    failures = dict.fromkeys(range(1000, 14000, 7), (0, 512)) | {12_000: (5, 777)}
    data = log(15_000, failures)
    scanned = scan(io.BytesIO(data), b"")
    check_numbers(scanned, data)
    assert any(b"777.00 MiB" in fragment for _, fragment in scanned.fragments)
    assert sum(len(fragment) for _, fragment in scanned.fragments) < len(data) / 2


@pytest.mark.usefixtures("small")
def test_one_endless_line_and_no_line_break_at_all() -> None:
    for data in (b"x" * 3_000_000, b"a\n" + b"x" * 2_000_000 + MESSAGE.encode() + b"y" * 2_000_000):
        scanned = scan(io.BytesIO(data), b"")
        assert scanned.total_bytes == len(data)
        assert scanned.fragments


def test_memory_does_not_grow_with_the_file() -> None:
    block = log(4000, {})

    class Endless(io.RawIOBase):
        left = 48

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return block if self.left > 0 else b""

    tracemalloc.start()
    scanned = scan(Endless(), block)  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scanned.total_lines == 48 * 4000
    assert peak < 12 << 20
