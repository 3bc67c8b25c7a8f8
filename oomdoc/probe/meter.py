"""Peaks of one device, phase by phase: CUDA's own counters, or on the CPU a stand-in that counts tensors.

The stand-in is for tests of everything around the step; its figures are sums of tensors, not what a card would say.
"""

# ruff: noqa: SLF001
# torch's weak references to storages are private

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class StandInMemoryError(RuntimeError):
    """What the stand-in raises beyond its cap; it reads as CUDA's message does."""


class StandIn(TorchDispatchMode):  # type: ignore[misc,unused-ignore]
    """Bytes of all storages that operators have returned and that still live; beyond `cap_bytes` it raises."""

    def __init__(self, cap_bytes: int | None = None) -> None:
        super().__init__()
        self.cap_bytes = cap_bytes
        self.peak_bytes = 0
        self.held_bytes = 0
        self._storages: dict[int, Any] = {}

    def adopt(self, tensor: Any) -> None:
        """Count a tensor that exists already."""
        if isinstance(tensor, torch.Tensor) and tensor.device.type == "cpu":
            with contextlib.suppress(NotImplementedError, RuntimeError):
                storage = tensor.untyped_storage()
                self._storages.setdefault(storage._cdata, storage._weak_ref())

    def count(self) -> int:
        """Bytes now. Storages may have grown or shrunk behind our back, as sharding does with gathered weights."""
        total = 0
        for key, weak in list(self._storages.items()):
            storage = torch.UntypedStorage._new_with_weak_ptr(weak)
            if storage is None:
                torch.UntypedStorage._free_weak_ref(weak)
                del self._storages[key]
            else:
                total += storage.nbytes()
        self.held_bytes = total
        self.peak_bytes = max(self.peak_bytes, total)
        return total

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and count what it left."""
        out = func(*args, **(kwargs or {}))
        for item in out if isinstance(out, (tuple, list)) else (out,):
            self.adopt(item)
        before = self.held_bytes
        held = self.count()
        if self.cap_bytes and held > self.cap_bytes and held > before:
            raise StandInMemoryError(
                f"CUDA out of memory. Tried to allocate {max(0, held - before)} bytes. "
                f"The stand-in has a total capacity of {self.cap_bytes} bytes."
            )
        return out


class Meter:
    """Peaks of one device since the last phase. `label` of a phase says which step."""

    def __init__(self, device: str, cap_bytes: int | None = None) -> None:
        self.cuda = device.startswith("cuda")
        self.stand_in = None if self.cuda else StandIn(cap_bytes)
        self.phases: list[dict[str, Any]] = []
        self.listener: Any = None  # told of every phase that was recorded

    @contextlib.contextmanager
    def counting(self, counted: bool = True) -> Any:
        """On the CPU, count tensors within; on CUDA the allocator does so by itself."""
        if self.stand_in is None or not counted:
            yield
            return
        with self.stand_in:
            yield

    def enter(self) -> None:
        """Begin a phase: forget the peak of the last one."""
        if self.stand_in is not None:
            self.stand_in.peak_bytes = self.stand_in.count()
        else:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()

    def leave(self, phase: str, label: str) -> None:
        """Record the peak of a phase."""
        if self.stand_in is not None:
            self.stand_in.count()
            allocated = reserved = self.stand_in.peak_bytes
        else:
            with contextlib.suppress(RuntimeError):  # after a failed kernel; the counters are on the host
                torch.cuda.synchronize()
            allocated, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
        self.phases.append({"phase": phase, "moment": label, "allocated_bytes": allocated, "reserved_bytes": reserved})
        if self.listener is not None:
            self.listener(self.phases[-1])

    def device_bytes(self) -> int:
        """Bytes of the whole device that are in use now, by whomever."""
        if self.stand_in is not None:
            return self.stand_in.count()
        free, total = torch.cuda.mem_get_info()
        return int(total - free)
