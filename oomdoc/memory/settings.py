"""What a run does, as the memory model needs it: plain frozen values, every one known or assumed in a sentence."""

from typing import Final, Literal, TypeAlias

from oomdoc.facts.lazy import dataclass
from oomdoc.memory.knowledge import Version
from oomdoc.messages import Sentence

Checkpointing: TypeAlias = Literal["off", "all", "language"]
Lengths: TypeAlias = Literal["fixed", "varying", "unknown"]

WIDTHS: Final = {
    "float32": 4.0, "fp32": 4.0, "32": 4.0, "tf32": 4.0, "float16": 2.0, "fp16": 2.0, "half": 2.0, "16": 2.0,
    "bfloat16": 2.0, "bf16": 2.0, "fp8": 1.0, "float8": 1.0, "float8_e4m3fn": 1.0, "fp8_e4m3": 1.0, "fp8_e5m2": 1.0,
    "int8": 1.0,
}  # fmt: skip


class SettingsError(ValueError):
    """A setting that cannot be meant; the message is one line and names the fact."""


@dataclass(frozen=True, slots=True)
class Images:
    """What the vision tower sees of one sample: how many images, their size or limits, tiles and video frames."""

    count: int = 0
    height: int = 0
    width: int = 0
    max_pixels: int = 0
    tiles: int = 0
    frames: int = 0
    tokens: int = 0  # stated outright


@dataclass(frozen=True, slots=True)
class Lora:
    """Adapters: rank, the modules they sit on (canonical or native names), and modules trained in full beside them."""

    rank: int = 8
    targets: tuple[str, ...] = ()
    dropout: float = 0.0
    saved_modules: tuple[str, ...] = ()
    reaches_vision: bool = False
    dora: bool = False


@dataclass(frozen=True, slots=True)
class Parallel:
    """How the work is spread. `shards` is the number of processes that share ZeRO/FSDP state."""

    kind: str = "none"
    world: int = 1
    zero_stage: int = 0
    offload: str = "none"
    tensor: int = 1
    pipeline: int = 1
    sequence: int = 1
    expert: int = 1
    bucket_elements: int = 0
    keeps_gathered: bool = False  # FSDP shard_grad_op: the weights stay whole until the backward pass is done

    @property
    def shards(self) -> int:
        """Processes that divide optimizer state (and more, by stage) among them."""
        return max(1, self.world // (self.tensor * self.pipeline * self.sequence))


@dataclass(frozen=True, slots=True)
class Serving:
    """Generation and serving: prompt and new tokens, sequences at once, and an engine's own arithmetic."""

    prompt: int = 0
    new_tokens: int = 0
    batch: int = 1
    engine: str = ""
    utilization: float = 0.0
    max_model_len: int = 0
    max_num_seqs: int = 0
    kv_bytes: float = 2.0
    graphs: bool = True
    grad: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """One run on one rank. Widths are bytes per value; tokens are those of one sample after images are expanded."""

    method: str = "full"
    stage: str = "sft"
    batch: int = 1
    tokens: int = 2048
    images: Images = Images()
    compute: float = 2.0
    weights: float = 2.0  # of the trained (full) or frozen base weights
    autocast: bool = True
    adapter: float = 4.0
    checkpointing: Checkpointing = "off"
    vision_checkpointing: bool | None = None
    checkpoint_offload: bool = False
    attention: str = "sdpa"
    accumulation: int = 1
    optimizer: str = "adamw_torch"
    lora: Lora | None = None
    quant_bits: int = 0
    quant_type: str = ""
    quant_double: bool = True
    kbit_upcast: bool = False
    quantised_head: bool = False
    quantised_saves_input: bool = False
    freeze_vision: bool = True
    freeze_projector: bool = True
    freeze_language: bool = False
    trainable: int = 0  # printed by the run
    parallel: Parallel = Parallel()
    loss: str = "float"
    logits_doubt: float = 0.12  # share of the logits that a fused loss unknown to us may take away
    liger: bool = False
    lengths: Lengths = "unknown"
    expandable: bool = False
    reference_model: bool = False
    generations: int = 1
    ema: bool = False
    compiled: bool = False
    fused_layers: bool = False  # the framework patches norms and MLPs with fused kernels (as Liger does)
    own_kernels: bool = False  # the framework has its own model code with fused activations
    eval_batch: int = 0
    eval_alone: bool = False  # the run evaluates and does not train
    eval_kept: int = 0  # batches whose logits lie on the card together; 0: only the loss leaves the step
    eval_cache: str = "<0"  # versions of transformers whose evaluation builds a key-value cache
    eval_generates: bool = False
    serving: Serving = Serving()
    capacity: int = 0
    other_processes: int = 0
    torch: Version | None = None
    transformers: Version | None = None
    hopper: bool = False
    assumed: tuple[Sentence, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether there is a backward pass at all."""
        return self.method not in ("inference", "load")

    @property
    def samples(self) -> int:
        """Sequences in one forward pass: preference methods feed chosen and rejected together."""
        return self.batch * (2 if self.stage in ("dpo", "rm", "reward", "kto", "orpo", "simpo", "cpo") else 1)
