"""A dry run or a probe for the dialogue, through the same doors as the commands."""

from typing import TYPE_CHECKING, Any

from oomdoc.chat.reply import Effect, Outcome

if TYPE_CHECKING:
    from oomdoc.chat.session import Dialogue


def prove(dialogue: "Dialogue", effect: Effect, progress: Any = None) -> Outcome:
    """One step of the run as it would be; an environment without torch or a model that does not build is one line."""
    from oomdoc.memory.architecture import ArchitectureError
    from oomdoc.memory.settings import SettingsError
    from oomdoc.probe.dryrun import dry_run
    from oomdoc.probe.host import WorkerError
    from oomdoc.probe.plan import PlanError

    del dialogue
    try:
        facts = dict(effect.facts)
        profile = _probe(facts) if effect.kind == "probe" else dry_run(facts, progress=progress).profile
    except (ArchitectureError, SettingsError, WorkerError, PlanError) as error:
        return Outcome(False, str(error))
    return Outcome(True, "", profile.device_bytes, profile.capacity_bytes)


def _probe(facts: dict[str, Any]) -> Any:
    from oomdoc.probe.gpu_probe import RefusedError, probe
    from oomdoc.probe.host import WorkerError

    try:
        return probe(facts).profile
    except RefusedError as error:
        raise WorkerError("run", str(error)) from None
