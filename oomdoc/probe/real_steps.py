"""The same phases for real on a device: random weights made there, two or three steps, peaks read after each phase.

Needs what the run itself uses (bitsandbytes for 8-bit states and packed weights, flash-attn where it is asked for).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from oomdoc.probe import batch as batches
from oomdoc.probe.adapters import attach
from oomdoc.probe.build import build, checkpoint, dtype_of, freeze
from oomdoc.probe.material import MissingError, draw, pack
from oomdoc.probe.meter import Meter
from oomdoc.probe.spread import spread

Progress = Callable[[str], None]


class RealRun:
    """One probe: the plan, the model, the meter, and how the step is spread over ranks."""

    def __init__(self, plan: dict[str, Any], progress: Progress) -> None:
        self.plan = {**plan, "device": plan.get("device") or "cuda"}
        self.device = str(self.plan["device"])
        self.progress = progress
        self.meter = Meter(self.device, plan.get("cap_bytes"))
        self.notes: list[str] = []
        self.spread = spread(self.plan, self.device, self.notes)
        self.figures: dict[str, Any] = {}
        self.phase = "load"
        self.model: Any = None
        self.inner: Any = None
        self.batch: Any = None

    def execute(self) -> None:
        """All phases of the plan. What the device refuses is raised as torch raises it; `phase` says where."""
        with self.meter.counting():
            self._phases()

    def _phases(self) -> None:
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
        packed = bool((plan.get("quant") or {}).get("bits"))
        place = "meta" if packed else self.spread.build_device
        with self.spread.building():
            model = build(plan, place)
        draw(model)
        self.figures["parameters"] = _count(model.parameters())
        self.figures["class"] = type(model).__name__
        self.figures["built"] = {key: value for key, value in model.oomdoc_built.items() if key != "lora"}
        if packed:
            pack(model, plan, self.device)
            place = self.device
        if plan.get("method") in ("lora", "qlora", "dora"):
            model = attach(model, plan, self.notes, place)
        elif "train" not in (plan.get("phases") or ["train"]):
            model.requires_grad_(False)
        freeze(model, plan.get("freeze") or {})
        checkpoint(model, plan, self.notes)
        if plan.get("liger"):
            _fused(model, self.notes)
        self.inner = model
        self.batch = batches.Batch(model, self.plan)
        self.figures["trainable_parameters"] = _count(each for each in model.parameters() if each.requires_grad)
        self.model = self.spread.wrap(model)

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
        name = str(plan.get("optimizer") or "adamw_torch")
        self.spread.prepare(lambda parameters: make_optimizer(name, parameters, self.notes))
        self.model = self.spread.model
        micro = max(1, min(2, int(plan.get("accumulation") or 1)))
        for step in range(int(plan.get("steps") or 2)):
            self.progress(f"training step {step + 1}")
            label = f"step {step + 1}"
            for number in range(micro):
                is_last = number == micro - 1
                with self.spread.accumulating(is_last):
                    self.meter.enter()
                    self.phase = "forward"
                    loss = self._loss()
                    self.meter.leave("forward", label)
                    self.meter.enter()
                    self.phase = "backward"
                    self.spread.backward(loss, micro)
                    del loss
                    self.meter.leave("backward", label)
                if not is_last:
                    self.spread.between()
            self.meter.enter()
            self.phase = "step"
            self.spread.step(float(plan.get("max_grad_norm") or 0.0))
            self.meter.leave("step", label)

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
            logits = getattr(out, "logits", None)
            del out
            if isinstance(logits, torch.Tensor):
                _join(logits, int(self.plan.get("eval_batches_kept") or 1))
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
        wanted = {"max_new_tokens": new, "min_new_tokens": new, "do_sample": False, "use_cache": True}
        with torch.no_grad(), self._precision(), self.spread.whole():
            self.inner.generate(**inputs, **wanted, **self.spread.generation())
        self.model.train()
        self.meter.leave("generate", f"{new} tokens")


def _join(logits: torch.Tensor, batches_kept: int) -> None:
    """Logits of so many batches, each joined to those before in a new tensor (Trainer.evaluation_loop)."""
    kept = logits
    for _ in range(batches_kept - 1):
        kept = torch.cat((kept, torch.empty_like(logits)))


def _fused(model: Any, notes: list[str]) -> None:
    """Liger's kernels, where the environment has them and they know the model."""
    try:
        from liger_kernel.transformers import _apply_liger_kernel_to_instance  # type: ignore[import-not-found]
    except ImportError:
        notes.append("Liger is not installed in this environment: the model's own layers were run in its place")
        return
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    _apply_liger_kernel_to_instance(model=inner)


def _count(parameters: Iterable[Any]) -> int:
    """Elements of parameters, those that DeepSpeed has divided as well."""
    return sum(int(getattr(each, "ds_numel", 0) or each.numel()) for each in parameters)


def make_optimizer(name: str, parameters: list[Any], notes: list[str]) -> Any:
    """The optimizer that transformers' `optim` of that name makes."""
    name = name.lower()
    if "8bit" in name or name.startswith("paged"):
        try:
            import bitsandbytes  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise MissingError("bitsandbytes", name) from None
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
