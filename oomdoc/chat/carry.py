"""Carries out what the dialogue asks for, in the caller's thread: the only place of the chat that writes or runs."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oomdoc.chat.reply import Effect, Outcome
from oomdoc.chat.voice import tell
from oomdoc.messages import say

if TYPE_CHECKING:
    from oomdoc.chat.session import Dialogue


def carry_out(dialogue: "Dialogue", effect: Effect, stage: Any = None, python: str | None = None) -> Outcome:
    """Do an effect that writes or runs, and say how it ended; `read`, `watch` and `quit` are the caller's own.

    `stage` hears what a dry run or a probe does, `python` is the environment of the training. Only what `stage`
    raises to stop the work leaves this function.
    """
    if effect.kind == "apply":
        return _apply(dialogue, effect)
    if effect.kind == "undo":
        return _undo(dialogue)
    if effect.kind == "export":
        return _export(dialogue, effect)
    if effect.kind == "record":
        return _record(dialogue, effect)
    if effect.kind in ("dry_run", "probe"):
        from oomdoc.chat.proof import prove

        return prove(dialogue, effect, stage, python)
    return Outcome(None)


def _apply(dialogue: "Dialogue", effect: Effect) -> Outcome:
    from oomdoc.patch.apply import apply
    from oomdoc.patch.document import load
    from oomdoc.patch.errors import PatchError
    from oomdoc.patch.plan import plan_edits

    try:
        documents = [load(str(path)) for path in dialogue.files]
        edits = plan_edits(dict(effect.facts), documents, known=dialogue.case.facts)
        written = apply(edits, note=dialogue.note)
    except PatchError as error:
        return Outcome(False, error.told(dialogue.language))
    except OSError as error:
        return Outcome(False, _reason(error))
    names = ", ".join(near(name) for name in written.files)
    told = [say(dialogue.language, "tui.written", files=names, id=written.id)]
    _remember(dialogue, effect, written.id, [made.native for made in edits.made])
    told += [
        tell(dialogue.language, "diff_by_hand", native=made.native or made.fact, why=made.why(dialogue.language))
        for made in edits.by_hand
    ]
    return Outcome(True, "\n".join(told), entry=written.id)


def _remember(dialogue: "Dialogue", effect: Effect, entry: str, natives: list[str]) -> None:
    """Keep in the history that a plan was written; a history that cannot be used stops nothing."""
    plan = next((plan for plan in dialogue.plans if plan.number == effect.plan), None)
    if plan is None:
        return
    with suppress(ImportError):  # a Python without SQLite
        from oomdoc.history.record import keep_plan
        from oomdoc.history.store import HistoryError

        with suppress(HistoryError):
            files = [str(path) for path in dialogue.files]
            keep_plan(dialogue.diagnosis, files, plan, journal=entry, natives=list(dict.fromkeys(natives)))


def _record(dialogue: "Dialogue", effect: Effect) -> Outcome:
    """Keep the person's word on the last written change."""
    works = effect.facts.get("run.finished") is True
    with suppress(ImportError):
        from oomdoc.history.record import keep_word
        from oomdoc.history.store import HistoryError

        with suppress(HistoryError):
            if dialogue.entry is not None and keep_word(dialogue.entry, works=works):
                return Outcome(True, say(dialogue.language, "history.kept_works" if works else "history.kept_fails"))
    return Outcome(True)


def _undo(dialogue: "Dialogue") -> Outcome:
    from oomdoc.patch.apply import undo
    from oomdoc.patch.errors import PatchError

    try:
        restored = undo(dialogue.entry)
    except PatchError as error:
        return Outcome(False, error.told(dialogue.language))
    except OSError as error:
        return Outcome(False, _reason(error))
    return Outcome(True, ", ".join(near(name) for name in restored.files))


def _export(dialogue: "Dialogue", effect: Effect) -> Outcome:
    """A new file in the format of its ending; an existing one is never replaced."""
    from oomdoc.chat.export import export

    path = Path(effect.paths[0]).expanduser()
    try:
        text = export(dialogue, path.suffix.lower())
        with path.open("x", encoding="utf-8", errors="replace") as out:
            out.write(text)
    except FileExistsError:
        return Outcome(False, say(dialogue.language, "session.exists", name=path.name))
    except (OSError, ValueError) as error:
        reason = f"{path.name}: {_reason(error)}" if isinstance(error, OSError) else str(error)
        return Outcome(False, reason)
    return Outcome(True, say(dialogue.language, "session.exported", name=path.name))


def near(name: str) -> str:
    """A path as the person would write it from here."""
    try:
        return str(Path(name).relative_to(Path.cwd()))
    except ValueError:
        return name


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
