"""Commands as people copy them out of an editor: with its line numbers, or only the options and not the program.

Nothing here changes the length of a text, so that offsets stay.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Parsed, Setting, Span, Text, shift

LEAST = 3  # lines; fewer are an example in a sentence
MOST = 400  # lines; more are no list that a person wrote
NUMBERED = lazy(r"(?m)^(?P<gutter>[ \t]*(?P<number>\d{1,5})(?:[ \t]*[|:│])?(?=[ \t]))[^\n]*\\[ \t]*\r?$")
LAST = lazy(r"(?P<gutter>[ \t]*(?P<number>\d{1,5})(?:[ \t]*[|:│])?(?=[ \t]))")
OPTION = r"(?:[+~]{0,2}[A-Za-z_]\w*(?:\.[\w@]+)+=[^\s=][^\n]*?|--[A-Za-z][\w.-]*(?:[ \t=]+[^\s-][^\n]*?)?)"
HEADLESS = lazy(
    rf"(?m)(?:^[ \t]*{OPTION}[ \t]*\\[ \t]*\r?\n){{{LEAST - 1},{MOST}}}(?:[ \t]*{OPTION}[ \t]*\\?[ \t]*\r?$)?"
)
HEAD = "_ \\\n"  # stands for the program that was not pasted


def without_numbers(text: str) -> str:
    """The text with an editor's line numbers in front of continued lines as blanks."""
    if "\\\n" not in text and "\\\r\n" not in text and "\\ " not in text:
        return text
    pieces: list[str] = []
    done = 0
    for run in _runs(text):
        if len(run) < LEAST:
            continue
        following = text.find("\n", run[-1].end())
        last = LAST.match(text, following + 1) if following >= 0 else None
        if last and int(last["number"]) == int(run[-1]["number"]) + 1:
            run.append(last)
        for match in run:
            start, end = match.span("gutter")
            pieces += [text[done:start], " " * (end - start)]
            done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _runs(text: str) -> Iterator[list[re.Match[str]]]:
    """Consecutive lines whose numbers grow by one."""
    run: list[re.Match[str]] = []
    for match in NUMBERED.finditer(text):
        if run and (int(match["number"]) != int(run[-1]["number"]) + 1 or text[run[-1].end() : match.start()].strip()):
            yield run
            run = []
        run.append(match)
    yield run


def headless(source: Text, text: str, taken: list[Span]) -> Iterator[tuple[int, Parsed]]:
    """Settings of option lists whose program was not pasted, as (where, what); `taken` are the commands' places."""
    if text.count("\\\n") + text.count("\\\r\n") < LEAST - 1:
        return
    for match in HEADLESS.finditer(text):
        start, end = match.span()
        if text[start:end].count("\n") + (not match[0].endswith("\n")) < LEAST:
            continue
        if any(start < high and low < end for low, high in taken):
            continue
        above = text[: max(start - 1, 0)].rpartition("\n")[2].rstrip()
        if above.endswith("\\"):  # the rest of something else
            continue
        from oomdoc.ingest.syntax import shell  # tree-sitter is imported only now

        piece = shell.parse(HEAD + text[start:end], source.file, pasted=True)
        moved = shift(piece, start - len(HEAD), source.line(start) - 2, source=source.text)
        found = [_own(setting) for setting in moved.settings if setting.kind in {"flag", "hydra"}]
        yield start, Parsed("text", tuple(found))


def _own(setting: Setting) -> Setting:
    return replace(setting, scope=None)
