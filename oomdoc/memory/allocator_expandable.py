"""Expandable segments: address ranges that grow page by page (Note [Expandable Segments] in CUDACachingAllocator.cpp).

Loaded by allocator.py when expandable_segments is on, under the same terms: standard library only, Python 3.9+. An
allocator and its pools come in as arguments; blocks are made with the type found on them.
"""

# ruff: noqa: UP045  (Python 3.9)

from bisect import bisect_left, insort
from typing import Any, NamedTuple, Optional

FREE, LIVE, UNMAPPED = 0, 1, 2


class Segment(NamedTuple):
    """A range of addresses whose pages are mapped as needed (ExpandableSegment)."""

    base: int
    size: int
    page: int


def closest(pool: Any, index: int) -> int:
    """The second half of get_free_block: of the blocks that fit, the first whose room to grow is least."""
    keys, blocks = pool.keys, pool.blocks
    best = _room(blocks[keys[index]])
    while index + 1 < len(keys):
        room = _room(blocks[keys[index + 1]])
        if room >= best:
            break
        index, best = index + 1, room
    return index


def _room(block: Any) -> int:
    """The size that a block can grow to."""
    after = block.next
    return int(block.size + (after.size if after is not None and after.state == UNMAPPED else 0))


def extend(allocator: Any, pool: Any, size: int) -> Optional[Any]:
    """try_allocate_expandable_block: map pages at the lowest address with room for `size`; None if memory is out."""
    block = _find(pool, size) or _new_segment(allocator, pool, size)
    if block is None or (block.state == UNMAPPED and not _map(allocator, block, min(block.size, size))):
        return None
    while block.size < size:
        after = block.next
        if not _map(allocator, after, min(size - block.size, after.size)):
            return None
        block = after  # it has swallowed the block before it
    pool.drop(block)
    return block


def _find(pool: Any, size: int) -> Optional[Any]:
    """find_expandable_block: the lowest run of free and unmapped blocks that has room."""
    for address in pool.unmapped_order:
        start = pool.unmapped[address]
        if start.prev is not None and start.prev.state == FREE:
            start = start.prev
        room, block = 0, start
        while room < size and block is not None and block.state != LIVE:
            room += block.size
            block = block.next
        if room >= size:
            return start
    return None


def _new_segment(allocator: Any, pool: Any, size: int) -> Optional[Any]:
    """Reserve 9/8 of the card, or what expandable_segments_reserve says, in addresses."""
    full = allocator.total_bytes + allocator.total_bytes // 8 if allocator.total_bytes is not None else 1 << 44
    wanted = full
    if allocator.conf.expandable_reserve is not None:
        figure, is_fraction = allocator.conf.expandable_reserve
        wanted = min(full, int(figure * float((allocator.total_bytes or full) if is_fraction else 1 << 30)))
    length = -(-wanted // pool.page) * pool.page
    segment = Segment(allocator.address(length), length, pool.page)
    if length < size:
        return None
    block = pool.block_type(segment.base, length, pool, segment, UNMAPPED)
    _put_unmapped(block)
    return block


def _put_unmapped(block: Any) -> None:
    insort(block.pool.unmapped_order, block.ptr)
    block.pool.unmapped[block.ptr] = block


def _drop_unmapped(block: Any) -> None:
    order = block.pool.unmapped_order
    del order[bisect_left(order, block.ptr)], block.pool.unmapped[block.ptr]


def _part(block: Any, ptr: int, size: int, state: int) -> Any:
    """A new block of the same segment, not yet linked."""
    return type(block)(ptr, size, block.pool, block.segment, state)


def _link(before: Optional[Any], after: Optional[Any]) -> None:
    if before is not None:
        before.next = after
    if after is not None:
        after.prev = before


def _join(block: Any) -> None:
    """try_merge_blocks with both neighbours that are in the same state; the block itself is in no list."""
    for other in (block.prev, block.next):
        if other is None or other.state != block.state:
            continue
        if other.state == FREE:
            block.pool.drop(other)
        else:
            _drop_unmapped(other)
        if other is block.prev:
            block.ptr = other.ptr
            block.prev = other.prev
            _link(other.prev, block)
        else:
            block.next = other.next
            _link(block, other.next)
        block.size += other.size


def _map(allocator: Any, block: Any, size: int) -> bool:
    """map_block: back the first `size` bytes of an unmapped block, in whole pages, and join it with free neighbours."""
    page = block.segment.page
    length = -(-size // page) * page
    if not allocator.fits(length):
        return False
    allocator.device_bytes += length
    _drop_unmapped(block)
    if length < block.size:
        rest = _part(block, block.ptr + length, block.size - length, UNMAPPED)
        _link(rest, block.next)
        _link(block, rest)
        _put_unmapped(rest)
        block.size = length
    block.state = FREE
    _join(block)
    block.born = allocator.clock
    block.pool.put(block)
    allocator.reserve(length)
    return True


def unmap(allocator: Any, block: Any) -> None:
    """unmap_block: give back the whole pages inside a free block; a segment without any page is gone."""
    pool, base, page = block.pool, block.segment.base, block.segment.page
    begin = base + -(-(block.ptr - base) // page) * page
    end = base + (block.ptr + block.size - base) // page * page
    if begin >= end:
        return
    pool.drop(block)
    tail = block.ptr + block.size - end
    if begin > block.ptr:
        front = _part(block, block.ptr, begin - block.ptr, FREE)
        _link(block.prev, front)
        _link(front, block)
        pool.put(front)
    if tail:
        back = _part(block, end, tail, FREE)
        _link(back, block.next)
        _link(block, back)
        pool.put(back)
    block.ptr, block.size, block.state = begin, end - begin, UNMAPPED
    _join(block)
    allocator.device_bytes -= end - begin
    allocator.reserve(begin - end)
    if block.prev is not None or block.next is not None:
        _put_unmapped(block)
