"""The memory model as a witness in a case: the predicted profile, and what the figures say about the settings."""

from collections.abc import Iterable, Iterator, Mapping

from oomdoc.engine.findings import values_of
from oomdoc.facts.case import Case
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
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
_SEEN = 2.0  # weight from which a tensor was recognised at the place where it was asked for
_SURE = 1.0  # weight from which what the witness solved for is taken


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
        read = list(witness(case, architecture, settings))
        if told := solved(read, values_of(case)):  # what the failed allocation tells counts from here on
            source = Source(how=How.DERIVED, derived_from=("oom.tried_to_allocate_bytes",))
            case = case.with_facts(Fact(name=name, value=value, source=source) for name, value in told.items())
            settings = from_case(case, architecture)
        profile = estimate(architecture, settings)
        found = [*read, *_counterfactuals(profile, architecture, settings)]
        return Testified(profile, tuple(sorted(found, key=lambda one: -one.weight)))
    except (ArchitectureError, SettingsError):
        return Testified()


def solved(testimonies: Iterable[Testimony], facts: Mapping[str, Value]) -> dict[str, Value]:
    """What the failed allocation tells about the run beyond `facts`: the tokens of the sample that failed, and that
    attention scores were made."""
    found: dict[str, Value] = {}
    for one in testimonies:
        tower = one.term.startswith(("scores", "mask")) and facts.get("model.is_vision_language") is True
        if one.term.startswith("scores") and one.weight >= _SEEN and not tower and "model.attention" not in facts:
            found["model.attention"] = "eager"  # a tensor of scores was asked for, so no fused kernel ran
        if one.weight >= _SURE and not tower:  # where images are seen, a quadratic tensor may be the tower's
            for name, value in one.facts.items():
                if name not in facts:
                    found.setdefault(name, value)
    return found


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
