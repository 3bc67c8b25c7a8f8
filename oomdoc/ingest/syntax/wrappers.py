"""What wraps a command: Slurm headers, PowerShell environments, Dockerfiles, Kubernetes manifests."""

import re
from collections.abc import Iterable
from dataclasses import replace

from oomdoc.ingest.syntax.launch import Builder, assignment, flag
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Parsed, Setting, Text, merge, scalar, shift
from oomdoc.ingest.syntax.shell_words import Word

SBATCH = lazy(r"(?m)^#(?P<tool>SBATCH|PBS|BSUB)[ \t]+(?P<rest>[^\r\n#]*)")
POWERSHELL = lazy(
    r"(?im)^[ \t]*(?:PS [^\r\n>]*>[ \t]*)?\$env:(?P<name>\w+)[ \t]*=[ \t]*"
    r"(?P<value>'[^'\r\n]*'|\"[^\"\r\n]*\"|[^\s;]+);?"
)
INSTRUCTION = lazy(r"(?im)^[ \t]*(?P<name>RUN|CMD|ENTRYPOINT|ENV|ARG)[ \t]+")
DOCKER_PAIR = lazy(r"(?P<name>[A-Za-z_]\w*)=(?P<value>\"(?:\\.|[^\"\\])*\"|'[^']*'|(?:\\.|[^\s\\])*)")
RESOURCE = lazy(r"(?P<base>.*\bcontainers\.\d+)\.(?P<part>command|args)\.(?P<index>\d+)\Z")


def sbatch(text: Text) -> list[Setting]:
    """The options of `#SBATCH`, `#PBS` and `#BSUB` lines, scope `sbatch`, `pbs` or `bsub`."""
    found = []
    for match in SBATCH.finditer(text.text):
        words = [
            Word(part[0].strip("'\""), (match.start("rest") + part.start(), match.start("rest") + part.end()))
            for part in re.finditer(r"\S+", match["rest"])
        ]
        position = 0
        while position < len(words):
            word = words[position]
            follows = words[position + 1] if position + 1 < len(words) else None
            takes = "=" not in word.text and follows is not None and not follows.text.startswith("-")
            if word.text.startswith("-"):
                values = [follows] if takes and follows is not None else []
                found.append(flag(text, word, values, match["tool"].lower()))
            position += 1 + takes
    return found


def powershell_environment(text: Text, fixed: str) -> tuple[list[Setting], str]:
    """`$env:NAME = "value"` settings, and the text with those blanked."""
    found = []
    for match in POWERSHELL.finditer(fixed):
        value = match["value"].strip("'\"")
        raw = text.text[match.start("value") : match.end("value")]
        line = text.line(match.start("name"))
        found.append(
            Setting(match["name"], raw, scalar(value), text.file, line, match.span("name"), match.span("value"), "env")
        )
    return found, POWERSHELL.sub(lambda match: re.sub(r"[^\r\n]", " ", match[0]), fixed)


def dockerfile(text: str, file_name: str = "Dockerfile") -> Parsed:
    """RUN, CMD and ENTRYPOINT as commands, ENV and ARG as environment that they see."""
    from oomdoc.ingest.syntax import shell  # tree-sitter only where a command is

    source = Text.of(text, file_name)
    env: dict[str, Setting] = {}
    parts: list[Parsed] = []
    position = 0
    while (match := INSTRUCTION.search(text, position)) is not None:
        end = _instruction_end(text, match.end())
        position = max(end, match.end())
        body, start = text[match.end() : end], match.end()
        name = match["name"].upper()
        if name in {"ENV", "ARG"}:
            for setting in _docker_env(source, body, start, name == "ARG"):
                env[setting.key] = setting
                parts.append(Parsed("dockerfile", (setting,)))
        elif body.lstrip().startswith("["):
            parts.append(_exec_form(source, body, start))
        else:
            parts.append(shift(shell.parse(body, file_name), start, source.line(start) - 1))
    merged = merge("dockerfile", parts)
    commands = tuple(replace(command, env={**env, **command.env}) for command in merged.commands)
    return replace(merged, commands=commands)


def _instruction_end(text: str, start: int) -> int:
    position = start
    while True:
        end = text.find("\n", position)
        if end < 0:
            return len(text)
        line = text[position:end].rstrip()
        if not line.endswith("\\") and not line.lstrip().startswith("#"):
            return end
        position = end + 1


