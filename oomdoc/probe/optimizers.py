"""One optimizer step as CUDA would see it: torch.optim's own foreach code, the others by their state and temporaries.

Sources: torch/optim/*.py (foreach temporaries come out of its real code), bitsandbytes optim (8-bit block-wise state),
transformers.Adafactor (factored second moments).
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from oomdoc.probe.ledger import Ledger

_EIGHT_BIT = ("8bit", "8_bit")


class Stepper:
    """Holds the optimizer's state over steps. `name` is transformers' `optim`, e.g. adamw_torch_fused."""

    def __init__(self, name: str, parameters: list[Any], ledger: Ledger, mode: Any) -> None:
        self.name = (name or "adamw_torch").lower()
        self.parameters = parameters
        self.ledger = ledger
        self.mode = mode
        self.state: list[int] = []
        self.real: Any = None
        self.notes: list[str] = []
        self.master = False  # DeepSpeed with half weights keeps float32 ones beside them

    def clip(self, limit: float) -> None:
        """torch.nn.utils.clip_grad_norm_ in its foreach form."""
        grads = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        if not limit or not grads:
            return
        norms = [g.new_empty((), dtype=g.dtype) for g in grads]
        total = torch.linalg.vector_norm(torch.stack([norm.float() for norm in norms]))
        torch._foreach_mul_(grads, torch.clamp(limit / (total + 1e-6), max=1.0))

    def step(self) -> None:
        """One update; the state is made in the first."""
        trained = [parameter for parameter in self.parameters if parameter.grad is not None]
        name = self.name
        if self.master:
            self._deepspeed(trained)
        elif any(word in name for word in _EIGHT_BIT) or name.startswith(
            ("paged", "adafactor", "lion", "galore", "apollo", "muon")
        ):
            self._account(trained)
        elif "fused" in name or name in ("deepspeed_cpu_adam", "cpu_adam"):
            self._fused(trained)
        else:
            self._foreach(trained)

    def _foreach(self, trained: list[Any]) -> None:
        if self.real is None:
            self.real = _make(self.name, trained)
            if self.real is None:
                self.notes.append(f"optimizer {self.name} is not known: AdamW was run in its place")
                self.real = torch.optim.AdamW(trained, lr=1e-5, foreach=True)
        self.real.step()
        for parameter, state in self.real.state.items():
            for value in state.values():
                if isinstance(value, torch.Tensor) and value.is_meta:
                    number = self.mode.number_of(value)
                    if number:
                        self.ledger.allocations[number].component = "optimizer"
            del parameter

    def _deepspeed(self, trained: list[Any]) -> None:
        """ZeRO with half weights: float32 weights and moments, float32 gradients for the step (stage_1_and_2.py)."""
        elements = sum(parameter.numel() for parameter in trained)
        moments = 1 if "sgd" in self.name or "lion" in self.name else 2
        if not self.state:
            for parameter in trained:
                nbytes = 4 * parameter.numel()
                self.state.append(self.ledger.born(nbytes, "deepspeed", "master_weights"))
                self.state.extend(self.ledger.born(nbytes, "deepspeed", "optimizer") for _ in range(moments))
        self.ledger.temporary(4 * elements, "float32 gradients of the step", "optimizer")

    def _fused(self, trained: list[Any]) -> None:
        if self.state:
            return
        for parameter in trained:
            for _ in range(2):
                self.state.append(
                    self.ledger.born(parameter.numel() * parameter.element_size(), self.name, "optimizer")
                )
            self.state.append(self.ledger.born(4, self.name, "optimizer"))

    def _account(self, trained: list[Any]) -> None:
        largest = 0
        for parameter in trained:
            elements = parameter.numel()
            largest = max(largest, elements)
            if not self.state or len(self.state) < len(trained):
                for nbytes in _state_bytes(self.name, parameter):
                    self.state.append(self.ledger.born(nbytes, self.name, "optimizer"))
        if self.name.startswith("adafactor"):
            self.ledger.temporary(3 * 4 * largest, "adafactor update")
        elif not self.name.startswith(("paged", "adamw_8bit", "adamw_bnb_8bit", "lion_8bit")):
            self.ledger.temporary(4 * largest, self.name)


def _make(name: str, trained: list[Any]) -> Any:
    kinds: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ("adamw", torch.optim.AdamW, {}), ("adam", torch.optim.Adam, {}), ("sgd", torch.optim.SGD, {}),
        ("adagrad", torch.optim.Adagrad, {}), ("rmsprop", torch.optim.RMSprop, {}),
    )  # fmt: skip
    for prefix, kind, keywords in kinds:
        if name.startswith(prefix):
            with contextlib.suppress(TypeError):
                return kind(trained, lr=1e-5, foreach=True, **keywords)
    return None


def _state_bytes(name: str, parameter: Any) -> list[int]:
    """Bytes of each state tensor of one parameter. Paged states live in host memory until they are touched: none."""
    elements = parameter.numel()
    moments = 1 if "lion" in name or name.startswith(("muon", "sgd")) else 2
    if name.startswith("adafactor"):
        if parameter.dim() >= 2:
            return [4 * elements // parameter.shape[-1], 4 * elements // parameter.shape[-2]]
        return [4 * elements]
    if name.startswith("paged"):
        return []
    if any(word in name for word in _EIGHT_BIT):
        if elements < 4096:  # bitsandbytes keeps small tensors in 32 bits
            return [4 * elements] * moments
        blocks = -(-elements // 256)
        return [elements, 4 * blocks] * moments + [1024] * moments
    if name.startswith("galore"):
        rank = min(128, *parameter.shape) if parameter.dim() == 2 else 0
        if rank:
            return [4 * rank * max(parameter.shape)] * 2 + [4 * rank * min(parameter.shape)]
    return [elements * parameter.element_size()] * moments
