"""A conversation and the report on its case as Markdown, HTML or JSON; names, hosts and secrets are masked."""

import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oomdoc.chat.keep import blocks_of
from oomdoc.chat.voice import tell
from oomdoc.messages import say
from oomdoc.report.hosts import mask_hosts
from oomdoc.report.mask import mask

if TYPE_CHECKING:
    from oomdoc.chat.session import Dialogue

_COLUMNS = 96
_LONGEST_SAID = 200_000  # characters of an utterance; a log pasted whole is not sent on
_KINDS = {".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html", ".json": "json"}


@dataclass(frozen=True, slots=True)
class Spoken:
    """One turn: what was said (empty where the program spoke by itself), the intent it had, the answer as text."""

    said: str
    intent: str
    reply: str


def export(dialogue: "Dialogue", ending: str) -> str:
    """Report and conversation in the format of a file's ending; raises ValueError for another ending."""
    kind = _KINDS.get(ending)
    if kind is None:
        raise ValueError(tell(dialogue.language, "export_how"))
    from oomdoc.report.render import render

    report = render(dialogue.diagnosis, kind, dialogue.language, with_facts=True)
    talk = _talk(dialogue)
    if kind == "markdown":
        return mask_hosts(_markdown(report, talk, dialogue))
    if kind == "html":
        return mask_hosts(_page(report, talk, dialogue))
    turns = [{"said": one.said, "intent": one.intent, "reply": one.reply} for one in talk]
    whole = {"schema": "oomdoc.chat/1", "turns": turns, "report": json.loads(report)}
    return json.dumps(_without_hosts(whole), ensure_ascii=False, indent=1) + "\n"


def _without_hosts(value: Any) -> Any:
    """The texts of a JSON value masked one by one: written out, their escapes would be words."""
    if isinstance(value, str):
        return mask_hosts(value)
    if isinstance(value, list):
        return [_without_hosts(one) for one in value]
    if isinstance(value, dict):
        return {name: _without_hosts(one) for name, one in value.items()}
    return value


def _talk(dialogue: "Dialogue") -> list[Spoken]:
    """Every turn, masked; without a journal only what was said is known."""
    if dialogue.journal is None:
        return [Spoken(mask(said), intent, "") for said, intent in dialogue.turns]
    from oomdoc.report.blocks_chat_text import ChatText

    drawer = ChatText(dialogue.language, _COLUMNS)
    return [
        Spoken(
            _masked(turn.said[:_LONGEST_SAID]) if turn.kind in ("say", "fact") else "",
            str(turn.detail.get("intent", turn.kind)),
            _masked(drawer.render(blocks_of(turn.detail.get("blocks")))),
        )
        for turn in dialogue.journal.turns()
    ]


def _masked(text: str) -> str:
    return "\n".join(mask(line) for line in text.splitlines())


def _markdown(report: str, talk: list[Spoken], dialogue: "Dialogue") -> str:
    lines = [report.rstrip("\n"), "", f"## {say(dialogue.language, 'session.conversation')}", ""]
    for one in talk:
        if one.said:
            lines += [*(f"> {line}".rstrip() for line in one.said.splitlines()), ""]
        if one.reply:
            fence = "`" * (max((len(run) for run in one.reply.split() if set(run) == {"`"}), default=2) + 1)
            lines += [f"{fence}text", one.reply.rstrip("\n"), fence, ""]
    return "\n".join(lines) + "\n"


def _page(report: str, talk: list[Spoken], dialogue: "Dialogue") -> str:
    parts = [f"<h2>{html.escape(say(dialogue.language, 'session.conversation'))}</h2>"]
    for one in talk:
        if one.said:
            parts.append(f"<h3>{html.escape(one.said)}</h3>")
        if one.reply:
            parts.append(f"<pre>{html.escape(one.reply)}</pre>")
    head, _, tail = report.rpartition("</body>")
    return f"{head}{chr(10).join(parts)}\n</body>{tail}"