def _docker_env(source: Text, body: str, start: int, build_only: bool) -> list[Setting]:
    note = "seen while building unless an ENV repeats it" if build_only else None
    found = []
    for match in DOCKER_PAIR.finditer(body):
        span = (start + match.start(), start + match.end())
        value = match["value"]
        plain = value[1:-1] if value[:1] in {'"', "'"} and len(value) > 1 else value
        word = Word(f"{match['name']}={plain}", span)
        found.append(assignment(source, word, "env", None, note))
    if not found and (old := re.match(r"[ \t]*(?P<name>\w+)[ \t]+(?P<value>\S[^\r\n]*)", body)):
        key_span = (start + old.start("name"), start + old.end("name"))
        value_span = (start + old.start("value"), start + old.start("value") + len(old["value"].rstrip()))
        raw = source.text[slice(*value_span)]
        line = source.line(start)
        found.append(Setting(old["name"], raw, scalar(raw), source.file, line, key_span, value_span, "env", note=note))
    return found


def _exec_form(source: Text, body: str, start: int) -> Parsed:
    from oomdoc.ingest.syntax import json_text

    parsed = json_text.parse(body, source.file)
    moved = shift(parsed, start, source.line(start) - 1)
    words = [_word(setting) for setting in moved.settings]
    return _from_words(source, [word for word in words if word], "dockerfile")


def _word(setting: Setting) -> Word | None:
    if setting.value_span is None:
        return None
    start, end = setting.value_span
    quoted = setting.raw[:1] in {'"', "'"} and len(setting.raw) > 1
    text = setting.value if isinstance(setting.value, str) else setting.raw
    return Word(text, (start + 1, end - 1) if quoted else (start, end), quoted=False)


def _from_words(source: Text, words: list[Word], syntax: str, index: int = 0) -> Parsed:
    if not words:
        return Parsed(syntax)
    if (
        len(words) >= 3
        and words[0].text in {"sh", "bash", "/bin/sh", "/bin/bash"}
        and words[1].text in {"-c", "-lc", "-ec"}
    ):
        from oomdoc.ingest.syntax import shell

        start, end = words[2].span
        inner = shell.parse(source.text[start:end], source.file, pasted=True)
        return replace(shift(inner, start, source.line(start) - 1), syntax=syntax)
    command = Builder(source, words, index).build((words[0].span[0], words[-1].span[1]))
    if command is None:
        return Parsed(syntax)
    settings = (*command.env.values(), *command.flags, *command.positionals)
    return Parsed(syntax, settings, (command,))


def kubernetes(text: str, file_name: str, parsed: Parsed) -> Parsed:
    """The containers' `command` + `args` as commands with their `env`, beside the settings of the manifest."""
    source = Text.of(text, file_name)
    containers: dict[str, list[Word]] = {}
    names: dict[str, str] = {}
    env: dict[str, dict[str, Setting]] = {}
    for setting in parsed.settings:
        if (match := RESOURCE.match(setting.key)) and (word := _word(setting)) is not None:
            containers.setdefault(match["base"], []).append(word)
        elif variable := re.match(
            r"(?P<entry>(?P<base>.*\bcontainers\.\d+)\.env\.\d+)\.(?P<part>name|value)\Z", setting.key
        ):
            if variable["part"] == "name":
                names[variable["entry"]] = str(setting.value)
            elif (name := names.get(variable["entry"])) is not None:
                plain = scalar(setting.value) if isinstance(setting.value, str) else setting.value
                env.setdefault(variable["base"], {})[name] = replace(
                    setting, key=name, key_span=None, kind="env", value=plain, scope=variable["base"]
                )
    parts: list[Parsed] = [parsed, *_variables(env.values())]
    for base, words in containers.items():
        read = _from_words(source, words, "kubernetes")
        variables = env.get(base, {})
        commands = tuple(replace(item, env={**variables, **item.env}) for item in read.commands)
        parts.append(replace(read, commands=commands))
    return merge("kubernetes", parts)


def _variables(groups: Iterable[dict[str, Setting]]) -> list[Parsed]:
    return [Parsed("kubernetes", tuple(group.values())) for group in groups]
