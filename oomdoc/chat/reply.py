"""What a turn of the dialogue returns: the intent, what was taken from the utterance, blocks, and requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from oomdoc.facts.model import Value
from oomdoc.report.blocks_chat import Block

Intent: TypeAlias = Literal[
    "paste",
    "answer",
    "correct",
    "what_if",
    "capacity",
    "why",
    "why_not",
    "explain",
    "constrain",
    "plans",
    "show_diff",
    "apply",
    "undo",
    "verify",
    "next",
    "history",
    "help",
    "smalltalk",
    "unknown",
]
INTENTS: tuple[Intent, ...] = get_args(Intent)

EffectKind: TypeAlias = Literal["read", "apply", "undo", "dry_run", "probe", "watch", "export", "record", "quit"]


@dataclass(frozen=True, slots=True)
class Effect:
    """Something the caller is asked to do, outside the dialogue; tell it the end with `Dialogue.done`.

    read: `paths` are logs or configurations; `apply`/`undo`/`dry_run`/`probe`: `plan` is a number of the list shown;
    record: keep in the history whether the written change helped (`facts` holds run.finished);
    watch: `paths` holds one log; export: `paths` holds one target (its ending gives the format).
    """

    kind: EffectKind
    paths: tuple[str, ...] = ()
    plan: int | None = None
    facts: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an effect ended: `ok` False with one sentence of what went wrong; None where it was cancelled. `entry` is the
    id of the change that was written, `fits` what a dry run or a probe has shown."""

    ok: bool | None
    sentence: str = ""
    device_bytes: int | None = None
    capacity_bytes: int | None = None
    entry: str | None = None
    fits: bool | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One turn. `facts` are exactly what the person stated, by canonical name in the vocabulary's unit; `drops` the
    settings they took away or ruled out; `terms` what they asked about (glossary ids, causes, canonical names)."""

    intent: Intent
    facts: dict[str, Value] = field(default_factory=dict)
    drops: list[str] = field(default_factory=list)
    terms: list[str] = field(default_factory=list)
    blocks: tuple[Block, ...] = ()
    effects: tuple[Effect, ...] = ()


Turn: TypeAlias = tuple[tuple[Block, ...], tuple[Effect, ...]]
