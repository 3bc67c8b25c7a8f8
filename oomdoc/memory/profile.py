"""One MemoryProfile for all fidelities: closed form, dry run and probe return the same shape."""

from typing import Literal, TypeAlias

from oomdoc.facts.model import Model
from oomdoc.messages import Sentence, told

Component: TypeAlias = Literal[
    "weights",
    "gradients",
    "optimizer",
    "master_weights",
    "activations",
    "logits",
    "kv_cache",
    "workspace",
    "gathered",
    "buckets",
    "extra_models",
    "context",
    "allocator_slack",
    "other_processes",
]
Phase: TypeAlias = Literal["load", "forward", "backward", "step", "eval", "generate", "save"]


class Term(Model):
    """One addend: its bytes, the half-width of its error bar in bytes, and the sentence of how it came about."""

    component: Component
    name: str
    bytes: int
    error_bytes: int = 0
    formula: str = ""


class PhaseProfile(Model):
    """What is held at the worst moment of one phase on one rank; `terms` add up to `allocated_bytes`."""

    phase: Phase
    rank: int = 0
    terms: tuple[Term, ...]
    allocated_bytes: int
    moment: str = ""


class MemoryProfile(Model):
    """Bytes per component and phase, the peak, its error bar; low and high bound the device figure."""

    method: Literal["closed_form", "dry_run", "probe"]
    phases: tuple[PhaseProfile, ...]
    peak_phase: Phase
    allocated_bytes: int  # as torch.cuda.max_memory_allocated
    reserved_bytes: int  # as torch.cuda.max_memory_reserved
    device_bytes: int  # as NVML: reserved + context + libraries
    low_bytes: int
    high_bytes: int
    capacity_bytes: int | None = None
    components: dict[Component, int]  # at the peak
    assumptions: tuple[Sentence | str, ...] = ()  # what was not known and taken for granted; a text is a worker's own
    basis: str = ""  # where the architecture came from

    @property
    def assumed(self) -> tuple[str, ...]:
        """The assumptions in English."""
        return tuple(told(each, "en") for each in self.assumptions)

    @property
    def assumed_zh(self) -> tuple[str, ...]:
        """The assumptions in Chinese."""
        return tuple(told(each, "zh") for each in self.assumptions)
