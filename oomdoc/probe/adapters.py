"""LoRA through PEFT where it is installed, else layers of the same operators; packed weights by their size."""

# ruff: noqa: ARG004
# signatures are those of torch.autograd.Function

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import Any

import torch

from oomdoc.probe.build import PROJECTOR, VISION, _uninitialised, within

ALL_LINEAR = ("all-linear", "all", "ALL")


def targets(model: Any, plan: dict[str, Any]) -> list[str]:
    """Full names of the linear layers that LoRA is attached to: as named, else what they mean in this family."""
    lora = plan.get("lora") or {}
    found = _stood_for(model, plan, lora.get("targets"))
    for wanted in (lora.get("targets"), lora.get("canonical_targets"), None):
        found = found or _matching(model, plan, wanted)
    return found


def _stood_for(model: Any, plan: dict[str, Any], stated: Any) -> list[str]:
    """What stands here for matrices of remote code, in the language model unless "tower." says otherwise.

    Empty where nothing that is stated has other names here.
    """
    names = (getattr(model, "oomdoc_built", None) or {}).get("lora") or {}
    if not isinstance(stated, (list, tuple)):
        return []
    others = {other for each in stated for other in names.get(str(each).rsplit(".", 1)[-1], ())}
    if not others:
        return []
    towers = {other[6:] for other in others if other.startswith("tower.")}
    found = _matching(model, plan, sorted(towers | {other for other in others if not other.startswith("tower.")}))
    return [name for name in found if within(name, VISION) == any(name.endswith("." + each) for each in towers)]


def _matching(model: Any, plan: dict[str, Any], wanted: Any) -> list[str]:
    rules = plan.get("freeze") or {}
    output = _output_layer(model)
    linear = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    linear += [(name, module) for name, module in model.named_modules() if type(module).__name__ == "Conv1D"]
    if not wanted:
        wanted = _usual([name for name, _ in linear])
    everything = wanted in ALL_LINEAR or (isinstance(wanted, (list, tuple)) and any(w in ALL_LINEAR for w in wanted))
    found = []
    for name, module in linear:
        if everything:
            if module is output or within(name, PROJECTOR):
                continue
        elif not any(name == w or name.endswith("." + w) for w in wanted):
            continue
        if rules.get("vision") and (within(name, VISION) or within(name, PROJECTOR)):
            continue
        found.append(name)
    return found


def _usual(names: list[str]) -> tuple[str, ...]:
    """PEFT's defaults: the attention projections of the family."""
    last = {name.rsplit(".", 1)[-1] for name in names}
    for group in (
        ("q_proj", "v_proj"),
        ("query_key_value",),
        ("qkv_proj",),
        ("c_attn",),
        ("W_pack",),
        ("wqkv",),
        ("query", "value"),
        ("q", "v"),
    ):
        if last.issuperset(group):
            return group
    return ("all-linear",)


def _output_layer(model: Any) -> Any:
    with contextlib.suppress(Exception):
        return model.get_output_embeddings()
    return None


def quantise(model: Any, plan: dict[str, Any]) -> None:
    """Replace the linear layers (not the head, not the vision tower's for text-only kinds) by packed ones."""
    quant = plan.get("quant") or {}
    bits = quant.get("bits")
    if not bits:
        return
    output = _output_layer(model)
    skip = set(quant.get("skip") or ())
    for module in list(model.modules()):
        for child_name, child in list(module.named_children()):
            if (
                type(child) is torch.nn.Linear
                and (quant.get("head") or (child is not output and child_name != "lm_head"))
                and child_name not in skip
            ):
                setattr(module, child_name, Packed(child, int(bits), bool(quant.get("double")), quant.get("type")))
    if quant.get("upcast"):  # peft.prepare_model_for_kbit_training
        for parameter in model.parameters():
            if parameter.dtype in (torch.float16, torch.bfloat16):
                parameter.data = parameter.data.to(torch.float32)


