"""The same phases for real on a device: random weights made there, two or three steps, peaks read after each phase.

Needs what the run itself uses (bitsandbytes for 8-bit states and packed weights, flash-attn where it is asked for).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from oomdoc.probe import batch as batches
from oomdoc.probe.adapters import attach
from oomdoc.probe.build import CannotBuildError, build, checkpoint, dtype_of, freeze

Progress = Callable[[str], None]


class Meter:
    """Peaks of one device since the last phase; on the CPU, where nothing counts tensors, every figure is 0."""

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith("cuda")
        self.phases: list[dict[str, Any]] = []

    def enter(self) -> None:
        """Begin a phase: forget the peak of the last one."""
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()

    def leave(self, phase: str, label: str) -> None:
        """Record the peak of a phase."""
        allocated = reserved = 0
        if self.cuda:
            torch.cuda.synchronize()
            allocated, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
        self.phases.append({"phase": phase, "moment": label, "allocated_bytes": allocated, "reserved_bytes": reserved})

    def device_bytes(self) -> int:
        """Bytes of the whole device that are in use now, by whomever."""
        if not self.cuda:
            return 0
        free, total = torch.cuda.mem_get_info()
        return int(total - free)


class RealRun:
    """One probe: the plan, the model, the meter."""

    def __init__(self, plan: dict[str, Any], progress: Progress) -> None:
        self.plan = {**plan, "device": plan.get("device") or "cuda"}
        self.device = str(self.plan["device"])
        self.progress = progress
        self.meter = Meter(self.device)
        self.notes: list[str] = []
        self.figures: dict[str, Any] = {}
        self.phase = "load"
        self.model: Any = None
        self.batch: Any = None
        self.optimizer: Any = None

    def execute(self) -> None:
        """All phases of the plan. What the device refuses is raised as torch raises it; `phase` says where."""
        self.progress("building the model on the device")
        self.meter.enter()
        self._prepare()
        self.meter.leave("load", "load")
        phases = self.plan.get("phases") or ["train"]
        if "train" in phases:
            self._train()
        if "eval" in phases:
            self._evaluate()
        if "generate" in phases:
            self._generate()

    def _prepare(self) -> None:
        plan = self.plan
        attention = plan.get("attention") or "sdpa"
        if str(attention).startswith("flash"):
            with contextlib.suppress(ImportError):
                __import__("flash_attn")

                self.figures["attention"] = attention
                plan["flash_is_installed"] = True
            if "attention" not in self.figures:
                self.notes.append("flash-attn is not installed in this environment: sdpa was run in its place")
        model = build(plan, self.device)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.is_floating_point():
                    parameter.normal_(std=0.02)
        self.figures["parameters"] = sum(parameter.numel() for parameter in model.parameters())
        self.figures["class"] = type(model).__name__
        if (plan.get("quant") or {}).get("bits"):
            model = _quantised(model, plan, self.device)
        if plan.get("method") in ("lora", "qlora", "dora"):
            model = attach(model, plan, self.notes, self.device)
        elif "train" not in (plan.get("phases") or ["train"]):
            model.requires_grad_(False)
        freeze(model, plan.get("freeze") or {})
        checkpoint(model, plan, self.notes)
        self.model = model
        self.trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.figures["trainable_parameters"] = sum(parameter.numel() for parameter in self.trainable)
        self.batch = batches.Batch(model, self.plan)

    @contextlib.contextmanager
    def _precision(self) -> Iterator[None]:
        precision = self.plan.get("autocast")
        if not precision:
            yield
            return
        with torch.autocast("cuda" if self.meter.cuda else "cpu", dtype=dtype_of(precision)):
            yield

    def _train(self) -> None:
        plan = self.plan
        self.optimizer = make_optimizer(str(plan.get("optimizer") or "adamw_torch"), self.trainable, self.notes)
        micro = max(1, min(2, int(plan.get("accumulation") or 1)))
        for step in range(int(plan.get("steps") or 2)):
            self.progress(f"training step {step + 1}")
            label = f"step {step + 1}"
            for _ in range(micro):
                self.meter.enter()
                self.phase = "forward"
                loss = self._loss()
                self.meter.leave("forward", label)
                self.meter.enter()
                self.phase = "backward"
                (loss / micro if micro > 1 else loss).backward()
                del loss
                self.meter.leave("backward", label)
            self.meter.enter()
            self.phase = "step"
            if plan.get("max_grad_norm"):
                torch.nn.utils.clip_grad_norm_(self.trainable, float(plan["max_grad_norm"]))
            self.optimizer.step()
            self.meter.leave("step", label)
            self.optimizer.zero_grad(set_to_none=True)

    def _loss(self) -> Any:
        try:
            out = self._call(self.batch.inputs())
        except (ValueError, RuntimeError) as error:
            features = batches.mismatch(error)
            if features is None or self.batch.image_tokens == features:
                raise
            self.batch.image_tokens = features
            out = self._call(self.batch.inputs())
        if getattr(out, "loss", None) is not None:
            return out.loss
        return next(v for v in out.values() if isinstance(v, torch.Tensor) and v.is_floating_point()).float().mean()

    def _call(self, inputs: dict[str, Any]) -> Any:
        with self._precision():
            out = self.model(**inputs)
        if self.plan.get("autocast"):
            for key in list(out.keys()):
                if isinstance(out[key], torch.Tensor) and out[key].is_floating_point() and key != "loss":
                    out[key] = out[key].float()
        return out

    def _evaluate(self) -> None:
        self.progress("evaluation")
        self.phase = "eval"
        self.meter.enter()
        self.model.eval()
        before = self.batch.rows
        self.batch.rows = int(self.plan.get("eval_batch") or before)
        with torch.no_grad():
            out = self._call(self.batch.inputs())
            del out
        self.batch.rows = before
        self.model.train()
        self.meter.leave("eval", "evaluation")

    def _generate(self) -> None:
        self.progress("generation")
        self.phase = "generate"
        self.meter.enter()
        self.model.eval()
        prompt = int(self.plan.get("prompt_tokens") or self.plan.get("tokens") or 512)
        new = int(self.plan.get("new_tokens") or 128)
        inputs = self.batch.inputs(prompt, labels=False)
        with torch.no_grad(), self._precision():
            self.model.generate(**inputs, max_new_tokens=new, min_new_tokens=new, do_sample=False, use_cache=True)
        self.model.train()
        self.meter.leave("generate", f"{new} tokens")


def _quantised(model: Any, plan: dict[str, Any], device: str) -> Any:
    """bitsandbytes' own layers with random weights, packed as they are moved to the device."""
    try:
        import bitsandbytes  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise CannotBuildError("packed weights need bitsandbytes, which this environment does not have") from None
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
            packed.weight.data = child.weight.data.cpu()
            if biased:
                packed.bias.data = child.bias.data.cpu()
            setattr(module, name, None)
            del child
            setattr(module, name, packed.to(device))
    if quant.get("upcast"):
        for parameter in model.parameters():
            if parameter.dtype in (torch.float16, torch.bfloat16):
                parameter.data = parameter.data.to(torch.float32)
    return model


