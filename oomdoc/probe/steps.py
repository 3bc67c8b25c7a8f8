"""The phases of a dry run on fake tensors: load, forward, backward, clip and step (twice), evaluation, generation."""

# ruff: noqa: SLF001, B905
# torch's autograd engine has private names only; Python 3.9 has no strict=

from __future__ import annotations

import bisect
import contextlib
import gc
from collections.abc import Callable
from typing import Any

import torch

from oomdoc.probe import batch as batches
from oomdoc.probe.adapters import attach, quantise
from oomdoc.probe.attention import Card, as_on_cuda
from oomdoc.probe.build import build, checkpoint, dtype_of, freeze
from oomdoc.probe.fake import FakeStep, integers_kept
from oomdoc.probe.ledger import Ledger
from oomdoc.probe.losses import replace
from oomdoc.probe.mixed import autocast, meta_autocast_is_cpu
from oomdoc.probe.optimizers import Stepper
from oomdoc.probe.partition import Exchange

ADAPTED = ("lora", "qlora", "dora")
Progress = Callable[[str], None]


class Run:
    """One dry run: the plan, the model, the ledger that fills up."""

    def __init__(self, plan: dict[str, Any], progress: Progress) -> None:
        if (plan.get("parallel") or {}).get("widened"):  # the step sees what is gathered; `Shares` widens what is kept
            plan = {**plan, "dtype": plan["autocast"]}
        self.plan = plan
        self.progress = progress
        self.notes: list[str] = []
        self.ledger = Ledger()
        capability = tuple(plan.get("capability") or (8, 0))
        self.card = Card(capability, ignore_mask=str(plan.get("attention", "")).startswith("flash"))
        self.mode = FakeStep(self.ledger, hopper=capability >= (9, 0))
        self.card.vision_math = bool(plan.get("vision_math"))
        self.card.where = lambda: self.mode.modules[-1]
        self.model: Any = None
        self.mixed: Any = None
        self.batch: Any = None
        self.figures: dict[str, Any] = {}

    def execute(self) -> None:
        """All phases that the plan names; raises CannotBuildError, NoFakeKernelError, or what the model raises."""
        self.progress("building the model")
        self._prepare()
        with contextlib.ExitStack() as stack:
            stack.enter_context(as_on_cuda(self.card))
            stack.enter_context(meta_autocast_is_cpu())
            stack.enter_context(integers_kept())
            precision = self.plan.get("autocast")
            self.card.autocast = dtype_of(precision) if precision else None
            self.mixed = stack.enter_context(autocast(self.card.autocast))
            stack.enter_context(self.mode)
            self._watch_modules(stack)
            phases = self.plan.get("phases") or ["train"]
            if "train" in phases:
                self._train()
            if "eval" in phases:
                self._evaluate()
            if "generate" in phases:
                self._generate()
        self.notes.extend(sorted(self.mode.notes))

    def _prepare(self) -> None:
        plan = self.plan
        self.mode.tracking = False
        with self.mode:
            model = build(plan)
        self.figures["parameters"] = sum(parameter.numel() for parameter in model.parameters())
        self.figures["class"] = _class_of(model)
        self.figures["built"] = {key: value for key, value in model.oomdoc_built.items() if key != "lora"}
        if self.card.vision_math or self.card.ignore_mask:
            # Those versions masked windows in one product over all patches; flash-attn takes all windows in one call.
            for module in model.modules():
                if hasattr(module, "fullatt_block_indexes"):
                    module.fullatt_block_indexes = list(range(len(module.blocks)))
        quantise(model, plan)
        training = "train" in (plan.get("phases") or ["train"])
        if plan.get("method") in ADAPTED:
            model = attach(model, plan, self.notes)
        elif not training:
            model.requires_grad_(False)
        freeze(model, plan.get("freeze") or {})
        if plan.get("upcast_trainable"):
            for parameter in model.parameters():
                if parameter.requires_grad and parameter.is_floating_point():
                    parameter.data = parameter.data.float()
        if training:
            checkpoint(model, plan, self.notes)
        if plan.get("liger"):
            from oomdoc.probe.liger import apply

            apply(model, self.notes)
        elif training and plan.get("loss"):
            replace(model, str(plan["loss"]), self.notes)
        self.model = model
        config = getattr(model, "config", None)
        text = getattr(config, "text_config", None) or config
        self.mode.vocab = int(getattr(text, "vocab_size", 0) or 0)
        self.mode.tracking = True
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            self.mode.adopt(value, "weights", name)
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.figures["trainable_parameters"] = sum(parameter.numel() for parameter in trainable)
        self.figures["attention"] = getattr(model, "oomdoc_attention", plan.get("attention"))
        self.trainable = trainable
        for parameter in trainable:
            parameter.register_post_accumulate_grad_hook(self._is_gradient)
        self.batch = batches.Batch(model, plan)
        self.exchange = Exchange(model, trainable, plan.get("parallel") or {}, self.ledger)

    def _is_gradient(self, parameter: Any) -> None:
        number = self.mode.number_of(parameter.grad) if parameter.grad is not None else 0
        if number:
            self.ledger.allocations[number].component = self.exchange.gradients

    def _watch_modules(self, stack: contextlib.ExitStack) -> None:
        """Know which module runs: in forward by hooks, in backward by the sequence number of the autograd node."""
        names = {id(module): name for name, module in self.model.named_modules()}
        current = self.mode.modules
        starts: list[int] = []
        owners: list[str] = []
        sequence = getattr(torch.autograd, "_get_sequence_nr", None)

        def entered(module: Any, _: Any) -> None:
            name = names.get(id(module), current[-1])
            current.append(name)
            if sequence is not None:
                starts.append(sequence())
                owners.append(name)

        def left(module: Any, _: Any, __: Any) -> None:
            del module
            if len(current) > 1:
                current.pop()
            if sequence is not None:
                starts.append(sequence())
                owners.append(current[-1])

        def owner() -> str:
            node = torch._C._current_autograd_node()
            if node is None or not starts:
                return ""
            place = bisect.bisect_right(starts, node._sequence_nr()) - 1
            return owners[place] if place >= 0 else ""

        hooks = torch.nn.modules.module
        stack.callback(hooks.register_module_forward_pre_hook(entered).remove)
        stack.callback(hooks.register_module_forward_hook(left, always_call=True).remove)
        if sequence is not None and hasattr(torch._C, "_current_autograd_node"):
            self.mode.backward_of = owner

    def _train(self) -> None:
        plan = self.plan
        stepper = Stepper(plan.get("optimizer") or "adamw_torch", self.trainable, self.ledger, self.mode)
        stepper.master = (plan.get("parallel") or {}).get("kind") == "zero" and plan.get("dtype") != "float32"
        micro = max(1, min(2, int(plan.get("accumulation") or 1)))
        self.exchange.start()
        for step in range(int(plan.get("steps") or 2)):
            self.progress(f"training step {step + 1}")
            for number in range(micro):
                label = f"step {step + 1}" + (f", batch {number + 1}" if micro > 1 else "")
                self._forward_backward(label, micro, self._tokens(step))
            self.ledger.enter("step", f"step {step + 1}", "workspace")
            with torch.no_grad(), self._no_casts():
                stepper.clip(float(plan.get("max_grad_norm") or 0.0))
                stepper.step()
            for parameter in self.trainable:
                parameter.grad = None
        self.notes.extend(stepper.notes)
        self.figures["steps"] = int(plan.get("steps") or 2)

    def _tokens(self, step: int) -> int | None:
        """Lengths that vary: the last step but one is shorter, which `fragments` needs."""
        steps, share = int(self.plan.get("steps") or 2), self.plan.get("short")
        if not share or step != steps - 2:
            return None
        return max(16, int(float(share) * int(self.plan.get("tokens") or 512)))

    def _forward_backward(self, label: str, micro: int, tokens: int | None = None) -> None:
        self.ledger.enter("forward", label, "activations")
        self.exchange.forward()
        inputs = self._inputs(tokens)
        loss = self._loss(inputs)
        if self.mixed is not None:
            self.mixed.forget()
            self.mixed.caching = False
        self.ledger.enter("backward", label, "workspace")
        self.exchange.backward()
        _backward(loss / micro if micro > 1 else loss)
        self.exchange.done()
        if self.mixed is not None:
            self.mixed.caching = True
            self.mixed.forget()

    def _inputs(self, tokens: int | None = None) -> dict[str, Any]:
        inputs: dict[str, Any] = self.batch.inputs(tokens)
        for value in inputs.values():
            if isinstance(value, torch.Tensor):
                number = self.mode.adopt(value, "activations", "input batch")
                del number
        return inputs

    def _loss(self, inputs: dict[str, Any]) -> Any:
        try:
            out = self.model(**inputs)
        except (ValueError, RuntimeError) as error:
            features = batches.mismatch(error)
            if features is None or self.batch.image_tokens == features:
                raise
            del error
            self.batch.image_tokens = features
            gc.collect()
            inputs.clear()
            inputs.update(self._inputs())
            out = self.model(**inputs)
        if self.mixed is not None and self.plan.get("fp32_outputs", True):
            for key in list(getattr(out, "keys", list)()):  # accelerate's convert_outputs_to_fp32
                if isinstance(out[key], torch.Tensor) and out[key].is_floating_point() and key != "loss":
                    out[key] = out[key].float()
        return out.loss if getattr(out, "loss", None) is not None else _sum(out)

    @contextlib.contextmanager
    def _no_casts(self) -> Any:
        if self.mixed is None:
            yield
            return
        with torch.autocast("cpu", enabled=False):
            yield

    def _evaluate(self) -> None:
        self.progress("evaluation")
        self.ledger.enter("eval", "evaluation", "activations")
        self.exchange.forward()
        self.model.eval()
        rows = self.plan.get("eval_batch")
        before = self.batch.rows
        self.batch.rows = int(rows or before)
        with torch.no_grad():
            inputs = self._inputs()
            cached = self.plan.get("use_cache") or _below(str(self.plan.get("eval_cache") or "<0"))
            if cached and "use_cache" in batches._parameters(self.model):
                inputs["use_cache"] = True  # layers switch it off in training only
            out = self.model(**inputs)
            if getattr(out, "past_key_values", None) is not None:
                self._own(out.past_key_values)
            logits = getattr(out, "logits", None)
            inputs.clear()
            del out
            if isinstance(logits, torch.Tensor):
                held = [logits.float() if self.mixed is not None else logits]
                del logits
                self._keep(held, int(self.plan.get("eval_batches_kept") or 1))
        self.batch.rows = before
        self.exchange.done()
        self.model.train()

    def _keep(self, held: list[Any], count: int) -> None:
        """What Trainer.evaluation_loop does with the logits of `count` batches (4.41 to 5.23).

        Each, cast by accelerate under autocast, is gathered from all ranks and joined to the others in a new tensor.
        """
        way = self.plan.get("parallel") or {}
        ranks = int(way.get("ranks") or 1) if way.get("kind") in ("ddp", "zero", "fsdp") else 1
        kept = torch.cat(held * ranks) if ranks > 1 else held[0]
        held.clear()
        shape, kind = kept.shape, kept.dtype
        for _ in range(count - 1):
            batch = torch.empty(shape, dtype=kind, device="meta")
            kept = torch.cat((kept, batch))
            del batch

    def _generate(self) -> None:
        """Prefill, then one token at the full length of the cache."""
        self.progress("generation")
        self.ledger.enter("generate", "prefill", "activations")
        self.exchange.forward()
        self.model.eval()
        config = getattr(self.model, "config", None)
        prompt = int(self.plan.get("prompt_tokens") or self.plan.get("tokens") or 512)
        new = int(self.plan.get("new_tokens") or 128)
        with torch.no_grad():
            inputs = self.batch.inputs(prompt, labels=False)
            parameters = batches._parameters(self.model)
            if "logits_to_keep" in parameters:
                inputs["logits_to_keep"] = 1
            out = self.model(**inputs, use_cache=True)
            cache = getattr(out, "past_key_values", None)
            if cache is None:
                self.notes.append("this model keeps no key-value cache")
            else:
                self._own(cache)
                self._lengthen(cache, new)
                self.ledger.enter("generate", f"token {new}", "activations")
                ids = inputs["input_ids"][:, -1:]
                total = inputs["input_ids"].shape[1] + new - 1
                mask = torch.ones((ids.shape[0], total), dtype=torch.long)
                self.model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)
                self._own(cache)
        del config
        self.exchange.done()
        self.model.train()

    def _own(self, cache: Any) -> None:
        for key, value in _cached(cache):
            for part in (key, value):
                number = self.mode.number_of(part)
                if number:
                    self.ledger.allocations[number].component = "kv_cache"

    def _lengthen(self, cache: Any, new: int) -> None:
        """As if `new - 2` tokens had been generated: each layer's keys and values grow by so much, one by one."""
        if new <= 2 or not hasattr(cache, "update"):
            return
        shapes = [(key.shape, value.shape, key.dtype) for key, value in _cached(cache)]
        for index, (key, value, dtype) in enumerate(shapes):
            if len(key) == 4:
                more = [
                    torch.empty((*shape[:2], new - 2, shape[3]), dtype=dtype, device="meta") for shape in (key, value)
                ]
                cache.update(*more, index)
                del more
        self._own(cache)


