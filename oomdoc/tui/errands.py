"""What the dialogue asks to have done outside itself: write, take back, prove, export. Values in, an Outcome out."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from oomdoc.facts.fact import TRUST, How
from oomdoc.facts.model import Value
from oomdoc.messages import Language, say

if TYPE_CHECKING:
    from oomdoc.chat.reply import Effect, Outcome
    from oomdoc.facts.case import Case

Stage = Callable[[str, float], None]


def run(effect: "Effect", case: "Case", language: Language, stage: Stage) -> "Outcome":
    """Do one errand in this thread. What goes wrong is an outcome with one sentence; only a stop is raised."""
    errands = {"apply": _apply, "undo": _undo, "dry_run": _dry_run, "probe": _probe}
    return errands[effect.kind](effect, case, language, stage)


def settings_of(case: "Case", changes: Mapping[str, Value]) -> dict[str, Value]:
    """The facts a proof runs with: those in force, the changes over them, the message's figures left out."""
    kept = {
        name: fact.value
        for name in case.names()
        if not name.startswith(("oom.", "run.", "report."))
        and (fact := case.fact(name)) is not None
        and TRUST[fact.source.how] != TRUST[How.DERIVED]
        and fact.value is not None
    }
    return {**kept, **{name: value for name, value in changes.items() if value is not None}}


def _apply(effect: "Effect", case: "Case", language: Language, _: Stage) -> "Outcome":
    from oomdoc.chat.reply import Outcome
    from oomdoc.patch.apply import apply
    from oomdoc.patch.document import load
    from oomdoc.patch.errors import PatchError
    from oomdoc.patch.plan import plan_edits

    try:
        documents = [load(read.name) for read in case.inputs if read.kind == "config"]
        edits = plan_edits(effect.facts, documents, known=case.facts)
        written = apply(edits, note=f"plan {effect.plan}" if effect.plan else "")
    except PatchError as error:
        return Outcome(False, error.told(language))
    told = say(language, "tui.written", files=", ".join(written.files), id=written.id)
    by_hand = [f"{made.fact}: {made.why(language)}" for made in edits.by_hand]
    return Outcome(True, "\n".join([told, *by_hand]))


def _undo(effect: "Effect", case: "Case", language: Language, _: Stage) -> "Outcome":
    del effect, case
    from oomdoc.chat.reply import Outcome
    from oomdoc.patch.apply import undo
    from oomdoc.patch.errors import PatchError

    try:
        restored = undo()
    except PatchError as error:
        return Outcome(False, error.told(language))
    return Outcome(True, say(language, "tui.restored", files=", ".join(restored.files)))


def _dry_run(effect: "Effect", case: "Case", language: Language, stage: Stage) -> "Outcome":
    from oomdoc.probe.dryrun import dry_run

    return _proof(lambda: dry_run(settings_of(case, effect.facts), progress=stage).profile, language)


def _probe(effect: "Effect", case: "Case", language: Language, stage: Stage) -> "Outcome":
    from oomdoc.probe.gpu_probe import probe

    return _proof(lambda: probe(settings_of(case, effect.facts), progress=stage).profile, language)


def _proof(make: Callable[[], Any], language: Language) -> "Outcome":
    from oomdoc.chat.reply import Outcome
    from oomdoc.memory.architecture import ArchitectureError
    from oomdoc.memory.settings import SettingsError
    from oomdoc.probe.gpu_probe import RefusedError
    from oomdoc.probe.host import WorkerError
    from oomdoc.probe.plan import PlanError

    try:
        profile = make()
    except RefusedError as error:
        return Outcome(None, say(language, f"tui.probe_{error.reason}"))
    except (ArchitectureError, SettingsError, WorkerError, PlanError) as error:
        return Outcome(None, str(error))
    fits = profile.capacity_bytes is None or profile.high_bytes <= profile.capacity_bytes
    return Outcome(fits, "", profile.device_bytes, profile.capacity_bytes)
