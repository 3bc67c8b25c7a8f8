"""The simulator against PyTorch's own allocator (recorded), its invariants, and its door to foreign interpreters."""

import ast
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from allocator_traces import MIB, make_trace, simulate

from oomdoc.memory import allocator as module
from oomdoc.memory.allocator import Allocator, AllocatorConf, OutOfMemory, format_size, replay

RECORDED = Path(__file__).parent.parent / "fixtures" / "allocator" / "recorded.json.gz"
CASES: list[dict[str, Any]] = json.loads(gzip.decompress(RECORDED.read_bytes()))
DRY_RUNS: list[dict[str, Any]] = json.loads(gzip.decompress(RECORDED.with_name("dry_runs.json.gz").read_bytes()))
SETTINGS = (
    "",
    "expandable_segments:True",
    "max_split_size_mb:32",
    "roundup_power2_divisions:4",
    "garbage_collection_threshold:0.5",
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}-{case['seed']}-{case['settings']['conf']}")
def test_it_agrees_with_pytorch_to_the_byte(case: dict[str, Any]) -> None:
    """Every address, every failure with the figures of its message, and all statistics are those of torch 2.15."""
    assert simulate(make_trace(case), case["settings"]) == case["answer"]


def test_the_recorded_traces_are_hard() -> None:
    """Full cards, retries, failures and all settings are among them, or agreement would mean little."""
    assert len(CASES) >= 100
    assert sum(bool(case["answer"]["stats"][9]) for case in CASES) >= 40
    assert sum(bool(case["answer"]["failures"]) for case in CASES) >= 30
    assert len({case["settings"]["conf"] for case in CASES}) >= 15
    assert any(case.get("streams", 1) > 1 for case in CASES)


@pytest.mark.parametrize("case", DRY_RUNS, ids=lambda case: str(case["name"]))
def test_it_agrees_with_pytorch_on_real_dry_runs(case: dict[str, Any]) -> None:
    """The storages of real training steps, on cards that they nearly fill or do not fit."""
    for run in case["runs"]:
        assert simulate(make_trace(case), run["settings"]) == run["answer"], run["settings"]


def test_the_recorded_dry_runs_are_hard() -> None:
    """Real steps, with cards where cached segments are given back and cards that are too small."""
    answers = [run["answer"] for case in DRY_RUNS for run in case["runs"]]
    assert len(DRY_RUNS) >= 6
    assert all(len(case["trace"]) >= 1000 for case in DRY_RUNS)
    assert sum(bool(answer["failures"]) for answer in answers) >= 4
    assert sum(bool(answer["stats"][9]) and not answer["failures"] for answer in answers) >= 2


requests = st.integers(1, 4096) | st.integers(1, 4 * MIB) | st.integers(MIB, 80 * MIB)
actions = st.lists(st.tuples(st.integers(0, 5), requests, st.integers(0, 1), st.integers(0, 999)), max_size=60)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(actions, st.sampled_from(SETTINGS), st.sampled_from([None, 0.6]))
def test_live_blocks_never_overlap_and_everything_comes_back(
    steps: list[tuple[int, int, int, int]], conf: str, fraction: float | None
) -> None:
    allocator = Allocator(total_bytes=300 * MIB, other_bytes=20 * MIB, conf=conf, fraction=fraction)
    live: dict[int, int] = {}
    failures = 0
    for kind, size, stream, pick in steps:
        if kind < 3:
            try:
                handle = allocator.malloc(size, stream)
            except OutOfMemory:
                failures += 1
                continue
            assert handle not in live
            live[handle] = size
        elif kind < 5 and live:
            handle = sorted(live)[pick % len(live)]
            allocator.free(handle)
            del live[handle]
        elif kind == 5:
            allocator.empty_cache()
        ends = 0
        for start in sorted(live):
            assert start >= ends
            ends = start + live[start]
        figures = allocator.stats
        assert figures.requested_bytes == sum(live.values()) <= figures.allocated_bytes <= figures.reserved_bytes
        assert figures.reserved_bytes <= figures.peak_reserved_bytes <= 280 * MIB
        assert figures.ooms == failures <= figures.retries
    for handle in live:
        allocator.free(handle)
    allocator.empty_cache()
    figures = allocator.stats
    assert (figures.allocated_bytes, figures.reserved_bytes, figures.segments) == (0, 0, 0)
    assert allocator.device_bytes == 0


def test_sizes_of_segments() -> None:
    """2 MiB for small requests, 20 MiB up to 10 MiB, then the next multiple of 2 MiB."""
    for size, segment in ((1, 2), (MIB, 2), (MIB + 1, 20), (10 * MIB - 512, 20), (10 * MIB, 10), (21 * MIB, 22)):
        allocator = Allocator()
        allocator.malloc(size)
        assert allocator.stats.reserved_bytes == segment * MIB


def test_streams_do_not_share_their_cache() -> None:
    allocator = Allocator()
    allocator.free(allocator.malloc(64 * MIB, 1))
    allocator.malloc(64 * MIB, 2)
    assert allocator.reserved_bytes == 128 * MIB
    allocator.malloc(64 * MIB, 1)
    assert allocator.reserved_bytes == 128 * MIB


