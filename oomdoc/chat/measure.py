"""Weighs changes of a failed run as the solver does, so that a what-if and a plan never contradict each other."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.facts.model import Value
from oomdoc.memory.profile import Component, MemoryProfile
from oomdoc.remedies.advise import capacity_of, model_of
from oomdoc.remedies.remedy import remedies
from oomdoc.remedies.solver import HEADROOM
from oomdoc.remedies.weigh import Weight, scale_for

Measure: TypeAlias = Callable[[Mapping[str, Value]], Weight | None]

# Another model, or another card: what the failure proved says nothing of it.
_ANOTHER_RUN: Final = frozenset({"model.name", "model.parameters"})
_NO_SETTING: Final = ("hardware.gpu_name", "hardware.gpu_total_bytes")
_TREATS: Final = 0.5  # of the leading cause's probability, as the solver has it


def nothing(values: Mapping[str, Value]) -> Weight | None:
    """The measure of a run that has not failed: the closed form stands alone."""
    del values
    return None


def measure_of(diagnosis: Diagnosis, run: Mapping[str, Value]) -> Measure:
    """The measure of a case, by the values of a changed run: what the failure proves raises every prediction that
    its cause is part of."""
    if diagnosis.verdict.outcome != "oom" or diagnosis.verdict.memory != "gpu":
        return nothing
    facts = dict(run)
    model, capacity = model_of(diagnosis, facts), capacity_of(facts)
    if model is None or not capacity:
        return nothing
    scale = scale_for(model, facts, capacity, capacity - int(HEADROOM * capacity), _treating(diagnosis))

    def measure(values: Mapping[str, Value]) -> Weight | None:
        changes = {
            name: values.get(name)
            for name in dict.fromkeys((*facts, *values))
            if values.get(name) != facts.get(name) and name not in _NO_SETTING
        }
        return None if _ANOTHER_RUN & changes.keys() else scale.weigh(changes)

    return measure


def _treating(diagnosis: Diagnosis) -> frozenset[str]:
    """The facts that remedies of the leading causes change."""
    known = remedies()
    least = _TREATS * max((finding.probability for finding in diagnosis.findings), default=0.0)
    return frozenset(
        fact
        for finding in diagnosis.findings
        if finding.probability >= least
        for name in finding.rule.remedies
        if name in known
        for fact in known[name].sets
    )


def raised(profile: MemoryProfile, weight: Weight | None) -> MemoryProfile:
    """A profile brought to a weight: what lies between goes to, or comes from, slack and activations."""
    if weight is None or weight.device == profile.device_bytes:
        return profile
    more = weight.device - profile.device_bytes
    parts: dict[Component, int] = dict(profile.components)
    if more < 0:
        for name in ("allocator_slack", "activations", "logits", "workspace", "weights"):
            taken = min(parts.get(name, 0), -more)
            parts[name] = parts.get(name, 0) - taken
            more += taken
    else:
        parts["activations"] = parts.get("activations", 0) + more
    figures = {"device_bytes": weight.device, "low_bytes": weight.low, "high_bytes": max(weight.high, weight.device)}
    return profile.model_copy(update={**figures, "components": parts})
