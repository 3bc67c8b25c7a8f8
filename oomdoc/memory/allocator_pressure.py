"""What the allocator gives back before it empties its whole cache: with max_split_size_mb and with garbage collection.

Beside allocator.py and under the same terms: standard library only, Python 3.9+, no import from this package.
"""

from bisect import bisect_left
from typing import Any

ADDRESS_BITS = 62  # as in allocator.py


def release_oversize(allocator: Any, pool: Any, size: int) -> bool:
    """release_available_cached_blocks: the smallest unsplittable block of `size`, else the largest ones that add up.

    Without max_split_size_mb, and for expandable segments, nothing. True if enough was given back.
    """
    limit = allocator.conf.max_split_size
    wanted = max(size, limit)
    index = bisect_left(pool.keys, wanted << ADDRESS_BITS)
    if index < len(pool.keys):
        allocator.release(pool.blocks[pool.keys[index]])
        return True
    released: int = 0
    while released < wanted and pool.keys:
        block = pool.blocks[pool.keys[-1]]
        if block.size < limit:
            break
        released += block.size
        allocator.release(block)
    return bool(released >= wanted)


def collect_garbage(allocator: Any) -> None:
    """garbage_collect_cached_blocks: above the threshold, free whole large segments of average age or older."""
    threshold = int(allocator.conf.garbage_collection_threshold * float(allocator.allowed_bytes))
    target = allocator.reserved_bytes - threshold
    if target <= 0:
        return
    now = allocator.clock
    cached = [block for pool in allocator.large.values() for block in pool.blocks.values()]
    whole = [block for block in cached if block.segment is None and block.prev is None and block.next is None]
    age = sum(now - block.born for block in whole)
    reclaimed = 0
    while whole and reclaimed < target:
        average = age / len(whole)
        old = [block for block in whole if now - block.born >= average]
        if not old:
            return
        whole = [block for block in whole if now - block.born < average]
        for block in old:
            reclaimed += block.size
            age -= now - block.born
            allocator.release(block)
