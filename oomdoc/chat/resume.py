"""A conversation taken up again: what was said is shown, what was cut off is settled, what changed since is told."""

from typing import TYPE_CHECKING, Any, Final

from oomdoc.chat import greeting
from oomdoc.chat.carry import near
from oomdoc.chat.journal import Journal, Turn
from oomdoc.chat.keep import blocks_of
from oomdoc.chat.remember import Cases, Doing, changed, restore
from oomdoc.chat.reply import Effect, Outcome
from oomdoc.chat.state import State
from oomdoc.chat.voice import saying
from oomdoc.messages import Language, say
from oomdoc.report.blocks import QuestionBlock
from oomdoc.report.blocks_chat import Block, HistoryBlock, SaidBlock, SayBlock

if TYPE_CHECKING:
    from oomdoc.chat.session import Dialogue

_WHOLE: Final = 20  # turns shown with their answers; of earlier ones only what was said
_ROW: Final = 120


def take_up(dialogue: "Dialogue", state: State, cases: Cases, journal: Journal) -> tuple[Block, ...] | None:
    """Fill the state of a resumed conversation and return what to show; None where nothing usable was kept."""
    values = journal.state()
    if values is None:
        return None
    try:
        restore(state, values, cases, journal.case)
        doing = Doing.of_values(values["doing"]) if values["doing"] else None
    except (KeyError, TypeError, ValueError):  # written by another version: its words can still be read
        doing = None
    turns = journal.turns()
    state.rows = [(_row(_said_of(turn)), _intent_of(turn)) for turn in turns if turn.kind in ("say", "fact")][-200:]
    shown = _shown_again(turns, state.language)
    count = sum(turn.kind in ("say", "fact") for turn in turns)
    drawn: list[Block] = [*shown, saying(state.language, "resumed", count=count)]
    if doing is not None:
        drawn += _settled(dialogue, doing, state.language)
    drawn += _news(state)
    last = shown[-4:] if shown else ()
    if state.pending is not None and (doing is not None or not any(isinstance(one, QuestionBlock) for one in last)):
        drawn.append(greeting.question_block(state.pending, state))
    return tuple(drawn)


def _shown_again(turns: list[Turn], language: Language) -> list[Block]:
    """The turns as they were shown: the greeting, what was said long ago as a list, the last ones whole."""
    opened = [turn for turn in turns if turn.kind == "open"]
    talk = [turn for turn in turns if turn.kind != "open"]
    starts = [place for place, turn in enumerate(talk) if turn.kind in ("say", "fact")]
    cut = starts[-_WHOLE] if len(starts) > _WHOLE else 0
    drawn: list[Block] = list(blocks_of(opened[0].detail.get("blocks"))) if opened else []
    if cut:
        rows = tuple((_row(_said_of(turn)), _intent_of(turn)) for turn in talk[:cut] if turn.kind in ("say", "fact"))
        drawn.append(HistoryBlock(say(language, "session.earlier_turns", count=len(rows)), rows))
    for turn in talk[cut:]:
        if turn.kind in ("say", "fact"):
            drawn.append(SaidBlock.of(_said_of(turn)))
        drawn += blocks_of(turn.detail.get("blocks"))
    return drawn


def _said_of(turn: Turn) -> str:
    return turn.said if turn.kind != "fact" else f"{turn.said} = {turn.detail.get('value')}"


def _intent_of(turn: Turn) -> str:
    return str(turn.detail.get("intent", "correct" if turn.kind == "fact" else turn.kind))


def _row(said: str) -> str:
    line = " ".join(said[: _ROW * 20].split())
    return line if len(line) <= _ROW else line[: _ROW - 1] + "…"


def _settled(dialogue: "Dialogue", doing: Doing, language: Language) -> list[Block]:
    """What became of the request that was under way: files are old or new, and the person hears which."""
    if doing.kind == "apply":
        written = _written(dialogue, doing)
        if written is not None:
            effect = Effect("apply", plan=doing.plan)
            told = dialogue.done(effect, Outcome(True, ", ".join(written[1]), entry=written[0]))
            return [SayBlock((say(language, "session.cut_apply_done"),), "warn"), *told.blocks]
        return [SayBlock((say(language, "session.cut_apply"),), "warn")]
    if doing.kind == "undo":
        if _in_force(dialogue):
            return [SayBlock((say(language, "session.cut_undo"),), "warn")]
        told = dialogue.done(Effect("undo", plan=doing.plan), Outcome(True, ", ".join(map(str, dialogue.files))))
        return [SayBlock((say(language, "session.cut_undo_done"),), "warn"), *told.blocks]
    names = ", ".join(doing.paths)
    return [SayBlock((say(language, f"session.cut_{doing.kind}", names=names),), "warn")]


def _written(dialogue: "Dialogue", doing: Doing) -> tuple[str, list[str]] | None:
    """The change that was written before the end came: its id and its files."""
    mine = {str(path.absolute()) for path in dialogue.files}
    for entry in reversed(_entries()):
        if entry["state"] == "done" and entry["note"] == doing.note:
            files = [record["path"] for record in entry["files"]]
            if mine.issuperset(files) or not mine:
                return entry["id"], [near(path) for path in files]
    return None


def _in_force(dialogue: "Dialogue") -> bool:
    return any(entry["id"] == dialogue.entry and entry["state"] == "done" for entry in _entries())


def _entries() -> list[dict[str, Any]]:
    from oomdoc.patch.apply import settled
    from oomdoc.patch.errors import PatchError

    try:
        return settled()
    except (PatchError, OSError):  # another program is writing, or nothing can be written at all
        return []


def _news(state: State) -> list[Block]:
    """Files that are no longer what was read."""
    altered, gone = changed(state.prints, state.folder)
    told = []
    if altered:
        told.append(say(state.language, "session.changed", names=", ".join(altered)))
    if gone:
        told.append(say(state.language, "session.gone", names=", ".join(gone)))
    return [SayBlock(tuple(told), "warn")] if told else []
