"""PyTorch's CUDA caching allocator, simulated to the byte: what mallocs and frees reserve, and when they fail.

Standard library only, Python 3.9+, no import from this package: the dry-run worker loads this file in the training
interpreter; the files it needs for some settings lie beside it. The rules are those of DeviceCachingAllocator
(c10/cuda/CUDACachingAllocator.cpp), whose function names stand in the docstrings, checked against the real allocator of
torch 2.15 on recorded traces. Not simulated: CUDA graphs' private pools, blocks used on a second stream.
"""

# ruff: noqa: UP006, UP007, UP035, UP045  (Python 3.9)

import importlib.util
import sys
from bisect import bisect_left, insort
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

MIB = 1 << 20
MIN_BLOCK = 512  # kMinBlockSize: every size is rounded up to a multiple of it
SMALL_SIZE = MIB  # kSmallSize: the largest request of the small pool
SMALL_BUFFER = 2 * MIB  # kSmallBuffer: the segment of the small pool
MIN_LARGE_ALLOC = 10 * MIB  # kMinLargeAlloc: from here on a request gets a segment of its own
ROUND_LARGE = 2 * MIB  # kRoundLarge: and that segment is a multiple of this
UNLIMITED = 1 << 62
ADDRESS_BITS = 62  # a free block is found by one integer: size above, address below
FREE, LIVE, UNMAPPED = 0, 1, 2


