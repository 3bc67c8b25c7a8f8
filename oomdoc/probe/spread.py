"""How the step of a probe is spread: alone, DDP, FSDP, DeepSpeed. Each as the training libraries themselves set it up.

Needs what the run itself uses: torch, and DeepSpeed where the run does. Runs in every rank, after the process group is
made.
"""

# heavy imports belong to one way of spreading; no_split_modules is transformers' private name

from __future__ import annotations

import contextlib
import functools
from typing import Any

import torch

from oomdoc.probe.build import CannotBuildError, build, dtype_of
from oomdoc.probe.material import Filler, MissingError
from oomdoc.probe.zero import deepspeed_config


class Alone:
    """One process with the whole model; also what the other ways do where they differ in nothing."""

    def __init__(self, plan: dict[str, Any], device: str, notes: list[str]) -> None:
        self.plan = plan
        self.device = device
        self.notes = notes
        self.ranks: dict[str, Any] = plan.get("ranks") or {}
        self.build_device = device
        self.model: Any = None
        self.optimizer: Any = None
        self.trainable: list[Any] = []

    def building(self) -> Any:
        """The context within which the model is built."""
        return contextlib.nullcontext()

    def wrap(self, model: Any) -> Any:
        """The model as it is called in a step."""
        self.model = model
        self.trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return model

    def prepare(self, make: Any) -> None:
        """Make the optimizer; `make` takes the parameters that train."""
        self.optimizer = make(self.trainable)

    def accumulating(self, is_last: bool) -> Any:
        """Batches before the last of a step are not exchanged, as transformers' Trainer does it."""
        if is_last or not hasattr(self.model, "no_sync"):
            return contextlib.nullcontext()
        return self.model.no_sync()

    def backward(self, loss: Any, batches: int) -> None:
        """Gradients of one batch of so many in a step."""
        (loss / batches if batches > 1 else loss).backward()

    def between(self) -> None:
        """After a batch that is not the last of a step."""

    def step(self, limit: float) -> None:
        """Clip and update."""
        if limit:
            self._clip(limit)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _clip(self, limit: float) -> None:
        torch.nn.utils.clip_grad_norm_(self.trainable, limit)

    def whole(self) -> Any:
        """The context within which the model may be called by its inner name, as generate() does."""
        return contextlib.nullcontext()

    def generation(self) -> dict[str, Any]:
        """More keyword arguments of generate()."""
        return {}


class Ddp(Alone):
    """torch.nn.parallel.DistributedDataParallel, with its defaults: buckets of 25 MB beside the gradients."""

    def wrap(self, model: Any) -> Any:
        """Parameters that a batch does not use are looked for, unless layers are recomputed inside backward."""
        super().wrap(model)
        self.model = torch.nn.parallel.DistributedDataParallel(
            model, device_ids=[torch.device(self.device)] if self.device.startswith("cuda") else None,
            find_unused_parameters=not self.plan.get("reentrant"),
        )  # fmt: skip
        return self.model


class Fsdp(Alone):
    """FullyShardedDataParallel over the model's layers, as accelerate sets it up; weights are made unit by unit."""

    def __init__(self, plan: dict[str, Any], device: str, notes: list[str]) -> None:
        super().__init__(plan, device, notes)
        self.build_device = "meta"

    def wrap(self, model: Any) -> Any:
        """One unit a layer, and one for each adapter layer, whose weights train where the layer's own do not."""
        from torch.distributed.fsdp import CPUOffload, FullyShardedDataParallel, MixedPrecision, ShardingStrategy

        if (self.plan.get("quant") or {}).get("bits"):
            raise CannotBuildError("packed weights under FSDP cannot be probed; without FSDP they can")
        precision = self.plan.get("autocast")
        kind = dtype_of(precision) if precision else None
        mixed = MixedPrecision(param_dtype=kind, reduce_dtype=kind, buffer_dtype=kind) if kind else None
        sharding = str(self.ranks.get("sharding") or "full_shard").upper()
        strategy = getattr(ShardingStrategy, sharding.replace("HYBRID_SHARD", "FULL_SHARD"), None)
        if "ZERO2" in sharding:
            strategy = ShardingStrategy.SHARD_GRAD_OP
        if strategy is None:
            raise CannotBuildError(f"FSDP has no sharding strategy {sharding}")
        self.model = FullyShardedDataParallel(
            model, sharding_strategy=strategy, auto_wrap_policy=self._policy(model), mixed_precision=mixed,
            cpu_offload=CPUOffload(offload_params=True) if self.ranks.get("offload") == "all" else None,
            device_id=torch.device(self.device), param_init_fn=Filler(self.device), use_orig_params=True,
        )  # fmt: skip
        self.trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return self.model

    def _policy(self, model: Any) -> Any:
        wanted = str(self.ranks.get("wrap") or "").upper()
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        if wanted == "NO_WRAP":
            return None
        names = set(getattr(inner, "_no_split_modules", None) or ())
        classes = tuple({type(module) for module in inner.modules() if type(module).__name__ in names})
        if not classes or wanted.startswith("SIZE"):
            from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy

            return functools.partial(size_based_auto_wrap_policy, min_num_params=100_000_000)

        def chosen(module: Any, recurse: bool, nonwrapped_numel: int) -> bool:
            del nonwrapped_numel
            if recurse or isinstance(module, classes):
                return True
            weight: Any = getattr(module, "weight", None)
            leaf = weight is not None and not list(module.children())
            return bool(leaf and inner is not model and weight.requires_grad)

        return chosen

    def _clip(self, limit: float) -> None:
        self.model.clip_grad_norm_(limit)

    def whole(self) -> Any:
        """generate() is called on the module inside, for which all weights are gathered (Seq2SeqTrainer)."""
        from torch.distributed.fsdp import FullyShardedDataParallel

        return FullyShardedDataParallel.summon_full_params(self.model, writeback=False)