def _below(bounds: str) -> bool:
    """Whether the installed transformers lies below a bound such as "<5.0"."""
    import transformers

    found = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    return found < tuple(int(part) for part in bounds.lstrip("<").split("."))


def _class_of(model: Any) -> str:
    inner = getattr(model, "language_model", None) if type(model).__name__ == "Composed" else None
    return type(model).__name__ if inner is None else f"{type(model.vision_tower).__name__} + {type(inner).__name__}"


def _cached(cache: Any) -> list[Any]:
    """(keys, values) of each layer, whatever transformers calls them at its version."""
    if hasattr(cache, "layers"):
        pairs = [(getattr(layer, "keys", None), getattr(layer, "values", None)) for layer in cache.layers]
    elif hasattr(cache, "key_cache"):
        pairs = list(zip(cache.key_cache, cache.value_cache))
    else:
        pairs = [(layer[0], layer[1]) for layer in cache] if isinstance(cache, (tuple, list)) else []
    return [(k, v) for k, v in pairs if isinstance(k, torch.Tensor) and isinstance(v, torch.Tensor)]


def _backward(loss: Any) -> None:
    """loss.backward() without its detour over __torch_function__, which would suspend autocast in recomputed layers."""
    engine = torch.autograd.Variable._execution_engine
    engine.run_backward(
        (loss,), (torch.ones_like(loss),), False, False, (), allow_unreachable=True, accumulate_grad=True
    )


def _sum(out: Any) -> Any:
    first: Any | None = None
    for value in out.values() if hasattr(out, "values") else out:
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            first = value
            break
    if first is None:
        raise RuntimeError("the model returned no loss and no floating output")
    return first.float().mean()
