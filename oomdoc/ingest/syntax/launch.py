"""Shell words to a command: wrappers and launchers in front, then the program with its flags and positionals.

Knows how programs start other programs (sudo, srun, torchrun, docker run, ...), not what any framework means.
"""

import re
from collections.abc import Sequence
from dataclasses import field
from itertools import pairwise

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Command, Kind, Setting, Span, Text, names, scalar
from oomdoc.ingest.syntax.shell_words import Word

FLAG = lazy(r"--?(?=[A-Za-z])[^\s=]+|--[0-9][\w.-]*(?==)")
ASSIGNMENT = lazy(r"[A-Za-z_]\w*=")
HYDRA = lazy(r"(?:[+~]{0,2}[A-Za-z_][\w./@:-]*(?:\[\d+\])?=|~[A-Za-z_][\w./@]*\Z)")
SUBCOMMAND = lazy(r"[a-z][a-z_]*(?:-[a-z_]+)*\Z")
SCRIPT = lazy(r".*\.(?:py|sh|bash|pyz)\Z")

# Options of a wrapper that take a value in the next word; anything else of it stands alone.
WRAPPERS: dict[str, frozenset[str]] = {
    "sudo": frozenset({"-u", "-g", "-p", "-h"}),
    "nohup": frozenset(),
    "env": frozenset({"-u", "-C"}),
    "time": frozenset({"-f", "-o"}),
    "exec": frozenset(),
    "eval": frozenset(),
    "command": frozenset(),
    "setsid": frozenset(),
    "stdbuf": frozenset({"-o", "-e", "-i"}),
    "nice": frozenset({"-n"}),
    "ionice": frozenset({"-c", "-n"}),
    "numactl": frozenset({"-N", "-m", "-C"}),
    "taskset": frozenset(),
    "timeout": frozenset({"-k", "-s"}),
    "srun": names("-A -c -D -e -J -m -n -N -o -p -t -w -x -G --gpus --ntasks --nodes --partition --gres"),
    "mpirun": names("-n -np -c -H -x -hostfile --hostfile -host --host -bind-to -map-by -N --bind-to"),
    "mpiexec": names("-n -np -c -H -x -hostfile --hostfile -host --host -genv -ppn"),
    "horovodrun": names("-np -H --hostfile"),
    "winpty": frozenset(),
    "xvfb-run": frozenset({"-s", "-n"}),
}
RUNNERS = {"uv": "run", "poetry": "run", "pipenv": "run", "conda": "run", "pdm": "run", "hatch": "run", "pixi": "run"}
PYTHONS = lazy(r"(?:python(?:\d(?:\.\d+)?)?w?|ipython3?|pypy3?)(?:\.exe)?\Z")
PYTHON_VALUES = frozenset({"-W", "-X"})
SHELLS = frozenset({"bash", "sh", "zsh", "source", "."})
LAUNCHERS = frozenset({"torchrun", "deepspeed", "composer", "colossalai", "horovodrun", "torchpippy", "ds"})
LAUNCHER_WORDS = {"accelerate": "launch", "tune": "run", "colossalai": "run", "fabric": "run", "ray": "job"}
LAUNCHER_MODULES = frozenset(
    {
        "torch.distributed.launch",
        "torch.distributed.run",
        "paddle.distributed.launch",
        "accelerate.commands.launch",
        "deepspeed.launcher.runner",
        "torch_npu.distributed.launch",
    }
)
CONTAINERS = frozenset({"docker", "podman", "nvidia-docker", "nerdctl"})
CONTAINER_SWITCHES = frozenset(
    {"--rm", "-i", "-t", "-it", "-ti", "-d", "-itd", "-dit", "-tid", "--privileged", "--init", "-P", "--detach"}
    | {"--interactive", "--tty", "--read-only", "-dt", "-td", "-id", "-di"}
)
TWO_WORDS = frozenset({"lmdeploy", "mim", "yolo"})


