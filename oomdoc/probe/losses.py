"""Losses other than the installed transformers': what an older version or a fused kernel would hold instead.

Names are the recipes of knowledge/memory/losses.yaml. Needs torch 2.1+, Python 3.9+.
"""

# ruff: noqa: B905, ARG001, ARG004
# Python 3.9 has no strict=; signatures are those of torch and transformers

from __future__ import annotations

from typing import Any

import torch

functional = torch.nn.functional


def replace(model: Any, recipe: str, notes: list[str]) -> None:
    """Make the model compute its loss by a recipe; "float" is what current versions do and changes nothing."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    inner = inner.language_model if type(inner).__name__ == "Composed" else inner
    if recipe in ("float_shifted", "float_inside", "masked") and not _is_current():
        return  # an old version does it itself
    makers = {
        "float_shifted": _shifted,
        "float_inside": _inside,
        "masked": _inside,
        "half": _half,
        "half_shifted": _half_shifted,
        "chunked_list": _eighths,
    }
    if recipe in makers and hasattr(inner, "loss_function"):
        _set(inner, makers[recipe])
    elif recipe == "chunked":
        fuse(inner, notes)
    elif recipe != "float":
        notes.append(f"the loss recipe {recipe} could not be played on this model")


def _set(model: Any, function: Any) -> None:
    """Give one model another loss function; a property without a setter in transformers 4.46 to 4.49."""
    try:
        model.loss_function = function
    except AttributeError:
        kind = type(model)
        model.__class__ = type(kind.__name__, (kind,), {"loss_function": property(lambda _: function)})


def _is_current() -> bool:
    import transformers

    return tuple(int(part) for part in transformers.__version__.split(".")[:2]) >= (4, 50)


def _labels(logits: Any, labels: Any) -> Any:
    return functional.pad(labels, (0, 1), value=-100)[..., 1:].reshape(-1)


def _shifted(logits: Any, labels: Any, vocab_size: int, **_: Any) -> Any:
    """transformers 4.45 to 4.49: a float copy, then a contiguous copy without the last position."""
    logits = logits.float()
    shifted = logits[..., :-1, :].contiguous()
    return functional.cross_entropy(shifted.view(-1, vocab_size), labels[..., 1:].reshape(-1))


def _inside(logits: Any, labels: Any, vocab_size: int, **_: Any) -> Any:
    """Up to 4.44: the float copy replaces the logits in the output and lives as long as they do."""
    return _shifted(logits, labels, vocab_size)


def _half(logits: Any, labels: Any, vocab_size: int, **_: Any) -> Any:
    return functional.cross_entropy(logits.view(-1, vocab_size), _labels(logits, labels))


def _half_shifted(logits: Any, labels: Any, vocab_size: int, **_: Any) -> Any:
    shifted = logits[..., :-1, :].contiguous()
    return functional.cross_entropy(shifted.view(-1, vocab_size), labels[..., 1:].reshape(-1))


def _eighths(logits: Any, labels: Any, vocab_size: int, **_: Any) -> Any:
    """torchtune's CEWithChunkedOutputLoss: eight chunks of rows, each upcast."""
    rows = logits.reshape(-1, vocab_size).chunk(8)
    parts = [functional.cross_entropy(row.float(), part) for row, part in zip(rows, _labels(logits, labels).chunk(8))]
    return torch.stack(parts).mean()


class _FusedLoss(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    """Liger's fused linear cross entropy: logits of one chunk at a time, gradients made in forward.

    liger_kernel/ops/fused_linear_cross_entropy.py: chunks of the next power of two of rows / ceil(vocab / hidden); the
    gradients of input and weight exist from forward on.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any) -> Any:
        rows, width = hidden.shape
        vocab = weight.shape[0]
        pieces = -(-vocab // width)
        size = 1 << max(0, (-(-rows // pieces) - 1).bit_length())
        grad_input = torch.empty_like(hidden)
        grad_weight = torch.empty_like(weight) if weight.requires_grad else None
        for start in range(0, rows, size):
            logits = hidden[start : start + size] @ weight.t()
            if grad_weight is not None:
                grad_weight += logits.t() @ hidden[start : start + size]
            del logits
        ctx.save_for_backward(grad_input, *([grad_weight] if grad_weight is not None else []))
        return hidden.new_zeros((), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        saved = ctx.saved_tensors
        return saved[0], saved[1] if len(saved) > 1 else None


class Fused(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """Stands in the place of the output layer while the model trains: returns a scalar that becomes the loss."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.head = head

    @property
    def weight(self) -> Any:
        """The output layer's matrix."""
        return self.head.weight

    def forward(self, hidden: Any) -> Any:
        """The loss in training, logits otherwise."""
        if not self.training or not torch.is_grad_enabled():
            return self.head(hidden)
        weight = self.head.weight
        return _FusedLoss.apply(hidden.reshape(-1, hidden.shape[-1]).to(weight.dtype), weight)


def fuse(model: Any, notes: list[str]) -> None:
    """Play Liger's (or unsloth's, or cut) cross entropy: no logits of the whole batch."""
    name = next(
        (each for each in ("lm_head", "embed_out") if isinstance(getattr(model, each, None), torch.nn.Linear)), None
    )
    if name is None or not hasattr(model, "loss_function"):
        notes.append("a fused loss could not be played on this model: its loss is counted unfused")
        return
    setattr(model, name, Fused(getattr(model, name)))
    plain = model.loss_function

    def loss(logits: Any, *args: Any, **kwargs: Any) -> Any:
        return logits if logits.dim() == 0 else plain(logits, *args, **kwargs)

    _set(model, loss)
    notes.append("a fused linear cross entropy was played: logits exist for one chunk at a time")