def _beside(name: str) -> Any:
    """Load a module that lies beside this file, by its path: where this file runs, the package may be absent."""
    full = __name__ + "_" + name
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name("allocator_" + name + ".py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[full] = module
    return sys.modules[full]


class AllocatorConf(NamedTuple):
    """The settings of PYTORCH_CUDA_ALLOC_CONF / PYTORCH_ALLOC_CONF that change where bytes go; sizes in bytes."""

    backend: str = "native"
    expandable_segments: bool = False
    expandable_reserve: Optional[Tuple[float, bool]] = None  # (figure, whether it is a fraction of the card or GiB)
    large_segment_size: int = 20 * MIB
    max_split_size: int = UNLIMITED
    max_non_split_rounding: int = 20 * MIB
    roundup_power2_divisions: Tuple[int, ...] = (0,) * 16  # for sizes up to 1 MiB, 2 MiB, ... 32 GiB and above
    garbage_collection_threshold: float = 0.0
    per_process_memory_fraction: float = 1.0
    throw_on_cudamalloc_oom: bool = False

    @classmethod
    def parse(cls, text: str) -> "AllocatorConf":
        """Read the text of the environment variable; ValueError for what torch refuses."""
        return cls(**_beside("settings").parse(text)) if text.strip() else cls()


def format_size(size: int) -> str:
    """Bytes as PyTorch's messages print them (format_size): '1.50 GiB'."""
    if size <= 1024:
        return f"{size} bytes"
    if size <= MIB:
        return f"{size / 1024:.2f} KiB"
    if size <= 1 << 30:
        return f"{size / MIB:.2f} MiB"
    return f"{size / (1 << 30):.2f} GiB"


class OutOfMemory(Exception):  # noqa: N818  (as torch.OutOfMemoryError)
    """A request failed after all cached segments were given back; figures in bytes, as PyTorch's message has them.

    `preemptive` marks the early refusal of throw_on_cudamalloc_oom, whose message has no figure but the request.
    """

    def __init__(self, tried_to_allocate_bytes: int, allocator: "Allocator", *, preemptive: bool = False) -> None:
        self.tried_to_allocate_bytes = tried_to_allocate_bytes
        self.total_bytes = allocator.total_bytes or 0
        self.free_bytes = self.total_bytes - allocator.other_bytes - allocator.device_bytes
        self.allocated_bytes = allocator.allocated_bytes
        self.reserved_bytes = allocator.reserved_bytes
        self.reserved_unallocated_bytes = self.reserved_bytes - self.allocated_bytes
        self.allowed_bytes = allocator.allowed_bytes
        self.preemptive = preemptive
        super().__init__(self._message())

    def _message(self) -> str:
        """PyTorch's words (2.4 and later), less its sentences about processes and the advice at the end."""
        tried = format_size(self.tried_to_allocate_bytes)
        if self.preemptive:
            return (
                "CUDA out of memory. Allocation was preemptively rejected because it would exceed "
                f"per_process_memory_fraction limit. Requested size: {tried}"
            )
        allowed = "" if self.allowed_bytes is None else f"{format_size(self.allowed_bytes)} allowed; "
        return (
            f"CUDA out of memory. Tried to allocate {tried}. GPU 0 has a total capacity of "
            f"{format_size(self.total_bytes)} of which {format_size(self.free_bytes)} is free. {allowed}"
            f"Of the allocated memory {format_size(self.allocated_bytes)} is allocated by PyTorch, and "
            f"{format_size(self.reserved_unallocated_bytes)} is reserved by PyTorch but unallocated."
        )


class Stats(NamedTuple):
    """As torch.cuda.memory_stats(), both pools together; `segments` leaves out expandable ones, as there."""

    allocated_bytes: int
    peak_allocated_bytes: int
    reserved_bytes: int
    peak_reserved_bytes: int
    requested_bytes: int
    peak_requested_bytes: int
    inactive_split_bytes: int
    segments: int
    peak_segments: int
    retries: int
    ooms: int
    device_mallocs: int
    device_frees: int


class Block:
    """A piece of a segment, linked with its neighbours in the same segment."""

    __slots__ = ("born", "next", "pool", "prev", "ptr", "requested", "segment", "size", "state")

    def __init__(self, ptr: int, size: int, pool: "Pool", segment: Any, state: int) -> None:
        self.ptr = ptr
        self.size = size
        self.pool = pool
        self.segment = segment  # of an expandable one; None where cudaMalloc made it
        self.state = state
        self.requested = 0
        self.born = 0
        self.prev: Optional[Block] = None
        self.next: Optional[Block] = None


class Pool:
    """The blocks of one stream and size class that are free, by size and then address, or unmapped, by address."""

    __slots__ = ("blocks", "keys", "least_rest", "page", "split_below", "unmapped", "unmapped_order")

    block_type = Block

    def __init__(self, conf: AllocatorConf, *, is_small: bool) -> None:
        self.page = SMALL_BUFFER if is_small else conf.large_segment_size
        any_rest = is_small or conf.expandable_segments  # should_split
        self.least_rest = MIN_BLOCK if any_rest else SMALL_SIZE + 1
        self.split_below = UNLIMITED if any_rest else conf.max_split_size
        self.keys: List[int] = []
        self.blocks: Dict[int, Block] = {}
        self.unmapped_order: List[int] = []
        self.unmapped: Dict[int, Block] = {}

    def put(self, block: Block) -> None:
        """Add a free block."""
        key = block.size << ADDRESS_BITS | block.ptr
        insort(self.keys, key)
        self.blocks[key] = block

    def drop(self, block: Block) -> None:
        """Take a free block out."""
        key = block.size << ADDRESS_BITS | block.ptr
        del self.keys[bisect_left(self.keys, key)]
        del self.blocks[key]


class Allocator:
    """One device's allocator. Without `total_bytes` the card is endless; `other_bytes` of it belong to others.

    `granularity` is the size of the driver's pages: what cudaMalloc really takes is a multiple of it.
    """

    def __init__(
        self,
        *,
        total_bytes: Optional[int] = None,
        other_bytes: int = 0,
        conf: Union[str, AllocatorConf] = "",
        fraction: Optional[float] = None,
        granularity: int = 2 * MIB,
    ) -> None:
        self.conf = conf = AllocatorConf.parse(conf) if isinstance(conf, str) else conf
        if conf.backend != "native":
            raise ValueError(f"the allocator backend {conf.backend} is not simulated")
        self.total_bytes, self.other_bytes, self.granularity = total_bytes, other_bytes, granularity
        self.allowed_bytes: Optional[int] = None
        self.device_bytes = 0  # what the driver has handed out to this allocator
        self.allocated_bytes = self.peak_allocated_bytes = 0
        self.requested_bytes = self.peak_requested_bytes = 0
        self.reserved_bytes = self.peak_reserved_bytes = 0
        self.segments = self.peak_segments = 0
        self.retries = self.ooms = self.device_mallocs = self.device_frees = 0
        self._next_address = SMALL_BUFFER  # never 0, which is the handle of an empty request
        self._live: Dict[int, Block] = {}
        self._small: Dict[int, Pool] = {}
        self.large: Dict[int, Pool] = {}
        self.clock = 0  # searches of the large pool since garbage collection is on, which age a cached block
        self._collects = False
        self._rounds = any(conf.roundup_power2_divisions)
        self._chooses = conf.expandable_segments or conf.max_split_size < UNLIMITED
        self._limits_splits = conf.max_split_size < UNLIMITED and not conf.expandable_segments
        self._pressure: Any = _beside("pressure") if self._limits_splits or conf.garbage_collection_threshold else None
        self._refuses_above = UNLIMITED
        if conf.throw_on_cudamalloc_oom and total_bytes is not None:  # set_memory_fraction does not change this limit
            self._refuses_above = int(conf.per_process_memory_fraction * total_bytes)
        self._expandable: Any = _beside("expandable") if conf.expandable_segments else None
        if fraction is None and total_bytes is not None:
            fraction = conf.per_process_memory_fraction
        if fraction is not None:
            self.set_memory_fraction(fraction)

    def set_memory_fraction(self, fraction: float) -> None:
        """As torch.cuda.set_per_process_memory_fraction: 1 lifts the limit, and garbage collection stops with it.

        So it is in torch 2.15; in the sources of 2.8 a fraction of 1 is a limit like any other, with collection.
        ValueError for a fraction outside 0 to 1, or where the card's size is unknown.
        """
        if not 0 <= fraction <= 1:
            raise ValueError(f"the memory fraction {fraction} is not between 0 and 1")
        if self.total_bytes is None:
            raise ValueError("a memory fraction needs the card's total_bytes")
        self.allowed_bytes = int(fraction * self.total_bytes) if fraction < 1 else None
        self._collects = self.allowed_bytes is not None and self.conf.garbage_collection_threshold > 0

    @property
    def stats(self) -> Stats:
        """The figures of this moment; costs a walk over the free blocks."""
        pools = [*self._small.values(), *self.large.values()]
        free = [block for pool in pools for block in pool.blocks.values() if block.segment is None]
        inactive = sum(block.size for block in free if block.prev is not None or block.next is not None)
        values = {name: getattr(self, name) for name in Stats._fields if name != "inactive_split_bytes"}
        return Stats(inactive_split_bytes=inactive, **values)

    def malloc(self, size: int, stream: int = 0) -> int:
        """Allocate `size` bytes and return their handle, an address (0 for no bytes); raises OutOfMemory."""
        if size <= 0:
            if size < 0:
                raise ValueError(f"cannot allocate {size} bytes")
            return 0
        rounded = self._round(size) if self._rounds else (size + 511) & -512
        if rounded <= SMALL_SIZE:
            pool = self._small.get(stream) or self._small.setdefault(stream, Pool(self.conf, is_small=True))
        else:
            pool = self.large.get(stream) or self.large.setdefault(stream, Pool(self.conf, is_small=False))
            if self._collects:
                self.clock += 1
        keys = pool.keys
        index = bisect_left(keys, rounded << ADDRESS_BITS)
        if self._chooses and index < len(keys):
            index = self._choose(pool, index, rounded)
        if index < len(keys):
            key = keys[index]
            del keys[index]
            block = pool.blocks.pop(key)
        else:
            block = self._obtain(pool, rounded, size)
        rest = block.size - rounded
        if rest >= pool.least_rest and rounded < pool.split_below:  # alloc_found_block: the front is handed out
            remaining, block = block, Block(block.ptr, rounded, pool, block.segment, LIVE)
            block.prev = before = remaining.prev
            if before is not None:
                before.next = block
            block.next = remaining
            remaining.prev = block
            remaining.ptr = address = remaining.ptr + rounded
            remaining.size = rest
            remaining.born = self.clock
            key = rest << ADDRESS_BITS | address
            insort(keys, key)
            pool.blocks[key] = remaining
        else:
            block.state = LIVE
            rounded += rest
        block.requested = size
        self._live[block.ptr] = block
        self.allocated_bytes += rounded
        if self.allocated_bytes > self.peak_allocated_bytes:  # noqa: PLR1730  (max() is slower)
            self.peak_allocated_bytes = self.allocated_bytes
        self.requested_bytes += size
        if self.requested_bytes > self.peak_requested_bytes:  # noqa: PLR1730
            self.peak_requested_bytes = self.requested_bytes
        return block.ptr

    def free(self, handle: int) -> None:
        """Give a handle back to the cache, joined with its free neighbours (free_block); KeyError if it is not live."""
        if handle == 0:
            return
        block = self._live.pop(handle)
        pool = block.pool
        size = block.size
        self.allocated_bytes -= size
        self.requested_bytes -= block.requested
        keys, blocks = pool.keys, pool.blocks
        other = block.prev
        if other is not None and other.state == FREE:
            key = other.size << ADDRESS_BITS | other.ptr
            del keys[bisect_left(keys, key)], blocks[key]
            size += other.size
            block.ptr = other.ptr
            block.prev = before = other.prev
            if before is not None:
                before.next = block
        other = block.next
        if other is not None and other.state == FREE:
            key = other.size << ADDRESS_BITS | other.ptr
            del keys[bisect_left(keys, key)], blocks[key]
            size += other.size
            block.next = after = other.next
            if after is not None:
                after.prev = block
        block.size = size
        block.state = FREE
        block.born = self.clock
        key = size << ADDRESS_BITS | block.ptr
        insort(keys, key)
        blocks[key] = block

    def empty_cache(self) -> None:
        """Return every segment without a live block, and every page of expandable ones (release_cached_blocks)."""
        for pool in (*self.large.values(), *self._small.values()):
            for block in [pool.blocks[key] for key in pool.keys]:
                if block.segment is not None:
                    self._expandable.unmap(self, block)
                elif block.prev is None and block.next is None:
                    self.release(block)

    def _round(self, size: int) -> int:
        """round_size with roundup_power2_divisions: up to the next of n steps between two powers of two."""
        index = min(max(size.bit_length() - 21, 0), 15)
        divisions = self.conf.roundup_power2_divisions[index]
        if divisions <= 1 or size <= MIN_BLOCK * divisions:
            return (size + 511) & -512
        step = (1 << (size.bit_length() - 1)) >> (divisions.bit_length() - 1)
        return -(-size // step) * step

    def _choose(self, pool: Pool, index: int, size: int) -> int:
        """get_free_block beyond best fit: the index of the block to take, or the number of blocks if none will do."""
        keys, blocks = pool.keys, pool.blocks
        if self._expandable is not None:
            index = self._expandable.closest(pool, index)
        found = blocks[keys[index]].size
        limit = self.conf.max_split_size
        if found >= limit and (size < limit or found >= size + self.conf.max_non_split_rounding):
            return len(keys)
        return index

    def _obtain(self, pool: Pool, size: int, requested: int) -> Block:
        """A block from the driver, for which cached segments are given back as needed; raises OutOfMemory."""
        if size <= SMALL_SIZE:  # get_allocation_size
            asked = SMALL_BUFFER
        elif size < MIN_LARGE_ALLOC:
            asked = self.conf.large_segment_size
        else:
            asked = -(-size // ROUND_LARGE) * ROUND_LARGE
        if self._collects:
            self._pressure.collect_garbage(self)
        block = self._grow(pool, size, asked, requested)
        if block is None and self._limits_splits and self._pressure.release_oversize(self, pool, size):
            block = self._grow(pool, size, asked, requested)
        if block is None:
            self.empty_cache()
            self.retries += 1
            block = self._grow(pool, size, asked, requested)
        if block is None:
            self.ooms += 1
            raise OutOfMemory(asked, self)
        return block

    def fits(self, size: int) -> bool:
        """Whether the driver would hand out `size` more bytes."""
        return self.total_bytes is None or self.device_bytes + size + self.other_bytes <= self.total_bytes

    def address(self, size: int) -> int:
        """A range of addresses never used before."""
        found = self._next_address
        self._next_address += -(-size // self.granularity) * self.granularity
        return found

    def reserve(self, size: int) -> None:
        """Count bytes that came from the driver (or went back, if negative)."""
        self.reserved_bytes += size
        self.peak_reserved_bytes = max(self.peak_reserved_bytes, self.reserved_bytes)
        self.device_mallocs += size > 0
        self.device_frees += size < 0

    def _grow(self, pool: Pool, size: int, asked: int, requested: int) -> Optional[Block]:
        """alloc_block: one attempt to get memory from the driver."""
        if self.allowed_bytes is not None and self.reserved_bytes + asked > self.allowed_bytes:
            return None
        if self.reserved_bytes + asked > self._refuses_above:
            raise OutOfMemory(requested, self, preemptive=True)
        if self._expandable is not None:
            return self._expandable.extend(self, pool, size)  # type: ignore[no-any-return]
        charged = -(-asked // self.granularity) * self.granularity
        if not self.fits(charged):
            return None
        self.device_bytes += charged
        self.reserve(asked)
        self.segments += 1
        self.peak_segments = max(self.peak_segments, self.segments)
        return Block(self.address(charged), asked, pool, None, FREE)

    def release(self, block: Block) -> None:
        """release_block: cudaFree of a whole free segment."""
        block.pool.drop(block)
        self.device_bytes -= -(-block.size // self.granularity) * self.granularity
        self.reserve(-block.size)
        self.segments -= 1


class Result(NamedTuple):
    """What a trace did: the statistics after it, its failures with the index of their event."""

    stats: Stats
    failures: List[Tuple[int, OutOfMemory]]


def replay(
    events: Iterable[Tuple[Any, ...]], allocator: Optional[Allocator] = None, *, stop: bool = False, **settings: Any
) -> Result:
    """Run events through `allocator`, or one made with `settings`.

    An event is ("alloc", name, bytes) or ("alloc", name, bytes, stream), ("free", name) or ("empty_cache",); names are
    any hashable values. Freeing what failed to allocate does nothing. With `stop` the first failure ends the replay.
    """
    allocator = allocator or Allocator(**settings)
    malloc, free = allocator.malloc, allocator.free
    handles: Dict[Any, int] = {}
    failures: List[Tuple[int, OutOfMemory]] = []
    for index, event in enumerate(events):
        kind = event[0]
        if kind == "alloc":
            try:
                handles[event[1]] = malloc(event[2], event[3] if len(event) > 3 else 0)
            except OutOfMemory as error:
                failures.append((index, error))
                if stop:
                    break
        elif kind == "free":
            free(handles.pop(event[1], 0))
        elif kind == "empty_cache":
            allocator.empty_cache()
        else:
            raise ValueError(f"unknown event {kind!r}")
    return Result(allocator.stats, failures)
