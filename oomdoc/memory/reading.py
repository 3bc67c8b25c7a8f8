"""Canonical facts into Settings: what is known is taken, what is not is assumed and said so."""

from collections.abc import Mapping
from typing import Any

from oomdoc.facts.case import Case
from oomdoc.memory.architecture import Architecture
from oomdoc.memory.facts_view import names
from oomdoc.memory.knowledge import constants as platform
from oomdoc.memory.knowledge import holds, version
from oomdoc.memory.machine_view import MachineView
from oomdoc.memory.platform import capacity
from oomdoc.memory.settings import WIDTHS, Lengths, Lora, Serving, Settings
from oomdoc.memory.vision import visual

_FIRST_KEPT = 2  # batches taken where nothing says how far an evaluation came: one kept beside the next
_ADAPTERS = {
    "lora",
    "qlora",
    "dora",
    "prefix",
    "adalora",
    "longlora",
    "rslora",
    "vera",
    "adapter",
    "oft",
    "boft",
    "ia3",
}


def from_case(case: Case, architecture: Architecture) -> Settings:
    """The settings of a case: the most trusted value of every fact."""
    return from_facts({name: case.value(name) for name in case.names()}, architecture)


def from_facts(facts: Mapping[str, Any], architecture: Architecture) -> Settings:
    """Settings from canonical facts (None: known to be unset). Raises SettingsError for a value nobody can mean."""
    return _Reader(facts, architecture).settings()


