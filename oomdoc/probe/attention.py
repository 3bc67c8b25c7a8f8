"""Scaled dot-product attention as CUDA would run it: which kernel, what it saves, what it takes for a moment.

The CPU's own choice would be another kernel with other buffers, so the function is replaced while a dry run lasts.
Rules: sdp_utils.cpp (choice), flash_attn/flash_api.cpp and mem_eff_attention/kernel_{forward,backward}.h of torch 2.x.
"""

# ruff: noqa: ARG001, ARG004, RUF059
# signatures are those of torch.autograd.Function and of torch's attention

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch

from oomdoc.probe.build import VISION, within
from oomdoc.probe.mixed import enabled

KERNELS = ("flash", "efficient", "math")


class Card:
    """What the choice of a kernel depends on; `capability` is (major, minor)."""

    def __init__(self, capability: Any = (8, 0), ignore_mask: bool = False) -> None:
        self.capability = tuple(capability)
        self.ignore_mask = ignore_mask  # flash-attn packs the sequences instead: no mask reaches the kernel
        self.autocast: torch.dtype | None = None
        self.chosen: dict[str, int] = {}
        self.vision_math = (
            False  # the run's transformers sends its tower to the math kernel, whatever is installed here
        )
        self.where: Callable[[], str] = str  # the module that runs


def choose(
    card: Card, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, *, grouped: bool
) -> str:
    """The kernel PyTorch takes: flash, else efficient, else math (sdp_utils.cpp, select_sdp_backend)."""
    if query.dim() != 4:
        return "math"
    head = query.shape[-1]
    half = query.dtype in (torch.float16, torch.bfloat16)
    if half and mask is None and head <= 256 and card.capability >= (8, 0) and value.shape[-1] == head:
        return "flash"
    if grouped and query.shape[1] != key.shape[1]:
        return "math"
    if card.capability >= (5, 0) and not (query.dtype == torch.bfloat16 and card.capability < (8, 0)):
        return "efficient"
    return "math"


class _Fused(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    """Output and log-sum-exp are kept beside q, k and v; nothing of the size of the scores exists."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, kernel: str
    ) -> torch.Tensor:
        batch, heads, length, _ = query.shape
        width = value.shape[-1]
        if kernel == "flash" and width % 8:  # the kernel reads heads in steps of eight: padded copies are kept
            query, key, value = (_padded(part) for part in (query, key, value))
        out = query.new_empty((batch, length, heads, value.shape[-1])).transpose(1, 2)
        rows = length if kernel == "flash" else -(-length // 32) * 32
        statistics = query.new_empty((batch, heads, rows), dtype=torch.float32)
        ctx.kernel = kernel
        ctx.has_mask = mask is not None
        ctx.width = width
        ctx.save_for_backward(query, key, value, out, statistics, *([mask] if mask is not None else []))
        return out[..., :width]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        query, key, value, out = ctx.saved_tensors[:4]
        batch, heads, length, width = query.shape
        if ctx.kernel == "flash":
            rows = -(-length // 128) * 128
            kept = [
                query.new_empty((batch, heads, rows), dtype=torch.float32),  # softmax_d
                query.new_empty((batch, rows, heads, -(-width // 32) * 32), dtype=torch.float32),  # dq_accum
            ]
            if key.shape[1] != heads:  # dk_expanded, dv_expanded: one for each query head, summed afterwards
                kept += [query.new_empty((batch, key.shape[2], heads, width)) for _ in range(2)]
        else:
            kept = [query.new_empty((batch, heads, length), dtype=torch.float32)]  # delta
            if query.dtype != torch.float32:
                kept.append(query.new_empty((batch, heads, length, -(-width // 32) * 32), dtype=torch.float32))
        grads = [_like(part) for part in (query, key, value)]
        del kept
        return (*[part[..., : ctx.width] if part.shape[-1] != ctx.width and ctx.kernel == "flash" else part
                  for part in grads], None, None)  # fmt: skip


def _padded(part: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pad(part, [0, -part.shape[-1] % 8])


def _like(part: torch.Tensor) -> torch.Tensor:
    batch, heads, length, width = part.shape
    return part.new_empty((batch, length, heads, width)).transpose(1, 2)


def _composed(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, dropout: float, causal: bool
) -> torch.Tensor:
    """_scaled_dot_product_attention_math: half inputs are multiplied in float32 (attention.cpp, 2.5 and later)."""
    kind = query.dtype
    if kind in (torch.float16, torch.bfloat16):
        query, key, value = query.float(), key.float(), value.float()
        if mask is not None and mask.dtype != torch.bool:
            mask = mask.float()
    root = math.sqrt(1.0 / math.sqrt(query.shape[-1]))
    if causal and mask is None:
        mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    scores = torch.matmul(query * root, (key * root).transpose(-2, -1))
    if mask is not None:
        if mask.dtype == torch.bool:
            bias = torch.zeros(mask.shape, dtype=scores.dtype, device=query.device)
            bias = bias.masked_fill(mask.logical_not(), -math.inf)
        else:
            bias = mask
        scores = scores + bias
    scores = torch.softmax(scores, -1)
    if dropout > 0:
        scores = torch.nn.functional.dropout(scores, dropout)
    return torch.matmul(scores, value).to(kind)


def attend(card: Card) -> Any:
    """torch.nn.functional.scaled_dot_product_attention, accounted for as `card` would run it."""

    def scaled_dot_product_attention(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False, **_: Any,
    ) -> torch.Tensor:  # fmt: skip
        if card.ignore_mask:
            attn_mask = None
        if card.autocast is not None and enabled():
            query, key, value = (part.to(card.autocast) for part in (query, key, value))
            if attn_mask is not None and attn_mask.is_floating_point():
                attn_mask = attn_mask.to(card.autocast)
        kernel = choose(card, query, key, value, attn_mask, grouped=enable_gqa)
        if card.vision_math and within(card.where(), VISION):
            kernel = "math"
        card.chosen[kernel] = card.chosen.get(kernel, 0) + 1
        if kernel == "math" and enable_gqa and query.shape[-3] != key.shape[-3]:
            repeats = query.shape[-3] // key.shape[-3]
            key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
        if kernel == "math":
            return _composed(query, key, value, attn_mask, dropout_p, is_causal)
        mask = attn_mask
        if mask is not None and mask.dtype == torch.bool:  # converted to an additive one, then expanded as a view
            mask = torch.empty(mask.shape, dtype=query.dtype, device=query.device)
        out: torch.Tensor = _Fused.apply(query, key, value, mask, kernel)
        return out

    return scaled_dot_product_attention


_elsewhere = torch.nn.functional.dropout


def dropout(
    input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False  # noqa: A002 (torch's name)
) -> torch.Tensor:  # fmt: skip
    """torch.nn.functional.dropout with the fused kernel that only CUDA takes: it keeps a mask of one byte a value.

    Elsewhere the mask is of the input's own type (Dropout.cpp, is_fused_kernel_acceptable).
    """
    if not training or p <= 0.0 or not input.numel():
        return input
    if p >= 1.0 or inplace:
        return _elsewhere(input, p, training, inplace)
    out: torch.Tensor = torch.native_dropout(input, p, True)[0]
    return out


@contextlib.contextmanager
def as_on_cuda(card: Card) -> Iterator[None]:
    """While this lasts, attention and dropout are accounted for as `card` would run them."""
    functional: Any = torch.nn.functional
    before = functional.scaled_dot_product_attention, functional.dropout
    functional.scaled_dot_product_attention, functional.dropout = attend(card), dropout
    try:
        yield
    finally:
        functional.scaled_dot_product_attention, functional.dropout = before
