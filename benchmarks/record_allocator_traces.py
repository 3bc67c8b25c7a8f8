"""Record what PyTorch's own allocator answers on generated traces, for the tests of the simulator.

Needs ../shared/allocator-oracle (the allocator of a torch wheel over a stub CUDA runtime) and a C++ compiler.
`--fuzz N` records nothing: it compares the simulator with the real allocator on N fresh traces.
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "memory")]

from allocator_traces import GIB, MIB, MIXES, Event, Numbers, make_trace, simulate  # noqa: E402

ORACLE = ROOT.parent / "shared" / "allocator-oracle"
FIXTURE = ROOT / "tests" / "fixtures" / "allocator" / "recorded.json.gz"
CUDA_MALLOC_BASE, EXPANDABLE_BASE = 0x700000000000, 0x600000000000  # where the stub's addresses begin
CARD = 25757220864  # an RTX 3090 or 4090
OTHER = 523 * MIB
CONFS = (
    "",
    "max_split_size_mb:20",
    "max_split_size_mb:64",
    "max_split_size_mb:256,max_non_split_rounding_mb:100",
    "expandable_segments:True",
    "expandable_segments:True,max_split_size_mb:128",
    "expandable_segments:True,expandable_segments_reserve:0.3",
    "expandable_segments:True,garbage_collection_threshold:0.7",
    "roundup_power2_divisions:4",
    "roundup_power2_divisions:[256:1,512:2,1024:4,>:8]",
    "roundup_power2_divisions:[1:16,2:8,4:0,64:2,>:1],max_split_size_mb:512",
    "garbage_collection_threshold:0.6",
    "garbage_collection_threshold:0.8,max_split_size_mb:100",
    "throw_on_cudamalloc_oom:True",
    "large_segment_size_mb:32",
    "large_segment_size_mb:33,expandable_segments:True,roundup_power2_divisions:8",
    "per_process_memory_fraction:0.55",
)


def build(folder: Path) -> Path:
    """The program that runs a trace; everything it needs lies in `folder`."""
    subprocess.run(["bash", str(ORACLE / "build.sh"), str(folder)], check=True, stdout=subprocess.DEVNULL)
    include = next(folder.glob("nvidia/**/cuda_runtime_api.h")).parent
    program = folder / "trace"
    libraries = [folder / "torch/lib/libc10_cuda.so", folder / "torch/lib/libc10.so", folder / "libcudart.so.13"]
    command = ["g++", "-w", "-std=c++20", "-O1", "-I", folder / "torch/include", "-I", include]
    command += [Path(__file__).with_suffix(".cpp"), "-o", program, *libraries]
    command += [f"-Wl,-rpath,{folder}/torch/lib", f"-Wl,-rpath,{folder}", "-Wl,--allow-shlib-undefined", "-ldl"]
    subprocess.run([str(part) for part in command], check=True)
    return program


def ask(program: Path, events: list[Event], settings: dict[str, Any]) -> dict[str, Any]:
    """The oracle's answer in the form that `simulate` gives."""
    lines = [] if settings.get("fraction") is None else [f"frac {settings['fraction']!r}\n"]
    for event in events:
        kind = event[0]
        lines.append("e\n" if kind == "empty_cache" else f"{kind[0]} {' '.join(map(str, event[1:]))}\n")
    text = "".join(re.sub(r"^a \d+ ", "a ", line) for line in lines)
    preload = f"{program.parent}/libcudart.so.13 {program.parent}/libnvidia-ml.so.1"
    variables = {"LD_PRELOAD": preload, "PYTORCH_CUDA_ALLOC_CONF": settings.get("conf", "")}
    variables |= {"FAKE_TOTAL": str(settings["total_bytes"]), "FAKE_OTHER": str(settings["other_bytes"])}
    run = subprocess.run(
        [str(program)], input=text, text=True, capture_output=True, env={**os.environ, **variables}, check=True
    )
    *answers, stats = run.stdout.splitlines()
    base = EXPANDABLE_BASE if "expandable_segments:True" in settings.get("conf", "") else CUDA_MALLOC_BASE
    offsets = [int(line[2:]) - base if line[0] == "+" else -1 for line in answers]
    failures = [[index, words(line[2:])] for index, line in enumerate(answers) if line[0] == "!"]
    return {
        "offsets": zlib.crc32(json.dumps(offsets).encode()),
        "failures": failures,
        "stats": [int(part) for part in stats.split()[1:]],
    }


def words(message: str) -> str:
    """The message less its sentences about processes and its advice, which the simulator does not print."""
    message = re.sub(
        r"(Including non-PyTorch memory, this process|Process \d+) has \S+ \S+ memory in use\. ", "", message
    )
    return re.sub(r"(?<=but unallocated\.).*", "", message)


