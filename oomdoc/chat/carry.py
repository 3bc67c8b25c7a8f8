"""Carries out what the dialogue asks for, in the caller's thread: the only place of the chat that writes or runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from oomdoc.chat.reply import Effect, Outcome

if TYPE_CHECKING:
    from oomdoc.chat.session import Dialogue


def carry_out(dialogue: "Dialogue", effect: Effect) -> Outcome:
    """Do an effect that writes or runs, and say how it ended; `read`, `watch` and `quit` are the caller's own."""
    if effect.kind == "apply":
        return _apply(dialogue, effect)
    if effect.kind == "undo":
        return _undo(dialogue)
    if effect.kind == "export":
        return _export(dialogue, effect)
    if effect.kind in ("dry_run", "probe"):
        return _prove(dialogue, effect)
    return Outcome(None)


def _apply(dialogue: "Dialogue", effect: Effect) -> Outcome:
    from oomdoc.patch.apply import apply
    from oomdoc.patch.document import load
    from oomdoc.patch.errors import PatchError
    from oomdoc.patch.plan import plan_edits

    try:
        documents = [load(str(path)) for path in dialogue.files]
        written = apply(plan_edits(dict(effect.facts), documents, known=dialogue.case.facts))
    except PatchError as error:
        return Outcome(False, error.told(dialogue.language))
    return Outcome(True, ", ".join(written.files))


def _undo(dialogue: "Dialogue") -> Outcome:
    from oomdoc.patch.apply import undo
    from oomdoc.patch.errors import PatchError

    try:
        restored = undo()
    except PatchError as error:
        return Outcome(False, error.told(dialogue.language))
    return Outcome(True, ", ".join(restored.files))


def _export(dialogue: "Dialogue", effect: Effect) -> Outcome:
    from oomdoc.chat.export import export

    path = Path(effect.paths[0]).expanduser()
    try:
        text = export(dialogue, path.suffix.lower())
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Outcome(False, f"{path.name}: {reason.lower()}")
    return Outcome(True, str(path.name))


def _prove(dialogue: "Dialogue", effect: Effect) -> Outcome:
    from oomdoc.chat.proof import prove

    return prove(dialogue, effect)
