"""What the dialogue asks to have done outside itself: write, take back, prove, export. Values in, an Outcome out."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from oomdoc.messages import say

if TYPE_CHECKING:
    from oomdoc.chat.reply import Effect, Outcome
    from oomdoc.chat.session import Dialogue

Stage = Callable[[str, float], None]


def run(effect: "Effect", dialogue: "Dialogue", stage: Stage, python: str | None = None) -> "Outcome":
    """Do one errand in this thread; `python` is the training environment. Only a stop is raised."""
    if effect.kind in {"dry_run", "probe"}:
        return _proof(effect, dialogue, stage, python)
    return {"apply": _apply, "undo": _undo, "export": _export}[effect.kind](effect, dialogue)


def _apply(effect: "Effect", dialogue: "Dialogue") -> "Outcome":
    from oomdoc.chat.reply import Outcome
    from oomdoc.patch.apply import apply
    from oomdoc.patch.document import load
    from oomdoc.patch.errors import PatchError
    from oomdoc.patch.plan import plan_edits

    try:
        documents = [load(str(path)) for path in dialogue.files]
        edits = plan_edits(effect.facts, documents, known=dialogue.case.facts)
        written = apply(edits, note=f"plan {effect.plan}" if effect.plan else "")
    except PatchError as error:
        return Outcome(False, error.told(dialogue.language))
    told = say(dialogue.language, "tui.written", files=", ".join(written.files), id=written.id)
    by_hand = [f"{made.fact}: {made.why(dialogue.language)}" for made in edits.by_hand]
    return Outcome(True, "\n".join([told, *by_hand]))


def _undo(effect: "Effect", dialogue: "Dialogue") -> "Outcome":
    del effect
    from oomdoc.chat.reply import Outcome
    from oomdoc.patch.apply import undo
    from oomdoc.patch.errors import PatchError

    try:
        restored = undo()
    except PatchError as error:
        return Outcome(False, error.told(dialogue.language))
    return Outcome(True, ", ".join(restored.files))


def _proof(effect: "Effect", dialogue: "Dialogue", stage: Stage, python: str | None) -> "Outcome":
    """The step for real or on fake tensors, in the training environment's interpreter."""
    from oomdoc.chat.reply import Outcome
    from oomdoc.memory.architecture import ArchitectureError
    from oomdoc.memory.predict import UnknownModelError
    from oomdoc.memory.settings import SettingsError
    from oomdoc.probe.dryrun import dry_run
    from oomdoc.probe.gpu_probe import RefusedError, probe
    from oomdoc.probe.host import WorkerError
    from oomdoc.probe.plan import PlanError

    prove = dry_run if effect.kind == "dry_run" else probe
    try:
        profile = prove(effect.facts, python=python, progress=stage).profile
    except RefusedError as error:
        return Outcome(False, say(dialogue.language, f"tui.probe_{error.reason}"))
    except UnknownModelError as error:
        key = "estimate.unknown_model" if str(error) else "estimate.no_model"
        return Outcome(False, say(dialogue.language, key, name=error))
    except (ArchitectureError, SettingsError, WorkerError, PlanError) as error:
        return Outcome(False, str(error))
    return Outcome(True, "", profile.device_bytes, profile.capacity_bytes)


def _export(effect: "Effect", dialogue: "Dialogue") -> "Outcome":
    """A new file in the format of its ending: .md, .html or .json; an existing one is never replaced."""
    from oomdoc.chat.reply import Outcome
    from oomdoc.report.render import render

    name = effect.paths[0] if effect.paths else ""
    kind = {".md": "markdown", ".html": "html", ".json": "json"}.get(Path(name).suffix.lower())
    if kind is None:
        return Outcome(False, say(dialogue.language, "tui.export_ending"))
    try:
        with Path(name).open("x", encoding="utf-8") as out:
            out.write(render(dialogue.diagnosis, kind, dialogue.language, with_facts=True))
    except OSError as error:
        return Outcome(False, f"{name}: {(error.strerror or str(error)).lower()}")
    return Outcome(True)