class Packed(torch.nn.Linear):  # type: ignore[misc,unused-ignore]
    """A linear layer whose weight is stored in 8 or fewer bits and unpacked for each product.

    bitsandbytes NF4/FP4: 4 bits and one float32 maximum in 64 (with double quantisation one byte in 64 and one float32
    in 16384). INT8: one byte and one float32 a row. GPTQ/AWQ: a half-precision scale and a zero in 128.
    """

    def __init__(self, layer: torch.nn.Linear, bits: int, double: bool, kind: str | None) -> None:
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        elements = layer.weight.numel()
        self.compute = layer.weight.dtype
        self.weight = torch.nn.Parameter(
            torch.empty((-(-elements * bits // 8), 1), dtype=torch.uint8, device="meta"), False
        )
        self.bias = layer.bias
        if kind in ("gptq", "awq"):
            extra = elements // 128 * 2 + elements // 128 * bits // 8
        elif bits == 8:
            extra = self.out_features * 4
        else:
            extra = elements // 64 + elements // 16384 * 4 if double else elements // 64 * 4
        self.register_buffer("scales", torch.empty(extra, dtype=torch.uint8, device="meta"), persistent=False)
        self.packed_bits = bits
        if self.bias is not None:
            self.bias.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The product with the unpacked weight, which lives only as long as the product."""
        out: torch.Tensor = _Unpack.apply(x.to(self.compute), self.weight, self.out_features, self.packed_bits)
        return out if self.bias is None else out + self.bias.to(out.dtype)


class _Unpack(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    """Only the packed weight is kept for backward, where it is unpacked again."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, out_features: int, bits: int) -> torch.Tensor:
        ctx.save_for_backward(weight)
        ctx.shape = (out_features, x.shape[-1])
        unpacked = x.new_empty(ctx.shape)
        return torch.nn.functional.linear(x, unpacked)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        unpacked = grad.new_empty(ctx.shape)
        return torch.matmul(grad, unpacked), None, None, None


class OwnLora(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """What peft.tuners.lora.Linear does, for environments without PEFT."""

    def __init__(self, base_layer: Any, rank: int, dropout: float, dtype: torch.dtype, device: str) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.dropout = torch.nn.Dropout(dropout) if dropout else torch.nn.Identity()
        self.lora_A = torch.nn.Linear(base_layer.in_features, rank, bias=False, dtype=dtype, device=device)
        self.lora_B = torch.nn.Linear(rank, base_layer.out_features, bias=False, dtype=dtype, device=device)

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The layer's own product plus the low-rank one."""
        result = self.base_layer(x, *args, **kwargs)
        kind = result.dtype
        result = result + self.lora_B(self.lora_A(self.dropout(x.to(self.lora_A.weight.dtype)))) * 2.0
        return result.to(kind)


def attach(model: Any, plan: dict[str, Any], notes: list[str], device: str = "meta") -> Any:
    """Freeze the model and attach LoRA (or DoRA) as the plan says; returns the wrapped model."""
    lora = plan.get("lora") or {}
    names = targets(model, plan)
    rank = int(lora.get("rank") or 8)
    saved = list(lora.get("modules_to_save") or ())
    try:
        with torch.device(device), _uninitialised():
            import_module("torch.distributed.tensor")  # peft takes it for imported, as recent transformers do
            from peft import LoraConfig, get_peft_model

            config = LoraConfig(
                r=rank, lora_alpha=int(lora.get("alpha") or 2 * rank), target_modules=names,
                lora_dropout=float(lora.get("dropout") or 0.0), modules_to_save=saved or None,
                use_dora=plan.get("method") == "dora", init_lora_weights=False,
            )  # fmt: skip
            keywords = {} if lora.get("dtype") is None else {"autocast_adapter_dtype": lora["dtype"] == "float32"}
            model = get_peft_model(model, config, **keywords)
    except ImportError:
        notes.append("peft is not installed in this environment: LoRA layers of the same operators were built instead")
        model = _attach_own(model, names, rank, float(lora.get("dropout") or 0.0), saved, lora.get("dtype"), device)
    return model


def _attach_own(
    model: Any, names: list[str], rank: int, dropout: float, saved: list[str], dtype: str | None, device: str
) -> Any:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(part in saved for part in name.split(".")))
    kind = getattr(torch, dtype) if dtype else torch.float32
    for name in names:
        parent_name, _, last = name.rpartition(".")
        parent = model.get_submodule(parent_name)
        setattr(parent, last, OwnLora(getattr(parent, last), rank, dropout, kind, device))
    return model
