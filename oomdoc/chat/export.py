"""A conversation as Markdown, HTML or JSON, with names, hosts and secrets masked."""

import html
import json
from typing import TYPE_CHECKING

from oomdoc.chat.voice import tell
from oomdoc.report.mask import mask

if TYPE_CHECKING:
    from oomdoc.chat.session import Dialogue

_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>oomdoc</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
:root{{color-scheme:light dark}}
pre{{white-space:pre-wrap;font:13px/1.45 ui-monospace,monospace}} h3{{margin:1.5rem 0 .25rem}}</style></head>
<body>
{body}
</body></html>
"""


def export(dialogue: "Dialogue", ending: str) -> str:
    """The conversation in the format of a file's ending; raises ValueError for another ending."""
    turns = _turns(dialogue)
    if ending in (".md", ".markdown"):
        return _markdown(turns, dialogue)
    if ending in (".html", ".htm"):
        parts = [f"<h3>{html.escape(said)}</h3>\n<pre>{html.escape(reply)}</pre>" for said, _, reply in turns]
        return _PAGE.format(language=dialogue.language, body="\n".join(parts))
    if ending == ".json":
        from oomdoc.report.build import build_report

        report = build_report(dialogue.diagnosis, dialogue.language)
        spoken = [{"said": said, "intent": intent, "reply": reply} for said, intent, reply in turns]
        whole = {
            "schema": "oomdoc.chat/1",
            "turns": spoken,
            "report": json.loads(report.model_dump_json(by_alias=True)),
        }
        return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
    raise ValueError(tell(dialogue.language, "export_how"))


def _turns(dialogue: "Dialogue") -> list[tuple[str, str, str]]:
    """(said, intent, reply) of every turn, masked; without a journal the replies are not kept."""
    if dialogue.journal is None:
        return [(mask(said), intent, "") for said, intent in dialogue.turns]
    return [
        (_masked(turn.said), str(turn.detail.get("intent", turn.kind)), _masked(str(turn.detail.get("reply", ""))))
        for turn in dialogue.journal.turns()
        if turn.kind != "open"
    ]


def _masked(text: str) -> str:
    return "\n".join(mask(line) for line in text.splitlines())


def _markdown(turns: list[tuple[str, str, str]], dialogue: "Dialogue") -> str:
    lines = ["# oomdoc", ""]
    for said, _, reply in turns:
        lines += [*(f"> {line}" for line in (said.splitlines() or [""])), ""]
        if reply:
            fence = "```" if "```" not in reply else "`````"
            lines += [f"{fence}text", reply.rstrip("\n"), fence, ""]
    del dialogue
    return "\n".join(lines)
