"""Whether a failed allocation still has the size from before a change: it never arrived then."""

from collections.abc import Mapping

from oomdoc.engine.attempt import Attempt
from oomdoc.engine.findings import values_of
from oomdoc.facts.case import Case
from oomdoc.facts.model import Value
from oomdoc.memory.architecture import Architecture, ArchitectureError
from oomdoc.memory.model_facts import exact_architecture
from oomdoc.memory.settings import SettingsError
from oomdoc.memory.witness import Testimony, witness

_EXACT = 2.0  # log-odds from which a tensor of exactly this size and place was recognised


def residue(attempt: Attempt, case: Case) -> Testimony | None:
    """The tensor that the settings before an attempt explain to the byte, and those after it do not."""
    if not attempt.before or case.value("oom.memory") != "gpu":
        return None
    model = exact_architecture(case)
    if model is None:
        return None
    now = values_of(case)
    if _recognised(case, model, {**now, **attempt.sets}):
        return None
    return _recognised(case, model, {**now, **attempt.before})


def _recognised(case: Case, model: Architecture, facts: Mapping[str, Value]) -> Testimony | None:
    from oomdoc.memory.reading import from_facts

    try:
        found = witness(case, model, from_facts(facts, model))
    except (ArchitectureError, SettingsError):
        return None
    return next((one for one in found if one.weight >= _EXACT), None)
