"""What a model is made of, as far as memory is concerned: frozen values, no reading, no arithmetic of bytes."""

from dataclasses import field
from typing import Final, Literal, TypeAlias

from oomdoc.facts.lazy import dataclass
from oomdoc.messages import Sentence

Kind: TypeAlias = Literal["decoder", "encoder", "encoder_decoder", "vision", "diffusion"]

GROUPS: Final = (
    "embedding",
    "attention",
    "mlp",
    "experts",
    "norms",
    "lm_head",
    "vision",
    "projector",
    "other",
)


class ArchitectureError(ValueError):
    """A configuration that cannot be a model; the message is one line and names the key."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How the layers of one `model_type` are built; declared in `knowledge/memory/shapes.yaml`.

    `names` maps the canonical matrices q k v o gate up down to the module names of that family (several may share
    one fused module). `exact` says that the counting rule reproduces transformers' own parameter count.
    """

    mlp: Literal["gated", "plain"] = "gated"
    activation: Literal["fused", "composed"] = "fused"  # composed: tanh-GELU written in Python keeps extra copies
    norm: Literal["rms", "layer", "layer_weight", "none"] = "rms"
    norms: int = 2
    qk_norm: Literal["none", "head", "full"] = "none"
    bias: tuple[str, ...] = ()
    positions: int = -1  # learned positions: rows beyond the limit (0: none beyond); -1: no table
    embedding_norm: bool = False
    parallel_block: bool = False
    softcap: bool = False
    dropout: bool = False
    fused_value_view: bool = False  # v is a view of the fused qkv output, which therefore stays alive whole
    names: dict[str, str] = field(default_factory=dict)
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture-of-experts MLP: `count` experts of width `intermediate`, `active` per token."""

    count: int
    active: int
    intermediate: int
    shared: int = 0
    shared_intermediate: int = 0
    dense_layers: int = 0
    every: int = 1  # an expert layer every so many layers


@dataclass(frozen=True, slots=True)
class Latent:
    """Multi-head latent attention (DeepSeek): ranks and per-head widths."""

    q_rank: int
    kv_rank: int
    nope: int
    rope: int
    value: int


@dataclass(frozen=True, slots=True)
class Vision:
    """A vision tower. `patch` and `merge` in pixels and patches; `image` is the fixed side, 0 for native resolution."""

    kind: str
    hidden: int
    layers: int
    intermediate: int
    heads: int
    patch: int
    image: int = 0
    merge: int = 1
    window: int = 0
    full_blocks: tuple[int, ...] = ()
    min_pixels: int = 0
    max_pixels: int = 0
    max_tiles: int = 0
    gated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Parameters by group; `total` counts a tied matrix once. `active` is what one token of an MoE passes through."""

    total: int
    active: int
    groups: dict[str, int]
    exact: bool = True

    def group(self, name: str) -> int:
        """Parameters of a group, 0 where the model has none."""
        return self.groups.get(name, 0)

    @property
    def language(self) -> int:
        """Everything outside the vision tower and the projector."""
        return self.total - self.group("vision") - self.group("projector")


@dataclass(frozen=True, slots=True, eq=False)
class Architecture:
    """One model. `basis` says where it came from; `assumed` says in sentences what was not known.

    Compared and hashed by identity: the same name gives the same object, and caches stay cheap.
    """

    name: str
    model_type: str
    family: str
    kind: Kind
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    max_positions: int
    tied: bool
    shape: Shape
    counts: Counts
    basis: str
    experts: Experts | None = None
    latent: Latent | None = None
    vision: Vision | None = None
    visual_vocab: int = 0
    cross_attention_every: int = 0  # cross-attention layers take images without lengthening the sequence
    pads_to_limit: bool = False
    headless: bool = False  # embedding, reranking and reward models: no logits over the vocabulary
    dtype: str = "bfloat16"
    quant_bits: int = 0  # of the checkpoint itself, from its name or quantization_config
    quant_type: str = ""
    assumed: tuple[Sentence, ...] = ()

    @property
    def query_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Width of all key (or value) heads together."""
        return self.kv_heads * self.head_dim