class _Reader(MachineView):
    def settings(self) -> Settings:
        method = self.method()
        precision = self.precision()
        full = method not in _ADAPTERS
        parallel = self.parallel()
        deepspeed = parallel.zero_stage > 0
        bits, kind = self.quantised(method)
        autocast = bool(self.habits["autocast"]) and precision < 4 and not deepspeed and method != "inference"
        weights = self.weights(full and method not in ("inference", "load"), precision, deepspeed)
        serving = self.serving()
        tokens = self.tokens(serving)
        images = self.images(tokens)
        tokens = self.with_images(tokens, visual(self.model, images).tokens)
        if self.model.kind == "diffusion":
            self.assume("assumed.diffusion")
        framework_loss = str(self.habits["fused_loss" if self.flag("train.chunked_loss") else "loss"])
        return Settings(
            method=method,
            stage=self.text("train.stage") or "sft",
            batch=self.batch(serving, method),
            tokens=tokens,
            images=images,
            compute=precision,
            weights=weights,
            autocast=autocast,
            adapter=precision if deepspeed or not self.habits["autocast"] else WIDTHS[self.habits["adapter"]],
            checkpointing=self.checkpointing(method),
            vision_checkpointing=self.flag("train.vision_gradient_checkpointing"),
            checkpoint_offload=self.facts.get("train.gradient_checkpointing") in ("unsloth", "offload"),
            attention=self.attention(),
            accumulation=self.number("train.gradient_accumulation_steps") or 1,
            optimizer=self.optimizer(method, deepspeed),
            lora=self.lora(method),
            quant_bits=bits,
            quant_type=kind,
            quant_double=self.habits["double"]
            if self.flag("quant.double") is None
            else bool(self.flag("quant.double")),
            kbit_upcast=bool(self.habits["kbit_upcast"]) and self.model.quant_bits == 0 and method != "inference",
            quantised_head=bool(self.habits.get("quantised_head")),
            quantised_saves_input=self.saves_input(),
            freeze_vision=self.frozen("train.freeze_vision_tower", method),
            freeze_projector=self.frozen("train.freeze_projector", method),
            freeze_language=self.flag("train.freeze_language_model") or False,
            trainable=self.number("model.trainable_parameters") or 0,
            parallel=parallel,
            loss=framework_loss,
            logits_doubt=float(self.habits["logits_doubt"]),
            own_kernels=bool(self.habits.get("own_kernels")),
            fused_layers=bool(self.habits.get("fused_layers")),
            liger=bool(self.flag("train.liger_kernel")),
            lengths=self.lengths(),
            expandable=bool(self.flag("env.expandable_segments"))
            or "expandable_segments:true" in (self.text("env.alloc_conf") or "").lower(),
            reference_model=self.reference(method),
            generations=self.number("train.num_generations") or 1,
            ema=bool(self.flag("train.ema")),
            compiled=bool(self.flag("train.compile")),
            eval_batch=(self.number("eval.per_device_batch_size") or 0) if self.evaluates() else 0,
            eval_alone=self.flag("run.trains") is False,
            eval_kept=self.eval_kept(),
            eval_cache=str(self.habits["eval_cache"]),
            eval_generates=bool(self.flag("eval.predict_with_generate")),
            serving=serving,
            capacity=self.number("hardware.gpu_total_bytes") or capacity(self.text("hardware.gpu_name") or "") or 0,
            other_processes=self.number("hardware.other_process_bytes") or 0,
            torch=version(self.text("env.torch")),
            transformers=version(self.text("env.transformers")),
            hopper=any(
                name in (self.text("hardware.gpu_name") or "").upper() for name in ("H100", "H200", "H800", "H20")
            ),
            assumed=tuple(self.said),
        )

    def batch(self, serving: Serving, method: str) -> int:
        """Samples of a step on one card; those of evaluation where nothing trains."""
        if self.flag("run.trains") is False and (alone := self.number("eval.per_device_batch_size")):
            return alone
        return self.number("train.per_device_batch_size") or serving.batch or self.assume_batch(method)

    def evaluates(self) -> bool:
        """Whether evaluation belongs to the run: not where its strategy is "no" and it did not fail in it."""
        if self.flag("run.trains") is False:
            return True
        return self.text("eval.strategy") != "no" or self.text("run.phase") == "eval"

    def eval_kept(self) -> int:
        """Batches whose logits evaluation holds at once: up to the one that failed, or the limit that is set.

        Trainer.evaluate keeps only the loss where there is no compute_metrics, so they count where metrics are known
        to be computed, or where it is evaluation that failed.
        """
        wanted = self.flag("eval.compute_metrics") or self.text("run.phase") == "eval"
        if not wanted or "eval.accumulation_steps" not in self.facts or self.flag("eval.prediction_loss_only") is True:
            return 0
        done = self.number("run.eval_step")
        return self.number("eval.accumulation_steps") or (_FIRST_KEPT if done is None else done + 1)

    def method(self) -> str:
        method = (self.text("train.method") or "").lower()
        if method in ("inference", "load", "eval", "generate"):
            return "inference" if method in ("eval", "generate") else method
        if not method:
            if self.facts.get("run.phase") == "inference" or any(key.startswith("inference.") for key in self.facts):
                return "inference"
            if any(self.facts.get(key) for key in ("lora.rank", "lora.target_modules")):
                return "qlora" if self.facts.get("quant.bits") else "lora"
            self.assume("assumed.method")
            return "full"
        return "full" if method in ("pretrain", "pt", "sft") else method

    def precision(self) -> float:
        stated = (self.text("train.precision") or "").lower()
        if stated in WIDTHS:
            return 2.0 if WIDTHS[stated] == 1.0 else WIDTHS[stated]
        if self.model.kind in ("encoder", "vision", "encoder_decoder") and self.model.dtype == "float32":
            self.assume("assumed.precision", precision="float32")
            return 4.0
        self.assume("assumed.precision", precision="bfloat16")
        return 2.0

    def weights(self, full: bool, precision: float, deepspeed: bool) -> float:
        stated = (self.text("model.load_dtype") or "").lower().removeprefix("torch.")
        if deepspeed and precision < 4:  # its engine casts the whole module before it reaches the card
            return precision
        if stated in WIDTHS:
            return WIDTHS[stated]
        if not full or precision == 4:
            return precision
        if self.flag("train.mixed_precision") or self.flag("train.pure_precision") is False:
            return 4.0
        if self.flag("train.pure_precision"):
            return precision
        kept = WIDTHS[self.habits["full"]]
        if kept == 4.0:
            self.assume("assumed.autocast")
        return kept

    def assume_batch(self, method: str) -> int:
        if method != "load":
            self.assume("assumed.batch")
        return 1

    def optimizer(self, method: str, deepspeed: bool) -> str:
        stated = self.text("train.optimizer")
        if stated:
            return f"{stated}_fused" if self.habits.get("fused") and stated.lower() in ("adamw", "adam") else stated
        if method in ("inference", "load"):
            return "none"
        return "deepspeed_fused_adamw" if deepspeed else str(self.habits["optimizer"])

    def tokens(self, serving: Serving) -> int:
        known = self.number("train.sequence_tokens")
        if known:
            return known
        limit = self.number("train.max_length")
        completion, prompt = self.number("train.max_completion_length"), self.number("train.max_prompt_length")
        if completion:
            return completion + (prompt or 512)
        if limit:
            self.assume("assumed.reaches_limit", limit=limit)
            return limit
        if serving.prompt or serving.new_tokens:
            return max(1, serving.prompt + serving.new_tokens)
        if self.model.pads_to_limit and self.model.max_positions:
            self.assume("assumed.pads_to_limit", limit=self.model.max_positions)
            return self.model.max_positions
        guess = min(2048, self.model.max_positions or 2048)
        self.assume("assumed.length", tokens=guess)
        return guess

    def checkpointing(self, method: str) -> Any:
        value = self.facts.get("train.gradient_checkpointing")
        if method in ("inference", "load"):
            return "off"
        if value is None:
            on = bool(self.habits["checkpointing"])
            label = self.framework or "transformers.Trainer"
            self.assume("assumed.checkpointing_on" if on else "assumed.checkpointing_off", framework=label)
            return "all" if on else "off"
        if value == "language":
            return "language"
        return "off" if value is False or str(value).lower() in ("false", "no", "none", "off") else "all"

    def attention(self) -> str:
        stated = (self.text("model.attention") or "").lower()
        if stated:
            return "flash" if "flash" in stated or stated in ("fa2", "fa3", "xformers") else stated
        return str(self.habits["attention"])

    def lora(self, method: str) -> Lora | None:
        if method not in _ADAPTERS:
            return None
        rank = self.number("lora.rank")
        if rank is None:
            rank = int(self.habits["rank"])
            self.assume("assumed.rank", rank=rank)
        targets = names(self.facts.get("lora.target_modules"))
        dropout = self.facts.get("lora.dropout")
        return Lora(
            rank=rank,
            targets=targets or (str(self.habits["targets"]),),
            dropout=float(dropout)
            if isinstance(dropout, int | float) and 0 <= dropout < 1
            else float(self.habits["dropout"]),
            saved_modules=names(self.facts.get("lora.modules_to_save")),
            reaches_vision=self.reaches_vision(targets),
            dora=method == "dora",
        )

    def reaches_vision(self, targets: tuple[str, ...]) -> bool:
        """Whether adapters land in the vision tower: peft matches names anywhere in the model unless told otherwise."""
        stated = self.flag("lora.reaches_vision_tower")
        if stated is not None or self.model.vision is None:
            return bool(stated)
        if self.flag("train.freeze_vision_tower") or self.habits["tower"] == "frozen":
            return False
        text = ",".join(targets).lower()
        return "all-linear" in text or (self.model.vision.gated and any(n in text for n in ("gate_proj", "up_proj")))

    def quantised(self, method: str) -> tuple[int, str]:
        bits, kind = self.number("quant.bits") or 0, (self.text("quant.type") or "").lower()
        if not bits and self.model.quant_bits:
            bits = self.model.quant_bits
        if not bits and method == "qlora":
            bits = 4
            self.assume("assumed.qlora")
        if bits and not kind:
            kind = self.model.quant_type or ("int8" if bits == 8 else "nf4")
        return bits, kind

    def saves_input(self) -> bool:
        rule = platform()["bitsandbytes_saves_input"]
        stated = version(self.text("env.bitsandbytes"))
        if stated:
            return holds(rule["versions"], stated)
        return self.framework in rule["frameworks"]

    def frozen(self, name: str, method: str) -> bool:
        value = self.flag(name)
        return value if value is not None else method != "full" or self.framework is not None

    def lengths(self) -> Lengths:
        if self.flag("train.packing"):
            return "fixed"
        return self.habits["lengths"]  # type: ignore[no-any-return]

    def reference(self, method: str) -> bool:
        stated = self.flag("train.reference_model")
        stage = self.text("train.stage")
        return stated if stated is not None else stage in ("dpo", "kto", "ppo", "grpo") and method == "full"