def cards(numbers: Numbers, mix: str) -> dict[str, int]:
    """A card that the mix can fill in some thousand events, with and without a neighbour."""
    total = {"small": 384 * MIB, "around_1mib": 1536 * MIB, "around_10mib": 5 * GIB}.get(mix, CARD)
    return {"total_bytes": total, "other_bytes": (0, OTHER if total > 4 * GIB else 10 * MIB)[numbers.below(2)]}


def random_case(seed: int, events: int) -> dict[str, Any]:
    """A random trace on a nearly or quite full card."""
    numbers = Numbers(seed)
    mix = list(MIXES)[seed % len(MIXES)]
    settings: dict[str, Any] = {"conf": CONFS[seed % len(CONFS)], **cards(numbers, mix)}
    if not numbers.below(3):
        settings["fraction"] = (0.5, 0.9, 1.0)[numbers.below(3)]
    live = settings["total_bytes"] * numbers.between(75, 110) // 100
    parameters = {"live_bytes": live, "streams": (1, 1, 3)[numbers.below(3)], "flush": (0, 0, 300)[numbers.below(3)]}
    return {"kind": "random", "seed": seed, "events": events, "mix": mix, **parameters, "settings": settings}


def training_case(seed: int) -> dict[str, Any]:
    """A few training steps of a model that fits the card easily, nearly, or not at all."""
    numbers = Numbers(seed)
    settings: dict[str, Any] = {"conf": CONFS[seed % len(CONFS)], "total_bytes": CARD, "other_bytes": OTHER}
    hidden = (1024, 2048, 3072, 2056)[numbers.below(4)]
    parameters = {"layers": numbers.between(4, 20), "hidden": hidden, "tokens": numbers.between(1024, 24576)}
    return {"kind": "training", "seed": seed, "steps": numbers.between(2, 4), **parameters, "settings": settings}


def cases() -> Iterator[dict[str, Any]]:
    yield from (random_case(seed, 1500) for seed in range(100))
    yield from (training_case(seed) for seed in range(100, 151))
    for seed in (*range(151, 191), 20005, 20547, 40821):
        case = random_case(seed, 1500)
        case["settings"]["conf"] = random_conf(Numbers(seed))
        yield case


def random_conf(numbers: Numbers) -> str:
    """A few settings together, as no list of ours would combine them."""
    choices = {
        "expandable_segments": ("True", "False"),
        "max_split_size_mb": ("40", "64", "100", "333", "1024"),
        "max_non_split_rounding_mb": ("40", "64", "200", "2000"),
        "roundup_power2_divisions": ("1", "2", "8", "64", "[32:256,256:0,>:4]", "[>:16]"),
        "garbage_collection_threshold": ("0.2", "0.5", "0.95"),
        "large_segment_size_mb": ("11", "16", "21", "40"),
        "throw_on_cudamalloc_oom": ("True", "False"),
        "expandable_segments_reserve": ("0.15", "5G", "0.8"),
        "per_process_memory_fraction": ("0.4", "0.87", "1.0"),
    }
    chosen = [key for key in choices if not numbers.below(3)]
    return ",".join(f"{key}:{choices[key][numbers.below(len(choices[key]))]}" for key in chosen)


def fuzz(program: Path, count: int, start: int) -> None:
    differ = failures = retries = 0
    for seed in range(start, start + count):
        case = training_case(seed) if seed % 8 == 7 else random_case(seed, 600 + seed % 7 * 200)
        if seed % 2:
            case["settings"]["conf"] = random_conf(Numbers(seed))
        events = list(make_trace(case))
        truth, ours = ask(program, events, case["settings"]), simulate(events, case["settings"])
        failures += bool(truth["failures"])
        retries += bool(truth["stats"][9])
        if truth != ours:
            differ += 1
            print("differs:", json.dumps(case), truth["stats"], ours["stats"], sep="\n  ", flush=True)
    print(f"{count} traces compared, {differ} differ; {retries} with retries, {failures} with failed allocations")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "allocator-oracle")
    options.add_argument("--fuzz", type=int, default=0, metavar="N")
    options.add_argument("--start", type=int, default=1000, metavar="SEED")
    given = options.parse_args()
    if not ORACLE.is_dir():
        print(f"skipped: no {ORACLE}")
        return
    program = build(given.folder)
    if given.fuzz:
        fuzz(program, given.fuzz, given.start)
        return
    recorded = [{**case, "answer": ask(program, list(make_trace(case)), case["settings"])} for case in cases()]
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    FIXTURE.write_bytes(gzip.compress(json.dumps(recorded).encode(), mtime=0))
    failed = sum(bool(case["answer"]["failures"]) for case in recorded)
    retried = sum(bool(case["answer"]["stats"][9]) for case in recorded)
    used = {case["settings"]["conf"] for case in recorded}
    print(f"{len(recorded)} traces, {retried} with retries, {failed} with failures, {len(used)} settings -> {FIXTURE}")


if __name__ == "__main__":
    main()
