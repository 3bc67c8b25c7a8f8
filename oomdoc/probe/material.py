"""Random weights made on the device in place of those without data, module by module; bitsandbytes' packed layers."""

from __future__ import annotations

from typing import Any

import torch

from oomdoc.probe.build import CannotBuildError, dtype_of

_SPREAD = 0.02


class MissingError(CannotBuildError):
    """The run needs a package that its environment lacks; `use` names what for."""

    def __init__(self, package: str, use: str) -> None:
        self.package = package
        self.use = use
        super().__init__(f"{use} needs {package}, which this environment does not have")


class Filler:
    """Fills modules built on the meta device. Weights that were shared stay shared; buffers become zero."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._made: dict[int, Any] = {}

    def __call__(self, module: Any) -> None:
        """Fill one module, not those within it."""
        for name, value in list(module.named_parameters(recurse=False)):
            if not value.is_meta:
                continue
            if id(value) not in self._made:
                data = torch.empty_like(value, device=self.device)
                if data.is_floating_point():
                    data.normal_(std=_SPREAD)
                new = torch.nn.Parameter(data, requires_grad=value.requires_grad)
                self._made[id(value)] = (new, value)  # the old one is kept, or its id could be another's
            setattr(module, name, self._made[id(value)][0])
        for name, value in list(module.named_buffers(recurse=False)):
            if value.is_meta:
                kept = name not in module._non_persistent_buffers_set  # noqa: SLF001
                module.register_buffer(name, torch.zeros_like(value, device=self.device), persistent=kept)

    def fill(self, model: Any) -> None:
        """Fill a whole model."""
        for module in model.modules():
            self(module)
        self._made.clear()


def draw(model: Any) -> None:
    """Random values for weights that have their place already, also for the shards that DeepSpeed has made of them.

    What happens to lie in memory may be no number, and a step whose gradients are none is skipped with its states.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            for data in (parameter, getattr(parameter, "ds_tensor", None)):
                if data is not None and data.is_floating_point() and data.numel() and not data.is_meta:
                    data.normal_(std=_SPREAD)


def pack(model: Any, plan: dict[str, Any], device: str) -> None:
    """Put bitsandbytes' own layers in place of linear ones, each packed as it is made: the whole is never there."""
    try:
        import bitsandbytes  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MissingError("bitsandbytes", f"{plan['quant']['bits']}-bit") from None
    quant = plan["quant"]
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    compute = dtype_of(plan.get("dtype"))
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is not torch.nn.Linear or (child is output and not quant.get("head")):
                continue
            biased = child.bias is not None
            if int(quant["bits"]) == 4:
                packed = bitsandbytes.nn.Linear4bit(
                    child.in_features, child.out_features, biased, compute_dtype=compute,
                    compress_statistics=bool(quant.get("double")), quant_type=quant.get("type") or "nf4", device="cpu",
                )  # fmt: skip
            else:
                packed = bitsandbytes.nn.Linear8bitLt(
                    child.in_features, child.out_features, biased, has_fp16_weights=False, device="cpu"
                )
            packed.weight.data = _drawn(child.weight, device)
            if biased:
                packed.bias.data = _drawn(child.bias, device)
            setattr(module, name, packed.to(device))
    Filler(device).fill(model)
    if quant.get("upcast"):
        for parameter in model.parameters():
            if parameter.dtype in (torch.float16, torch.bfloat16):
                parameter.data = parameter.data.to(torch.float32)


def _drawn(weight: Any, device: str) -> Any:
    """Random values of a weight's shape, drawn on the device, which is faster, and handed over on the host."""
    data = torch.empty(weight.shape, dtype=weight.dtype, device=device)
    return data.normal_(std=_SPREAD).cpu()