def test_a_full_card_is_said_in_the_words_of_pytorch() -> None:
    allocator = Allocator(total_bytes=1024 * MIB, other_bytes=200 * MIB, fraction=0.75)
    allocator.malloc(600 * MIB)
    with pytest.raises(OutOfMemory) as caught:
        allocator.malloc(199 * MIB)
    assert str(caught.value) == (
        "CUDA out of memory. Tried to allocate 200.00 MiB. GPU 0 has a total capacity of 1024.00 MiB of which "
        "224.00 MiB is free. 768.00 MiB allowed; Of the allocated memory 600.00 MiB is allocated by PyTorch, and "
        "0 bytes is reserved by PyTorch but unallocated."
    )
    assert (allocator.retries, allocator.ooms) == (1, 1)


def test_an_empty_request_takes_nothing() -> None:
    allocator = Allocator()
    assert allocator.malloc(0) == 0
    allocator.free(0)
    assert allocator.stats == Allocator().stats


def test_misuse_is_refused() -> None:
    allocator = Allocator()
    with pytest.raises(ValueError, match="-1 bytes"):
        allocator.malloc(-1)
    with pytest.raises(KeyError):
        allocator.free(512)
    with pytest.raises(ValueError, match="total_bytes"):
        allocator.set_memory_fraction(0.5)
    assert Allocator(conf="per_process_memory_fraction:0.5").allowed_bytes is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        Allocator(total_bytes=MIB, fraction=1.5)
    with pytest.raises(ValueError, match="cudaMallocAsync is not simulated"):
        Allocator(conf="backend:cudaMallocAsync")
    with pytest.raises(ValueError, match="unknown event"):
        replay([("grow", 1)])


def test_replay_goes_on_after_a_failure_or_stops_at_it() -> None:
    events = [("alloc", "a", 60 * MIB), ("alloc", "b", 60 * MIB), ("free", "b"), ("free", "a"), ("empty_cache",)]
    result = replay(events, total_bytes=100 * MIB)
    assert [index for index, _ in result.failures] == [1]
    assert result.stats.reserved_bytes == 0
    stopped = replay(events, total_bytes=100 * MIB, stop=True)
    assert stopped.stats.allocated_bytes == 60 * MIB


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1024, "1024 bytes"), (1536, "1.50 KiB"), (20 * MIB, "20.00 MiB"), (3 << 30, "3.00 GiB")],
)
def test_sizes_are_written_as_pytorch_writes_them(size: int, text: str) -> None:
    assert format_size(size) == text


def test_the_settings_as_torch_reads_them() -> None:
    conf = AllocatorConf.parse(" max_split_size_mb:128, roundup_power2_divisions:[256:1,512:2,1024:4,>:8] ,")
    assert conf.max_split_size == 128 * MIB
    assert conf.roundup_power2_divisions == (1,) * 9 + (2, 4, 8, 8, 8, 8, 8)
    assert AllocatorConf.parse("") == AllocatorConf()
    assert AllocatorConf.parse("expandable_segments:True,pinned_use_background_threads:True").expandable_segments
    assert AllocatorConf.parse("large_segment_size_mb:40").max_non_split_rounding == 40 * MIB
    assert AllocatorConf.parse("expandable_segments_reserve:40G").expandable_reserve == (40.0, False)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("max_split_size_mb:19", "too small, must be >= 20"),
        ("max_split_size:128", "Unrecognized key 'max_split_size'"),
        ("expandable_segments:true", "Expected 'True' or 'False'"),
        ("expandable_segments=True", "cannot read"),
        ("garbage_collection_threshold:1.0", "garbage_collection_threshold is invalid"),
        ("roundup_power2_divisions:3", "power of 2"),
        ("roundup_power2_divisions:[100:4]", "intervals have to be power of 2"),
        ("max_split_size_mb:lots", "not a number"),
        ("max_split_size_mb:128;garbage_collection_threshold:0.8", "cannot read"),
        ("max_split_size_mb:30,large_segment_size_mb:40", "too small, must be >= 40"),
        ("pinned_memory:1", "Unrecognized key"),
        ("backend:mine", "Unknown allocator backend"),
        (",", "cannot read"),
    ],
)
def test_settings_that_torch_refuses(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        AllocatorConf.parse(text)


def test_the_files_work_alone_in_an_older_interpreter(tmp_path: Path) -> None:
    """They are copied elsewhere and loaded without the package; their syntax is that of Python 3.9."""
    here = Path(module.__file__).parent
    for source in here.glob("allocator*.py"):
        text = source.read_text(encoding="utf-8")
        ast.parse(text, feature_version=(3, 9))
        (tmp_path / source.name).write_text(text, encoding="utf-8")
    program = (
        "import sys, allocator as a\n"
        "for conf in ('', 'expandable_segments:True', 'max_split_size_mb:64'):\n"
        "    x = a.Allocator(total_bytes=1 << 30, conf=conf); x.free(x.malloc(5 << 20))\n"
        "    print(x.stats.reserved_bytes)\n"
        "assert not {'oomdoc', 'pydantic'} & set(sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [str(20 * MIB)] * 3
