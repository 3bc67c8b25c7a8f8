"""Launch commands inside anything: issue text, Markdown, Chinese or English prose, terminal sessions, logs.

Finds where a command begins and where the prose goes on; reading it is `shell.py`'s work. Precise rather than greedy.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from oomdoc.ingest.syntax import listings
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Command, Parsed, Text, merge, names, shift

GAP = r"(?:[ \t\u00a0]|[\\^`][ \t]*\r?\n)+"
VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s`\"'，。；、]*)"
SCRIPT = r"[\w./~${}\\:@-]+\.py\b"
OPTIONS = r"(?:-{1,2}[A-Za-z][\w-]*(?:=\S*)?(?:[ \t]+[^\s-]\S*)?" + GAP + r"){0,12}"
PROGRAMS = "|".join(
    (
        rf"(?:[\w./~-]*/)?python[\d.]*(?:\.exe)?{GAP}(?:-[uOB]{GAP})*(?:-u?m{GAP}[A-Za-z_][\w.]*|{SCRIPT})",
        rf"(?:torchrun|deepspeed|composer|mpirun|mpiexec|horovodrun|srun){GAP}(?=-|{SCRIPT})",
        rf"accelerate{GAP}launch\b",
        rf"(?:swift|megatron){GAP}(?:sft|pt|rlhf|infer|eval|deploy|export|sample|rollout|app|web-ui|merge-lora|dpo)\b",
        rf"llamafactory-cli{GAP}(?:train|export|eval|chat|api|webchat|webui)\b",
        rf"(?:vllm|lmdeploy|sglang){GAP}(?:serve|chat|bench|lite|convert|complete|launch)\b",
        rf"(?:axolotl|xtuner|oumi){GAP}(?:train|preprocess|evaluate|convert|chat|inference|infer|merge-lora)\b",
        rf"(?:tune|colossalai){GAP}run\b",
        rf"trl{GAP}(?:sft|dpo|grpo|kto|orpo|reward|rloo|vllm-serve)\b",
        rf"yolo{GAP}(?:(?:detect|segment|classify|pose|obb){GAP})?(?:train|val|predict|mode=|task=)\S*",
        r"text-generation-launcher\b|nnUNet(?:v2)?_(?:train|predict)\b",
        rf"(?:\./)?(?:llama-(?:server|cli|bench|run|perplexity)|main|server|quantize){GAP}(?=--?[a-z])",
        rf"(?:docker|podman|nvidia-docker){GAP}run{GAP}(?=-)",
        rf"(?:bash|sh){GAP}[\w./~-]+\.(?:sh|bash)\b",
        r"\./[\w./-]+\.sh\b",
    )
)
PREFIX = (
    rf"(?:(?:(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*={VALUE}(?:[ \t]*(?:&&|;)[ \t]*|{GAP}))"
    rf"|(?:sudo|nohup|time|env|exec){GAP}){{0,40}}"
)
START = lazy(rf"(?<![A-Za-z0-9_/.\-=])(?P<command>(?P<prefix>{PREFIX})(?P<program>{PROGRAMS}))")
PROMPT = lazy(
    r"[ \t]*(?:>[ \t]+)?(?:(?:\([\w.\-]+\)[ \t]*)?(?:\[?[\w.-]+@[\w.-]+[^\n$#%]{0,80}[$#%]|PS [^\n>]{1,80}>"
    r"|[A-Z]:\\[^\n>]{0,80}>"
    r"|\$|%|!|❯|➜)[ \t]*|In \[\d*\]:[ \t]*!)?"
)
GENERIC = lazy(
    rf"{PREFIX}(?:\./|/)?[a-z][\w./-]*(?:[ \t]+[a-z][\w-]*)?(?:[ \t]*\\[ \t]*\r?\n[ \t]*|[ \t]+)"
    r"--?[A-Za-z][\w-]*(?:[ \t=]|\\?\r?$)",
    re.MULTILINE,
)
ASSIGNMENT_LINE = lazy(
    r"(?:\A[ \t]*(?:export[ \t]+)?[A-Za-z_]\w*=(?:\"[^\"]*\"|'[^']*'|\([^)]*\)|\S*)[ \t]*;?[ \t]*(?:#.*)?"
    r"|(?<![\w=])(?:[A-Za-z_]\w*=(?:\"[^\"]*\"|'[^']*'|[^\s\"']+)[ \t]+)+\\)[ \t]*\r?\Z"
)
FLAG_LINE = lazy(r"[ \t]*(?:--[A-Za-z]|-[A-Za-z]+[ \t=])")
TOKEN = lazy(r"(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|\$\{[^}\n]*\}|[^\s\"'])+|[\"']|\n|[^\S\n]+", re.DOTALL)
HAN = lazy(r"[\u2e80-\u303f\u3040-\u9fff\uac00-\ud7af\uff00-\uffef]")
PUNCTUATION = lazy(r"[，。；：、！？）】」》“”…]")
ALPHABETIC = lazy(r"[A-Za-z',.;:!?()]+\Z")
# First words of sentences that go on with an option: "then --b 2 works".
NOT_PROGRAMS = names(
    "then and with without using use add adding set setting try trying run running pass passing by via also "
    "the option or if when but so as to for from in on is are was i we you it even after "
    "before only just not no e.g error note see"
)
STOP = names("and but the is it to with or then in on flag flags option options parameter so for when which works")
FAILED = lazy(r"Command '(?P<list>\[(?:'[^'\n]*'|\"[^\"\n]*\"|, )+\])' (?:returned|died)")
ELEMENT = lazy(r"'(?P<one>[^'\n]*)'|\"(?P<two>[^\"\n]*)\"")
FENCES = ("```", "~~~")
LINES = 300


class Region(NamedTuple):
    """Where a command stands; `prose` where words of a sentence surround it on its line."""

    start: int
    end: int
    prose: bool


def find_commands(text: str, file_name: str = "<text>") -> list[Command]:
    """Every launch command in a text, in order, with spans in that text."""
    return list(parse(text, file_name).commands)


def parse(text: str, file_name: str = "<text>") -> Parsed:
    """The commands of a text with their settings, and the shell variables set right above them."""
    plain = listings.without_numbers(text)
    found = [(region.start, region) for region in regions(plain)]
    source = Text.of(text, file_name) if found or "Command '[" in text or "\\\n" in text or "\\\r" in text else None
    if source is None:
        return Parsed("text")
    parts = list(listings.headless(source, plain, [(region.start, region.end) for _, region in found]))
    if found:
        from oomdoc.ingest.syntax import shell  # tree-sitter is imported only now
    for start, region in found:
        piece = shell.parse(_unprompted(plain[start : region.end]), file_name, pasted=True)
        moved = shift(piece, start, source.line(start) - 1, source=text)
        parts.append((start, Parsed("text", moved.settings, moved.commands)))
    parts += (
        [(match.start(), _listed(source, match)) for match in FAILED.finditer(text)] if "Command '[" in text else []
    )
    return merge("text", [part for _, part in sorted(parts, key=lambda part: part[0])])


def _unprompted(piece: str) -> str:
    """Prompts at line starts as blanks, so that offsets stay."""
    if not any(mark in piece for mark in "$#%!>❯➜"):
        return piece
    lines = piece.split("\n")
    quoted = len(lines) > 1 and all(line.lstrip().startswith(">") for line in lines[1:] if line.strip())
    for number, line in enumerate(lines):
        match = PROMPT.match(line) if quoted or not line.lstrip().startswith(">") else None
        if match and match.end() and match[0].strip() and not line.lstrip().startswith(("${", "$(")):
            lines[number] = " " * match.end() + line[match.end() :]
    return "\n".join(lines)


def _listed(source: Text, match: re.Match[str]) -> Parsed:
    """`Command '['python', 'train.py', ...]' returned non-zero`: what a launcher had really started."""
    from oomdoc.ingest.syntax.launch import Builder
    from oomdoc.ingest.syntax.shell_words import Word

    offset = match.start("list")
    words = []
    for element in ELEMENT.finditer(match["list"]):
        group = "one" if element["one"] is not None else "two"
        words.append(Word(element[group], (offset + element.start(group), offset + element.end(group))))
    if not words:
        return Parsed("text")
    command = Builder(source, words, 0, "printed by the program that started it").build(match.span("list"))
    if command is None:
        return Parsed("text")
    return Parsed("text", (*command.env.values(), *command.flags, *command.positionals), (command,))


def regions(text: str) -> Iterator[Region]:
    """Where commands stand, in order and without overlap."""
    position = 0
    for line_start, line_end in _candidate_lines(text):
        if line_start < position:
            continue
        region = _region(text, line_start, line_end)
        while region is not None:
            yield region
            position = region.end
            if region.end >= line_end or text.find("\n", region.start, region.end) >= 0:
                break
            region = _within(text, region.end, line_end)


NEEDLES = ("_DEVICES=", "run ", "speed ", "serve ", ".sh", "_train ", "launch ", " -m ", "-launcher", "./main ")
FIRST = ("swift ", "megatron ", "llamafactory-cli ", "yolo ", "axolotl ", "xtuner ", "trl ", "lmdeploy ", "sglang ")
SHAPES = (lazy(r" --[A-Za-z]"), lazy(r"python[\d.]*(?:\.exe)?[ \t]"))


def _candidate_lines(text: str) -> Iterator[tuple[int, int]]:
    """Lines that may hold the begin of a command; cheap, for most logs have none."""
    hits: set[int] = set()
    for needle in (*NEEDLES, *FIRST):
        position = text.find(needle)
        while position >= 0:
            hits.add(text.rfind("\n", 0, position) + 1)
            end = text.find("\n", position)
            position = text.find(needle, end) if end >= 0 else -1
    for shape in SHAPES:
        hits.update(text.rfind("\n", 0, match.start()) + 1 for match in shape.finditer(text))
    for start in sorted(hits):
        end = text.find("\n", start)
        yield start, len(text) if end < 0 else end


def _region(text: str, line_start: int, line_end: int) -> Region | None:
    if text.startswith("#SBATCH", line_start):
        return None
    lead = PROMPT.match(text, line_start, line_end)
    begin = lead.end() if lead else line_start
    generic = (
        GENERIC.match(text, begin) if text.count("--", begin, line_end + 200) or (lead and lead[0].strip()) else None
    )
    known = START.search(text, begin, generic.end() + 200) if generic else None
    first = text[begin : begin + 40].split(maxsplit=1)
    if generic and first and first[0] in NOT_PROGRAMS:
        generic = None
    if generic and not (known and begin < known.start() < generic.end()) and not HAN.search(text, begin, generic.end()):
        return _extended(text, begin, prose=False)
    return _within(text, line_start, line_end)


def _within(text: str, start: int, line_end: int) -> Region | None:
    match = START.search(text, start, _continued(text, line_end))
    if match is None or match.start() > line_end:
        return None
    line_start = text.rfind("\n", 0, match.start()) + 1
    if text[line_start : match.start()].lstrip().startswith("#") and "\n" in match["prefix"]:
        return None  # a comment does not go on behind its backslash: the program stands on a line of its own
    lead = PROMPT.match(text, line_start, line_end)
    clean = text[max(lead.end() if lead else line_start, line_start) : match.start()].strip(" \t`>*-$") == ""
    region = _extended(text, match.start(), prose=not clean, program_end=match.end())
    if not clean and _sentence(text, match, region):
        return _within(text, match.end(), line_end)
    return region


def _continued(text: str, line_end: int) -> int:
    """The end of the lines that a backslash joins to this one, some at most: assignments in front of a program."""
    for _ in range(12):
        if text[line_end - 1 : line_end] not in {"\\", "^", "`", "\r"}:
            break
        following = text.find("\n", line_end + 1)
        line_end = len(text) if following < 0 else following
    return line_end


def _sentence(text: str, match: re.Match[str], region: Region) -> bool:
    """A program named in a sentence or a traceback, not a command: nothing follows it that a person would type."""
    before = text[match.start() - 1 : match.start()]
    if text[match.start() - 2 : match.start()] == "](":
        return True  # the target of a Markdown link
    if before in {"`", '"', "'", "“"}:
        return False
    rest = text[match.start("program") : region.end]
    return not (match["prefix"] or re.search(r"[ \t]--?[A-Za-z]|\.py\b|\.sh\b|\.ya?ml\b", rest))


def _extended(text: str, start: int, *, prose: bool, program_end: int = 0) -> Region:
    before = text[start - 1 : start]
    end = _last_line(text, start)
    if before in {"`", '"', "'", "“"}:
        close = text.find({"“": "”"}.get(before, before), start, end)
        end, prose = (close, False) if close >= 0 else (end, prose)
    end = min((place for fence in FENCES if (place := text.find(fence, start, end)) >= 0), default=end)
    if before != "`" and "`" in text[start:end] and (line := text.find("\n", start, end)) < 0:
        tick = text.find("`", start, end)
        end = tick if line < 0 and text.count("`", start, end) % 2 else end
    end = start + _cut(text[start:end], prose, max(program_end - start, 0))
    return Region(start if prose or before in {"`", '"', "'", "“"} else _above(text, start), end, prose)


def _last_line(text: str, start: int) -> int:
    """The end of the last line that belongs to the command, lost lines included."""
    end = text.find("\n", start)
    count = 0
    while end >= 0 and count < LINES:
        count += 1
        line = text[text.rfind("\n", 0, end) + 1 : end].rstrip()
        following = text.find("\n", end + 1)
        after = text[end + 1 : following if following >= 0 else len(text)]
        goes_on = line.endswith(("\\", " ^", " `")) and not line.lstrip().startswith("#")
        if after.lstrip().startswith(FENCES):
            break
        if not (goes_on or FLAG_LINE.match(after) or _flags_after_gap(text, end, line, after)):
            break
        if goes_on and not after.strip() and not _flags_after_gap(text, end, line, after):
            break
        end = following
    return len(text) if end < 0 else end


def _flags_after_gap(text: str, end: int, line: str, after: str) -> bool:
    """A comment, or a blank line behind a backslash, with flags below it."""
    if not (after.lstrip().startswith("#") or (not after.strip() and line.endswith("\\"))):
        return False
    position = end + 1
    for _ in range(4):
        following = text.find("\n", position)
        below = text[position : following if following >= 0 else len(text)]
        if FLAG_LINE.match(below):
            return True
        if following < 0 or (below.strip() and not below.lstrip().startswith("#")):
            return False
        position = following + 1
    return False


def _above(text: str, start: int) -> int:
    """Include assignments on the lines right above: `export X=1`, `FLAGS="..."`, `args=(...)`."""
    line_start = text.rfind("\n", 0, start) + 1
    if text[line_start:start].strip():
        return start
    for _ in range(40):
        end = _above_comments(text, line_start)
        previous = text.rfind("\n", 0, max(end - 1, 0)) + 1
        if end == 0 or not (above := ASSIGNMENT_LINE.search(text[previous : end - 1])):
            break
        line_start = previous + above.start()
        if above.start():
            return line_start
    return line_start


def _above_comments(text: str, line_start: int) -> int:
    """The begin of the comment lines that stand above a line and follow a backslash, which they made useless."""
    end = line_start
    for _ in range(4):
        previous = text.rfind("\n", 0, max(end - 1, 0)) + 1
        line = text[previous : max(end - 1, 0)].strip()
        if not line.startswith("#"):
            return end if line.endswith("\\") else line_start
        end = previous
    return line_start


def _cut(piece: str, prose: bool, program_end: int) -> int:
    """Where the command ends inside its lines: at words of a sentence, in Chinese or English."""
    end, words, flag = 0, 0, False
    comment = False
    for match in TOKEN.finditer(piece):
        word = match[0]
        if word == "\n":
            comment, end = False, match.end()
            continue
        if comment or not word.strip():
            continue
        if word.startswith("#"):
            comment, end = True, match.end()
            continue
        if (found := _han(word)) is not None:
            return match.start() + found if found else end
        if prose and match.start() >= program_end:
            is_flag = re.match(r"--?[A-Za-z]", word) is not None
            if ALPHABETIC.match(word) and not is_flag:
                plain = word.lower().rstrip(".,;:!?)")
                if plain in STOP or (words and not (flag and words == 1)):
                    return end
            stripped = word.rstrip(".,;:!?)")
            if stripped != word and not word.endswith("..."):
                return match.start() + len(stripped)
            words, flag = (1, True) if is_flag else (words + 1, flag if words < 2 else False)
        end = match.end()
    return len(piece) if not prose else end or len(piece)


def _han(token: str) -> int | None:
    """Where Chinese prose begins inside a token; None where it is a value, such as a path or a quoted text."""
    if token[0] in {'"', "'"} and len(token) > 1 and token[-1] == token[0]:
        return None
    found = HAN.search(token)
    if found is None:
        return None
    if not token[: found.start()].strip("-"):
        return 0
    mark = PUNCTUATION.search(token)
    before = token[: found.start()]
    if "/" in before or "\\" in before or '"' in before or "'" in before:
        return mark.start() if mark else None
    return min(found.start(), mark.start()) if mark else found.start()