class DeepSpeed(Alone):
    """deepspeed.initialize with the run's own configuration, or one made of its facts."""

    def __init__(self, plan: dict[str, Any], device: str, notes: list[str]) -> None:
        super().__init__(plan, device, notes)
        try:
            import deepspeed
        except ImportError:
            raise MissingError("deepspeed", f"ZeRO-{self.ranks.get('stage')}") from None
        del deepspeed
        self.config = deepspeed_config(plan)
        self.stage = int(self.config["zero_optimization"].get("stage") or 0)
        self.offloads = bool(self.config["zero_optimization"].get("offload_optimizer"))

    def building(self) -> Any:
        """At stage 3 weights are divided as they are made, as from_pretrained does it."""
        if self.stage < 3:
            return contextlib.nullcontext()
        import deepspeed

        build(self.plan, "meta")  # within Init torch.tensor is another function, which no module may be imported under
        return deepspeed.zero.Init(config_dict_or_path=self.config)

    def prepare(self, make: Any) -> None:
        """The configuration's own optimizer, else the run's."""
        import deepspeed

        optimizer = None
        if not self.config.get("optimizer"):
            optimizer = self._on_host() if self.offloads else make(self.trainable)
        self.model, self.optimizer, _, _ = deepspeed.initialize(
            model=self.model, optimizer=optimizer, model_parameters=self.trainable, config=self.config,
            dist_init_required=False,
        )  # fmt: skip

    def _on_host(self) -> Any:
        """DeepSpeed's Adam for offloaded states, or torch's where it cannot be compiled: the card sees the same."""
        try:
            from deepspeed.ops.adam import DeepSpeedCPUAdam

            return DeepSpeedCPUAdam(self.trainable, lr=1e-5)
        except Exception:  # its compiler's errors are of many kinds
            self.notes.append("DeepSpeed's CPU Adam could not be compiled: torch's AdamW was run in its place")
            self.config["zero_force_ds_cpu_optimizer"] = False
            return torch.optim.AdamW(self.trainable, lr=1e-5)

    def accumulating(self, is_last: bool) -> Any:
        """The engine counts batches itself."""
        del is_last
        return contextlib.nullcontext()

    def backward(self, loss: Any, batches: int) -> None:
        """Through the engine, which scales by the number of batches and exchanges as its configuration says."""
        del batches
        self.model.backward(loss)

    def between(self) -> None:
        """The engine counts batches by its steps."""
        self.model.step()

    def step(self, limit: float) -> None:
        """The engine clips by its own configuration."""
        del limit
        self.model.step()
        if getattr(self.optimizer, "overflow", False):
            self.notes.append("DeepSpeed skipped a step whose gradients overflowed: optimizer states may be missing")

    def generation(self) -> dict[str, Any]:
        """At stage 3 every rank generates as long as the longest, since all gather together."""
        return {"synced_gpus": True} if self.stage >= 3 else {}


def spread(plan: dict[str, Any], device: str, notes: list[str]) -> Alone:
    """The way that the plan names."""
    kinds = {"ddp": Ddp, "fsdp": Fsdp, "zero": DeepSpeed}
    kind = str((plan.get("ranks") or {}).get("kind") or "")
    if kind and kind not in kinds:
        raise CannotBuildError(f"{kind} is not a way of spreading that a probe can run")
    return kinds.get(kind, Alone)(plan, device, notes)