@dataclass(slots=True)
class Builder:
    """One command under construction; `words` are all arguments from the program on."""

    text: Text
    words: Sequence[Word]
    index: int
    note: str | None = None
    at: int = 0
    env: dict[str, Setting] = field(default_factory=dict)
    flags: list[Setting] = field(default_factory=list)
    positionals: list[Setting] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    launcher: list[str] = field(default_factory=list)
    image: bool = False

    def build(self, span: Span) -> Command | None:
        """The command, or None where no program is left after the wrappers."""
        self._chain()
        if not self.names:
            return None
        return Command(
            tuple(self.names),
            dict(self.env),
            tuple(self.flags),
            tuple(self.positionals),
            tuple(self.launcher),
            self.text.file,
            self.text.line(span[0]),
            span,
            note=self.note,
        )

    @property
    def word(self) -> Word | None:
        """The argument under consideration."""
        return self.words[self.at] if self.at < len(self.words) else None

    def _chain(self) -> None:
        while (word := self.word) is not None:
            name = base_name(word.text)
            if ASSIGNMENT.match(word.text) and not self.launcher[:-1] + self.names:
                self._assign(word)
                continue
            if name == "numactl" or name in WRAPPERS:
                self._wrapper(name)
                continue
            if name in RUNNERS and self._next_is(RUNNERS[name]):
                self.at += 2
                self.launcher.append(name)
                self._options(name, frozenset({"-n", "--name", "-p", "--python", "--with", "--extra", "-C"}))
                continue
            if name in CONTAINERS and self._container():
                continue
            break
        self._program()

    def _next_is(self, text: str) -> bool:
        return self.at + 1 < len(self.words) and self.words[self.at + 1].text == text

    def _assign(self, word: Word) -> None:
        setting = assignment(self.text, word, "env", f"{self.index}/", word.note)
        self.env[setting.key] = setting
        self.at += 1

    def _wrapper(self, name: str) -> None:
        self.at += 1
        self.launcher.append(name)
        self._options(name, WRAPPERS[name])
        while name == "env" and self.word is not None and ASSIGNMENT.match(self.word.text):
            self._assign(self.word)
        if name in {"timeout", "taskset"} and self.word is not None and self.word.text[:1].isalnum():
            self.at += re.match(r"[\dxa-f,-]+[smhd]?\Z", self.word.text) is not None

    def _options(self, owner: str, valued: frozenset[str]) -> None:
        """Options of a wrapper up to the first word that is none."""
        while (word := self.word) is not None and word.text.startswith("-") and word.text != "-":
            if word.text == "--":
                self.at += 1
                return
            follows = self.words[self.at + 1] if self.at + 1 < len(self.words) else None
            takes = word.text in valued or (word.text in {"-e", "--env"} and owner in CONTAINERS)
            self.at += 1
            if word.text in {"-mca", "--mca"}:  # mpirun: a name and a value
                self._flag(owner, word, list(self.words[self.at : self.at + 2]))
                self.at += 2
            elif takes and follows is not None and "=" not in word.text:
                self.at += 1
                self._flag(owner, word, [follows])
                if word.text in {"-e", "--env", "-x"} and ASSIGNMENT.match(follows.text):
                    setting = assignment(self.text, follows, "env", f"{self.index}/", follows.note)
                    self.env[setting.key] = setting
            else:
                self._flag(owner, word, [])

    def _container(self) -> bool:
        verbs = [position for position in (self.at + 1, self.at + 2) if position < len(self.words)]
        run = next((position for position in verbs if self.words[position].text in {"run", "exec"}), None)
        if run is None:
            return False
        owner = base_name(self.words[self.at].text)
        self.at = run + 1
        self.launcher.append(owner)
        self.image = True
        options = {word.text for word in self.words[self.at :]} - CONTAINER_SWITCHES
        self._options(owner, frozenset(options))
        if self.word is None:
            return False
        image = self.word
        self.at += 1
        if self.word is None or self.word.text.startswith("-"):
            self.at -= 1
        else:
            self.positionals.append(self._positional(image, owner))
        return True

    def _program(self) -> None:
        word = self.word
        if word is None:
            return
        name = base_name(word.text)
        self.at += 1
        if PYTHONS.match(name):
            self._python(name)
        elif name in SHELLS and self.word is not None and SCRIPT.match(self.word.text):
            self.names += [name, self.word.text]
            self.launcher.append(self.word.text)
            self.at += 1
            self._target(self.launcher[-1])
        elif name in LAUNCHER_WORDS and self.word is not None and self.word.text == LAUNCHER_WORDS[name]:
            self.names += [name, self.word.text]
            self.launcher.append(f"{name} {self.word.text}")
            self.at += 1
            self._launcher(self.launcher[-1])
        elif name in LAUNCHERS:
            self.names.append(name)
            self.launcher.append(name)
            self._launcher(name)
        else:
            self._plain(word.text if self.image or SCRIPT.match(word.text) else name)

    def _plain(self, name: str) -> None:
        self.names.append(name)
        self.launcher.append(name)
        allowed = 2 if name in TWO_WORDS else 1
        while allowed and self.word is not None and SUBCOMMAND.match(self.word.text):
            self.names.append(self.word.text)
            self.at += 1
            allowed -= 1
        self._target(name)

    def _python(self, name: str) -> None:
        self.names.append(name)
        while (word := self.word) is not None and word.text.startswith("-"):
            self.at += 1
            if word.text in {"-m", "-um"} and self.word is not None:
                module = self.word.text
                self.names += ["-m", module]
                self.launcher.append(module)
                self.at += 1
                if module in LAUNCHER_MODULES:
                    self._launcher(module)
                else:
                    self._target(module)
                return
            if word.text == "-c":
                self.launcher.append("-c")
                self._target("-c")
                return
            self.at += word.text in PYTHON_VALUES
        if self.word is None:
            self.launcher.append(name)
            return
        script = self.word
        self.at += 1
        self.names.append(script.text)
        self.launcher.append(script.text)
        if base_name(script.text) in LAUNCHERS:
            self._launcher(script.text)
        else:
            self._target(script.text)

    def _launcher(self, owner: str) -> None:
        """Options of a launcher up to the script: the first bare word that no option takes, or one that ends in .py."""
        while (word := self.word) is not None:
            if word.text in {"-m", "--module"} and self.at + 1 < len(self.words):
                self.at += 1
                self.names.append("-m")
                return self._script(self.words[self.at].text)
            if not is_flag(word):
                return self._script(word.text)
            self.at += 1
            follows = self.word
            if "=" in word.text or follows is None or is_flag(follows) or SCRIPT.match(follows.text):
                self._flag(owner, word, [])
            else:
                self.at += 1
                self._flag(owner, word, [follows])
        return None

    def _script(self, script: str) -> None:
        self.names.append(script)
        self.at += 1
        if script in LAUNCHER_MODULES:
            self.launcher.append(script)
            return self._launcher(script)
        if PYTHONS.match(base_name(script)):
            return self._python(script)
        self.launcher.append(script)
        return self._target(script)

    def _target(self, owner: str) -> None:
        """Flags with the bare words behind them, positionals and `key=value` overrides of the innermost program."""
        while (word := self.word) is not None:
            self.at += 1
            if is_flag(word):
                values: list[Word] = []
                while (value := self.word) is not None and not is_flag(value) and not (values and _others(value)):
                    if override(value) and (values or "," not in value.text):
                        break
                    values.append(value)
                    self.at += 1
                    if "=" in word.text:
                        self.positionals.append(self._positional(values.pop(), owner))
                self._flag(owner, word, values)
            elif override(word):
                self.positionals.append(assignment(self.text, word, "hydra", f"{self.index}/{owner}", word.note))
            elif word.text not in {"--", "\\"} and word.text.strip():
                self.positionals.append(self._positional(word, owner))

    def _positional(self, word: Word, owner: str) -> Setting:
        start, end = word.span
        value = word.text if word.quoted else scalar(word.text)
        line = self.text.line(start)
        scope = f"{self.index}/{owner}"
        raw = self.text.text[start:end] if word.placed else word.text
        span = word.span if word.placed else None
        return Setting(
            word.text, raw, value, self.text.file, line, None, span, "positional", scope=scope, note=word.note
        )

    def _flag(self, owner: str, word: Word, values: list[Word]) -> None:
        self.flags.append(flag(self.text, word, values, f"{self.index}/{owner}"))


