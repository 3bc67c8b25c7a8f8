"""The memory model as a witness in a case: the predicted profile, and what the figures say about the settings."""

from collections.abc import Iterator

from oomdoc.facts.case import Case
from oomdoc.facts.fact import How
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.units import size
from oomdoc.memory.architecture import Architecture, ArchitectureError
from oomdoc.memory.model_facts import exact_architecture
from oomdoc.memory.profile import MemoryProfile
from oomdoc.memory.settings import Settings, SettingsError
from oomdoc.memory.witness import Testimony

# What must be stated before the model may say how much this run needs; a default with its version counts.
_TRAINING = ("train.method", "train.per_device_batch_size")
_CURES = 1.0  # log-odds for a cause without which the run would fit
_LENGTH = ("train.sequence_tokens", "train.max_length")


@dataclass(frozen=True, slots=True)
class Testified:
    """What the memory model could say; `profile` is None where too little is known to predict anything."""

    profile: MemoryProfile | None = None
    testimonies: tuple[Testimony, ...] = ()

    def of(self, cause: str) -> Testimony | None:
        """The weightiest testimony for a cause: several readings of one figure are one piece of evidence."""
        return next((one for one in self.testimonies if one.cause == cause), None)


def testify(case: Case) -> Testified:
    """Ask the memory model about a case of GPU memory whose model is in the catalog; never raises."""
    architecture = exact_architecture(case)
    if architecture is None or case.value("oom.memory") != "gpu" or not _is_described(case):
        return Testified()
    from oomdoc.memory.closed_form import estimate
    from oomdoc.memory.reading import from_case
    from oomdoc.memory.witness import witness

    try:
        settings = from_case(case, architecture)
        profile = estimate(architecture, settings)
        found = [*witness(case, architecture, settings), *_counterfactuals(profile, architecture, settings)]
        return Testified(profile, tuple(sorted(found, key=lambda one: -one.weight)))
    except (ArchitectureError, SettingsError):
        return Testified()


def _counterfactuals(profile: MemoryProfile, architecture: Architecture, settings: Settings) -> Iterator[Testimony]:
    """Where the prediction exceeds the card: which single cause, taken away, would let the run fit."""
    from oomdoc.memory.counterfactual import peaks
    from oomdoc.messages import say

    capacity = profile.capacity_bytes
    if not capacity or profile.low_bytes <= capacity:
        return
    for cause, without in peaks(architecture, settings).items():
        if without.device > capacity:
            continue
        shown = {"before": size(profile.device_bytes), "after": size(without.device), "capacity": size(capacity)}
        en, zh = (say(language, "memory.counterfactual", **shown) for language in ("en", "zh"))
        yield Testimony("counterfactual", en, zh, cause, _CURES, {})


def _is_described(case: Case) -> bool:
    """Whether the run is known well enough: method, batch and a length that bounds samples, none of them assumed."""
    lengths = [case.fact(name) for name in _LENGTH]
    bounded = any(fact and isinstance(fact.value, int) and fact.value > 0 for fact in lengths)
    if case.value("train.max_length") is None and case.value("model.pads_to_limit") is True:
        bounded = True
    known = [case.fact(name) for name in _TRAINING]
    return bounded and all(fact is not None and fact.source.how is not How.ASSUMED for fact in known)
