"""Liger's fused layers, played: what its Triton kernels keep for backward instead of what eager code keeps.

RMSNorm keeps its input and one float a row, SwiGLU its two inputs; both write gradients in place of what they saved
(liger_kernel/ops/rms_norm.py, swiglu.py).
"""

# ruff: noqa: ARG004
# signatures are those of torch.autograd.Function

from __future__ import annotations

from typing import Any

import torch


class _Norm(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        ctx.save_for_backward(x, weight, x.new_empty(x.shape[:-1], dtype=torch.float32))
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        weight = ctx.saved_tensors[1]
        return grad, torch.empty_like(weight) if weight.requires_grad else None


class _Gate(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, gate: Any, up: Any) -> Any:
        ctx.save_for_backward(gate, up)
        return torch.empty_like(gate)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        gate, up = ctx.saved_tensors
        return gate, up


def apply(model: Any, notes: list[str]) -> None:
    """Replace RMS norms and gated MLPs by their fused accounting, and the loss by the fused one."""
    from oomdoc.probe.losses import fuse

    norms = gates = 0
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm") and hasattr(module, "weight"):
            module.forward = _norm(module)
            norms += 1
        elif all(hasattr(module, part) for part in ("gate_proj", "up_proj", "down_proj")):
            module.forward = _mlp(module)
            gates += 1
    notes.append(f"Liger played: {norms} norms and {gates} MLPs fused")
    fuse(model.get_base_model() if hasattr(model, "get_base_model") else model, notes)


def _norm(module: Any) -> Any:
    def forward(x: Any) -> Any:
        return _Norm.apply(x, module.weight)

    return forward


def _mlp(module: Any) -> Any:
    def forward(x: Any) -> Any:
        return module.down_proj(_Gate.apply(module.gate_proj(x), module.up_proj(x)))

    return forward