def make_optimizer(name: str, parameters: list[Any], notes: list[str]) -> Any:
    """The optimizer that transformers' `optim` of that name makes."""
    name = name.lower()
    if "8bit" in name or name.startswith("paged"):
        try:
            import bitsandbytes  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise CannotBuildError(
                f"the optimizer {name} needs bitsandbytes, which this environment does not have"
            ) from None
        lion = "lion" in name
        kind = (
            ("Paged" if name.startswith("paged") else "")
            + ("Lion" if lion else "AdamW")
            + ("8bit" if "8bit" in name else "32bit")
        )
        return getattr(bitsandbytes.optim, kind)(parameters, lr=1e-5)
    if name.startswith("adafactor"):
        from transformers.optimization import Adafactor

        return Adafactor(parameters, lr=1e-5, scale_parameter=False, relative_step=False)
    kinds: dict[str, Any] = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD,
                             "adagrad": torch.optim.Adagrad,
                             "rmsprop": torch.optim.RMSprop}  # fmt: skip
    chosen: Any | None = next((kind for prefix, kind in kinds.items() if name.startswith(prefix)), None)
    if chosen is None:
        notes.append(f"optimizer {name} is not known: AdamW was run in its place")
        chosen = torch.optim.AdamW
    return chosen(parameters, lr=1e-5, fused=True) if "fused" in name else chosen(parameters, lr=1e-5)