def _others(word: Word) -> bool:
    """Arguments that are handed through, `"$@"` or an array nobody filled: they stand for options of their own."""
    return re.fullmatch(r"\$(?:[@*]|\{[@*]\}|\{\w+\[[@*]\]\})", word.text) is not None


def is_flag(word: Word) -> bool:
    """Whether an argument is an option: a negative number is a value, and so is a quoted sentence."""
    return FLAG.match(word.text) is not None and not (word.quoted and " " in word.text)


def override(word: Word) -> bool:
    """Whether a bare word is a `key=value` override as Hydra and OmegaConf take it."""
    return HYDRA.match(word.text) is not None and "://" not in word.text


def base_name(program: str) -> str:
    """The program without its folder: `/opt/conda/bin/python` -> `python`."""
    return program.replace("\\", "/").rstrip("/").rpartition("/")[2] or program


def flag(text: Text, word: Word, values: Sequence[Word], scope: str) -> Setting:
    """A flag with the words behind it, or its `=value`; True where it stands alone."""
    start, end = word.span
    written = text.text[start:end] if word.placed else ""
    name, equals, rest = word.text.partition("=")
    key = name.lstrip("-")
    line = text.line(start)
    at = written.find(key)
    key_span = (start + at, start + at + len(key)) if at >= 0 and key else None
    note = "; ".join(dict.fromkeys(part.note for part in (word, *values) if part.note)) or None
    if equals:
        split_at = written.find("=")
        value_span = (start + split_at + 1, end) if split_at >= 0 else None
        raw = text.text[slice(*value_span)] if value_span else rest
        if raw[-1:] in {'"', "'"} and written[:1] == raw[-1:] and value_span:  # the quotes enclose flag and value
            value_span, raw = (value_span[0], value_span[1] - 1), raw[:-1]
        return Setting(key, raw, scalar(rest), text.file, line, key_span, value_span, "flag", scope=scope, note=note)
    if not values:
        return Setting(key, "", True, text.file, line, key_span, None, "flag", scope=scope, note=note)
    first, last = values[0].span, values[-1].span
    ordered = (
        all(item.placed for item in values)
        and first[0] <= last[0]
        and all(a.span[1] <= b.span[0] for a, b in pairwise(values))
    )
    value_span = (first[0], last[1]) if ordered and (end <= first[0] or len(values) == 1) else None
    parsed = tuple(item.text if item.quoted and len(values) > 1 else scalar(item.text) for item in values)
    raw = text.text[slice(*value_span)] if value_span else " ".join(item.text for item in values)
    value = parsed[0] if len(parsed) == 1 else parsed
    return Setting(key, raw, value, text.file, line, key_span, value_span, "flag", scope=scope, note=note)


def assignment(text: Text, word: Word, kind: Kind, scope: str | None, note: str | None) -> Setting:
    """`NAME=value` as one word: an environment prefix, a shell variable or an override; `~name` removes."""
    start, end = word.span
    written = text.text[start:end] if word.placed else ""
    name, equals, rest = word.text.partition("=")
    key = name.lstrip("+~")
    at = written.find(key)
    key_span = (start + at, start + at + len(key)) if at >= 0 and key else None
    if name.startswith(("+", "~")):
        verb = "removed" if name[0] == "~" else "added"
        note = f"{verb}; {note}" if note else verb
    if not equals:
        return Setting(key, "", None, text.file, text.line(start), key_span, None, kind, scope=scope, note=note)
    split_at = written.find("=")
    value_span = (start + split_at + 1, end) if split_at >= 0 else None
    raw = text.text[slice(*value_span)] if value_span else rest
    if value_span and written[:1] in {'"', "'"} and raw[-1:] == written[:1]:
        value_span, raw = (value_span[0], value_span[1] - 1), raw[:-1]
    return Setting(
        key, raw, scalar(rest), text.file, text.line(start), key_span, value_span, kind, scope=scope, note=note
    )
