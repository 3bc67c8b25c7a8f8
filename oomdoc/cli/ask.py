"""`oomdoc ask`: one utterance, one answer; the dialogue without a conversation."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import preferred, spoken_in

if TYPE_CHECKING:
    from oomdoc.chat.reply import Reply


@click.command(name="ask")
@click.argument("utterance", nargs=-1, required=True, metavar="UTTERANCE")
@click.option("-c", "--config", "configs", multiple=True, metavar="CONFIG", help="Launch script or configuration file.")
@click.option("--log", "logs", multiple=True, metavar="LOG", help="Log of the run.")
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--json", "kind", flag_value="json", help="Short for --format json.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of the answer; else that of the utterance.")
@click.option("--width", type=click.IntRange(40, 400), help="Columns of the text; else the terminal's.")
def command(
    utterance: tuple[str, ...], configs: tuple[str, ...], logs: tuple[str, ...], kind: str, lang: str | None,
    width: int | None,
) -> int:  # fmt: skip
    """Answer one question about a run: what if, how long, why, why not, what is, what can I do.

    "-" reads the utterance from standard input. Exit status: 0 understood, 1 not understood, 2 unreadable input.

    Example: oomdoc ask "what if batch 2 and zero3 on 4 gpus" --log train.log -c train.yaml
    """
    from oomdoc.chat.session import Dialogue
    from oomdoc.ingest.read import read_inputs
    from oomdoc.report.out import write

    said = " ".join(utterance)
    if said == "-":
        said = sys.stdin.read()
    language = preferred(lang or spoken_in(said))
    case = read_inputs(list(logs), configs=list(configs)) if logs or configs else None
    dialogue = Dialogue(case, language=language)
    if case is not None:
        dialogue.open()
    reply = _answer(dialogue, said)
    write(_json(reply) if kind == "json" else _text(reply, language, width))
    return diagnostics.NONE_NAMEABLE if reply.intent == "unknown" else diagnostics.NAMED


def _answer(dialogue: Any, said: str) -> "Reply":
    """The reply; a path that was named is read here, for there is nobody else to read it."""
    from dataclasses import replace
    from pathlib import Path

    from oomdoc.chat.folder import is_setting
    from oomdoc.ingest.read import read_inputs

    reply: Reply = dialogue.say(said)
    for effect in reply.effects:
        paths = [str(Path(path).expanduser()) for path in effect.paths]
        if effect.kind == "read" and all(Path(path).is_file() for path in paths):
            logs = [path for path in paths if not is_setting(path)]
            read = dialogue.take(read_inputs(logs, configs=[path for path in paths if is_setting(path)]))
            return replace(reply, facts=read.facts, blocks=read.blocks, effects=())
    return reply


def _json(reply: "Reply") -> str:
    from dataclasses import asdict

    from oomdoc.report.mask import mask

    def kind(block: object) -> str:
        return type(block).__name__.removesuffix("Block").lower()

    answered = {
        "intent": reply.intent,
        "facts": {name: mask(value) if isinstance(value, str) else value for name, value in reply.facts.items()},
        "drops": reply.drops,
        "terms": reply.terms,
        "blocks": [{"kind": kind(block), **asdict(block)} for block in reply.blocks],
        "effects": [
            {"kind": effect.kind, "paths": list(effect.paths), "plan": effect.plan} for effect in reply.effects
        ],
    }
    return json.dumps(answered, ensure_ascii=False, indent=1) + "\n"


def _text(reply: "Reply", language: Any, width: int | None) -> str:
    import shutil

    from oomdoc.report import out
    from oomdoc.report.blocks_chat_text import ChatText
    from oomdoc.report.text import painted, unpainted

    columns = width or min(shutil.get_terminal_size((80, 24)).columns, 100)
    paint = painted if out.wants_colour() else unpainted
    return ChatText(language, columns, paint, ascii_only=not out.can_draw()).render(reply.blocks)
