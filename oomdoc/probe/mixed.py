"""Autocast for meta tensors: the casts that torch.autocast("cuda") would make, with their cache.

PyTorch has no autocast for the meta device, so the functions it would cast around are caught by name. Lists:
aten/src/ATen/autocast_mode.h (lower_precision_fp and fp32).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_LOW = {
    "linear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "baddbmm", "einsum", "conv1d", "conv2d",
    "conv3d",
    "conv_transpose1d", "conv_transpose2d", "scaled_dot_product_attention", "multi_head_attention_forward", "prelu",
}  # fmt: skip
_HIGH = {
    "layer_norm", "group_norm", "softmax", "log_softmax", "softmin", "nll_loss", "cross_entropy", "mse_loss", "l1_loss",
    "smooth_l1_loss", "binary_cross_entropy_with_logits", "cosine_similarity", "norm", "cumsum", "cumprod", "prod",
    "sum",
    "exp", "log", "pow", "__pow__", "__rpow__", "rsqrt", "reciprocal", "kl_div", "softplus", "cdist", "rms_norm",
}  # fmt: skip


_KINDS: dict[Any, str] = {}  # by function: asking each for its name costs more than the cast


def enabled() -> bool:
    """Whether the carrier is on; before torch 2.4 it had a function of its own."""
    try:
        return bool(torch.is_autocast_enabled("cpu"))
    except TypeError:
        return bool(torch.is_autocast_cpu_enabled())


class MixedPrecision(TorchFunctionMode):  # type: ignore[misc,unused-ignore]
    """Casts around functions while autocast is on; weight casts are cached until `forget` is called."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.caching = True
        self._cache: dict[int, tuple[Any, Any]] = {}

    def forget(self) -> None:
        """Drop the cached casts of weights, as leaving the outermost autocast context does."""
        self._cache.clear()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        kind = _KINDS.get(func)
        if kind is None:
            name = getattr(func, "__name__", "")
            kind = _KINDS[func] = "low" if name in _LOW else "high" if name in _HIGH else "any"
        if kind == "any" or not enabled():
            return func(*args, **kwargs)
        if kind == "low":
            args, kwargs = (
                self._cast(args, self.dtype),
                {key: self._one(value, self.dtype) for key, value in kwargs.items()},
            )
        elif kwargs.get("dtype") is None:
            kwargs = {key: self._one(value, torch.float32) for key, value in kwargs.items()}
            args = self._cast(args, torch.float32)
        return func(*args, **kwargs)

    def _cast(self, args: Any, dtype: torch.dtype) -> Any:
        return tuple(
            [self._one(item, dtype) for item in value] if isinstance(value, (list, tuple)) else self._one(value, dtype)
            for value in args
        )

    def _one(self, value: Any, dtype: torch.dtype) -> Any:
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.dtype == dtype:
            return value
        kept = self.caching and value.is_leaf and value.requires_grad and not value._is_view()  # noqa: SLF001
        if dtype == torch.float32 or not kept:
            return value.to(dtype) if value.dtype in (torch.float32, torch.float16, torch.bfloat16) else value
        entry = self._cache.get(id(value))
        if entry is None or entry[0] is not value:  # an id is given again when its tensor is gone
            entry = self._cache[id(value)] = (value, value.to(dtype))
        return entry[1]


@contextlib.contextmanager
def autocast(dtype: torch.dtype | None) -> Iterator[MixedPrecision | None]:
    """Mixed precision in `dtype` for meta tensors, or nothing for None.

    The CPU's autocast carries the on/off switch, so that model code that turns autocast off locally is obeyed.
    """
    if dtype is None:
        yield None
        return
    mode = MixedPrecision(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16), mode:
        yield mode


@contextlib.contextmanager
def meta_autocast_is_cpu() -> Iterator[None]:
    """Model code asks for torch.autocast(x.device.type): "meta" and "cuda" mean our carrier."""
    from torch.utils import checkpoint

    original = torch.amp.autocast_mode.autocast.__init__
    infer = checkpoint._infer_device_type  # noqa: SLF001

    def carried(self: Any, device_type: str, *args: Any, **kwargs: Any) -> None:
        original(self, "cpu" if device_type in ("meta", "cuda") else device_type, *args, **kwargs)

    torch.amp.autocast_mode.autocast.__init__ = carried  # type: ignore[method-assign,unused-ignore]
    checkpoint._infer_device_type = lambda *_: "cuda"  # noqa: SLF001  (older ones look for a module torch.meta)
    try:
        yield
    finally:
        checkpoint._infer_device_type = infer  # noqa: SLF001
        torch.amp.autocast_mode.autocast.__init__ = original  # type: ignore[method-assign,unused-ignore]
