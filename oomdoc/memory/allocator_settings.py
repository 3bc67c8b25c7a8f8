"""The text of PYTORCH_CUDA_ALLOC_CONF / PYTORCH_ALLOC_CONF as torch reads it, with its complaints.

Beside allocator.py and under the same terms: standard library only, Python 3.9+, no import from this package. After
AcceleratorAllocatorConfig::parseArgs (c10/core/AllocatorConfig.cpp) and CUDAAllocatorConfig::parseArgs
(c10/cuda/CUDAAllocatorConfig.cpp) of torch 2.15; older versions know fewer keys and read them alike, except that up to
2.8 the ">" of roundup_power2_divisions also replaced the last interval named before it.
"""

# ruff: noqa: UP006, UP035, UP045  (Python 3.9)

import re
from typing import Any, Dict, List, Optional, Tuple

MIB = 1 << 20
UNLIMITED = 1 << 62
INTERVALS = 16  # roundup_power2_divisions knows 1 MiB, 2 MiB, ... 32 GiB and above
_REAL = r"\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_NO_EFFECT = re.compile(
    "pinned_(use_background_threads|use_(cuda|hip)_host_register|num_register_threads|reserve_segment_size_mb"
    "|free_catch_all|max_round_threshold_mb|max_cached_size_mb)|release_lock_on_(cuda|hip)malloc"
    "|graph_capture_record_stream_reuse|expandable_segments_reserve_by_class"
)


def parse(text: str) -> Dict[str, Any]:
    """Return the fields of AllocatorConf that `text` sets (bytes for sizes); ValueError for what torch refuses."""
    pairs = _pairs(text)
    values: Dict[str, Any] = {}
    large = 20 * MIB
    for key, value in pairs:
        if key == "large_segment_size_mb":  # read first: the least values of others depend on it
            large = values["large_segment_size"] = _megabytes(key, value, 11)
    values["max_non_split_rounding"] = large
    for key, value in pairs:
        if key == "max_split_size_mb":
            values["max_split_size"] = _megabytes(key, value, large // MIB)
        elif key == "max_non_split_rounding_mb":
            values["max_non_split_rounding"] = _megabytes(key, value, large // MIB)
        elif key == "roundup_power2_divisions":
            values[key] = _divisions(value)
        elif key in ("garbage_collection_threshold", "per_process_memory_fraction"):
            values[key] = _fraction(key, value)
        elif key in ("expandable_segments", "throw_on_cudamalloc_oom"):
            if value not in ("True", "False"):
                raise ValueError(f"Expected 'True' or 'False' for {key} but got '{value}'")
            values[key] = value == "True"
        elif key == "expandable_segments_reserve":
            values["expandable_reserve"] = _reserve(value)
        elif key == "backend":
            if value not in ("native", "cudaMallocAsync"):
                raise ValueError("Unknown allocator backend, options are native and cudaMallocAsync")
            values[key] = value
        elif key != "large_segment_size_mb" and not _NO_EFFECT.fullmatch(key):
            raise ValueError(f"Unrecognized key '{key}' in CUDA allocator config.")
    return values


def _pairs(text: str) -> List[Tuple[str, str]]:
    """Pairs of key and value; a value is one token or all between its square brackets."""
    text = "".join(text.split())
    pairs = re.findall(r"([^,:\[\]]+):(\[[^\]]*\]|[^,:\[\]]+)(?:,|$)", text)
    if ",".join(f"{key}:{value}" for key, value in pairs) != text[: -1 if text.endswith(",") else None] or not pairs:
        raise ValueError(f"cannot read the allocator settings '{text}': expected key:value,key:value")
    return pairs


def _number(key: str, text: str, pattern: str = r"\+?\d+") -> str:
    """The leading number, as std::stoull and std::stod read it ("128MB" is 128)."""
    found = re.match(pattern, text)
    if not found:
        raise ValueError(f"{key} is not a number: '{text}'")
    return found.group()


def _megabytes(key: str, text: str, least: int) -> int:
    size = int(_number(key, text, r"[+-]?\d+")) % (1 << 64)  # std::stoull lets a negative number wrap around
    if size < least:
        raise ValueError(f"CachingAllocator option {key} too small, must be >= {least}")
    return min(size * MIB, UNLIMITED)


def _fraction(key: str, text: str) -> float:
    value = float(_number(key, text, _REAL))
    if value > 1.0 or (key == "garbage_collection_threshold" and not 0.0 < value < 1.0):
        raise ValueError(f"{key} is invalid: '{text}'")
    return value


def _reserve(text: str) -> Optional[Tuple[float, bool]]:
    """A fraction of the card, or a number of GiB with a trailing G; malformed ones are ignored with a warning there."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)([Gg]?)", text)
    return (float(found.group(1)), not found.group(2)) if found and float(found.group(1)) > 0 else None


def _divisions(text: str) -> Tuple[int, ...]:
    """One number for all sizes, or [MiB:divisions,...,>:divisions] (parseRoundUpPower2Divisions)."""
    key = "roundup_power2_divisions"
    if not text.startswith("["):
        value = int(_number(key, text))
        if value < 1 or value & (value - 1):
            raise ValueError("For roundups, the divisions has to be power of 2")
        return (value,) * INTERVALS
    table = [0] * INTERVALS
    last = None
    for item in filter(None, text[1:-1].split(",")):
        bound, _, figure = item.partition(":")
        value = int(_number(key, figure))
        if value & (value - 1):
            raise ValueError("For roundups, the divisions has to be power of 2 or 0 to disable roundup")
        if bound == ">":
            start = 1 if last is None else last + 1
            table[start:] = [value] * (INTERVALS - start)
            continue
        size = int(_number(key, bound))
        if size < 1 or size & (size - 1):
            raise ValueError("For roundups, the intervals have to be power of 2")
        index = min(size.bit_length() - 1, INTERVALS - 1)
        if last is None:
            table[:index] = [value] * index
        table[index] = value
        last = index
    return tuple(table)
