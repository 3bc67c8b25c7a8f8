"""Shell scripts and pasted commands, read with tree-sitter-bash; nothing is ever executed.

Words come from `shell_words`, commands from `launch`, prose around commands is `commands.py`'s matter.
"""

import re
from collections.abc import Iterator
from dataclasses import field, replace
from functools import cache
from typing import Any

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax import continuation
from oomdoc.ingest.syntax.launch import SHELLS, Builder, assignment, is_flag
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Command, Lost, Parsed, Problem, Setting, Text, names, shift
from oomdoc.ingest.syntax.shell_words import DEPTH, Evaluator, Node, Variables, Word
from oomdoc.messages import said

LIMIT = 2_000_000
ARGUMENTS = names(
    "word number string raw_string ansi_c_string translated_string concatenation expansion "
    "simple_expansion arithmetic_expansion command_substitution process_substitution "
    "brace_expression regex test_operator"
)
ELISION = lazy(r"(?:#\s*)?(?:\[?\.{3,}\]?|…+)\s*\\?\Z")
BRANCHES = {
    "if_statement": "in a branch",
    "case_statement": "in a branch",
    "for_statement": "in a loop",
    "c_style_for_statement": "in a loop",
    "while_statement": "in a loop",
    "function_definition": "in a function",
}
# Programs that start no run; their arguments are no settings.
ORDINARY = names(
    "cd echo printf mkdir rm cp mv ls cat tee grep sed awk head tail sleep source . pip pip3 git apt apt-get wget "
    "curl chmod chown ln touch find xargs kill pkill ps top test [ [[ true false exit return set unset shift read "
    "local trap wait ulimit module which date hostname nvidia-smi df du free tar unzip zip scp rsync ssh less "
    "more sort uniq wc cut tr basename dirname type alias pushd popd yum brew make cmake conda mamba npm node hf "
    "huggingface-cli modelscope kubectl systemctl service crontab screen tmux watch ssh-keygen gcc nvcc ldd lsof "
    "lspci lscpu uname"
)

UNEXPORTED = "not exported"  # the note of an assignment whose value no program of the script sees
_HANDED_ON = (
    r"\$\{?[!#]?NAME\b|(?:-e|--env|--export)[ =]\S*NAME\b|\bset\s+-(?:a\b|o\s+allexport)|\bexport\b[^\n]*\bNAME\b"
)


@cache
def _parser() -> Any:
    import tree_sitter_bash  # imported here: the grammar costs some milliseconds, and only a command needs it
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def parse(text: str, file_name: str = "<text>", *, pasted: bool = False) -> Parsed:
    """Settings and commands of a shell script; `pasted` repairs what pasting into a web page breaks everywhere."""
    original = Text.of(text, file_name)
    if len(text) > LIMIT:
        return Parsed("shell", problems=(Problem(1, said("syntax.script_long", count=len(text))),))
    fixed, note = continuation.windows(text), None
    if pasted:
        fixed, note = continuation.pasted(fixed)
    reader = _Reader(original, note)
    reader.evaluator = Evaluator(text, Variables())
    fixed = reader.windows_environment(fixed)
    reader.sbatch()
    tree = _parser().parse(continuation.mask(fixed).encode())
    reader.visit(tree.root_node, 0, None)
    problems = list(reader.problems)
    if "\r\n" in text and not pasted and fixed == text and not file_name.lower().endswith((".bat", ".cmd", ".ps1")):
        problems.append(Problem(1, said("syntax.crlf")))
    return Parsed("shell", tuple(reader.handed_on()), tuple(reader.commands), tuple(problems))


@dataclass(slots=True)
class _Reader:
    text: Text
    note: str | None
    settings: list[Setting] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    exported: dict[str, Setting] = field(default_factory=dict)
    evaluator: Evaluator = field(default_factory=lambda: Evaluator("", Variables()))
    last_end: int = 0

    def visit(self, node: Node, depth: int, note: str | None) -> None:
        """Walk statements in the order of the text, every branch of them."""
        if depth > DEPTH:
            if not any("deeply" in problem.message for problem in self.problems):
                self.problems.append(Problem(self.text.line(node.start_byte), said("syntax.deep")))
            return
        kind = node.type
        note = BRANCHES.get(kind, note)
        if kind == "command":
            self._command(node, note)
        elif kind == "variable_assignment":
            self._assign(node, "assignment", note)
        elif kind == "declaration_command":
            self._declare(node, note)
        elif kind == "redirected_statement" and self._heredoc(node):
            return
        else:
            if kind == "for_statement":
                self._loop(node)
            if kind == "ERROR" and node.end_byte > node.start_byte:
                line = self.text.line(node.start_byte)
                self.problems.append(Problem(line, said("syntax.not_shell")))
            for child in node.children:
                self.visit(child, depth + 1, note)
            if kind == "ERROR":
                self._rescue(node)

    def _command(self, node: Node, note: str | None) -> None:
        words: list[Word] = []
        env: list[Setting] = []
        # The grammar lets a comment stand between assignments and their command; bash ends the assignments there.
        begin = max((child.end_byte for child in node.children if child.type == "comment"), default=node.start_byte)
        start = next((child.start_byte for child in node.children if child.start_byte >= begin), node.start_byte)
        for child in node.children:
            if child.type == "variable_assignment" and child.end_byte <= begin:
                self._assign(child, "assignment", note)
            elif child.type == "variable_assignment":
                setting = self._assignment(child, "env", note)
                env.extend([setting] if setting else [])
            elif child.type == "command_name":
                inner = child.children[0] if child.child_count == 1 else child
                words.extend(self.evaluator.words(inner))
            elif child.type in ARGUMENTS:
                words.extend(self.evaluator.words(child))
        self._run(words, env, (start, node.end_byte), note)

    def _run(self, words: list[Word], env: list[Setting], span: tuple[int, int], note: str | None) -> None:
        if words and is_flag(words[0]) and self.commands and not env:
            if self.text.text[self.last_end : span[0]].count("\n") <= 6:
                self._lost(words, span)
            return
        if not words or not words[0].text or words[0].text in ORDINARY:  # no text: a pipe that leads nowhere
            self._shell_set(words)
            return
        reading = "; ".join(part for part in (note, self.note) if part) or None
        builder = Builder(self.text, words, len(self.commands), reading, env=dict(self.exported))
        index = len(self.commands)
        builder.env.update({setting.key: replace(setting, scope=f"{index}/") for setting in env})
        command = builder.build(span)
        bare = command is not None and command.words[0] in SHELLS and not (command.flags or command.positionals)
        if command is None or command.words[0] in ORDINARY or (bare and len(command.words) == 1):
            return
        self.last_end = span[1]
        self.commands.append(command)
        own = [setting for name, setting in command.env.items() if self.exported.get(name) is not setting]
        self.settings += [*own, *command.flags, *command.positionals]

    def _shell_set(self, words: list[Word]) -> None:
        """`set NAME=value` of cmd.exe."""
        if len(words) == 2 and words[0].text.lower() == "set" and "=" in words[1].text:
            setting = assignment(self.text, words[1], "env", None, words[1].note)
            self.exported[setting.key] = setting
            self.settings.append(setting)

    def _lost(self, words: list[Word], span: tuple[int, int]) -> None:
        above = self.text.text[: span[0]].rstrip().rpartition("\n")[2].strip()
        if ELISION.match(above):  # "..." stands for flags that the person left out of the paste
            return
        builder = Builder(self.text, [Word("-", (span[0], span[0])), *words], len(self.commands) - 1, None)
        built = builder.build(span)
        command = self.commands[-1]
        flags = tuple(replace(item, note="lost", scope=None) for item in built.flags) if built else ()
        end = command.lost[-1].span[1] if command.lost else self.last_end
        reason, break_span = continuation.broken_by(self.text.text, end, span[0])
        lost = Lost(self.text.text[slice(*span)], flags, self.text.line(span[0]), span, break_span, reason)
        self.commands[-1] = replace(command, lost=(*command.lost, lost))

    def _assignment(self, node: Node, kind: Any, note: str | None) -> Setting | None:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        if name is None or name.type != "variable_name":
            return None
        key = self.text.text[name.start_byte : name.end_byte]
        span = (node.start_byte, node.end_byte)
        key_span, value_span = (name.start_byte, name.end_byte), (node.end_byte, node.end_byte)
        text, remark = "", None
        if value is not None:
            text, remark = self.evaluator.value(value)
            value_span = (value.start_byte, value.end_byte)
        word = Word(f"{key}={text}", span, remark)
        plain = assignment(self.text, word, kind, None, "; ".join(part for part in (note, remark) if part) or None)
        return replace(plain, key_span=key_span, value_span=value_span, raw=self.text.text[slice(*value_span)])

    def _assign(self, node: Node, kind: Any, note: str | None) -> None:
        value = node.child_by_field_name("value")
        setting = self._assignment(node, kind, note)
        if setting is None:
            return
        appended = any(child.type == "+=" for child in node.children)
        if value is not None and value.type == "array":
            words = tuple(word for child in value.named_children for word in self.evaluator.words(child))
        else:
            literal = value is not None and value.type in {"word", "number", "string", "raw_string", "concatenation"}
            text, remark = self.evaluator.value(value) if value is not None else ("", None)
            span = (value.start_byte, value.end_byte) if value is not None else (node.end_byte, node.end_byte)
            words = (Word(text, span, note or remark, literal=literal and remark is None),)
        variables = self.evaluator.variables
        if appended:
            before = variables.values.get(setting.key, ())
            array = value is not None and value.type == "array"
            joined = (
                Word("".join(word.text for word in (*before, *words)), words[-1].span, literal=False, placed=False)
                if words
                else None
            )
            words = (*before, *words) if array else (joined,) if joined else before
        variables.values[setting.key] = words
        variables.lines[setting.key] = setting.line
        if value is not None and value.type == "array":
            setting = replace(setting, value=tuple(word.text for word in words))
        if kind == "env" or setting.key in self.exported:
            setting = replace(setting, kind="env")
            self.exported[setting.key] = setting
        self.settings.append(setting)

    def _declare(self, node: Node, note: str | None) -> None:
        exports = node.child_count > 0 and node.children[0].type in {"export", "declare", "typeset"}
        exports = exports and (
            node.children[0].type == "export" or "-x" in self.text.text[node.start_byte : node.end_byte]
        )
        for child in node.children:
            if child.type == "variable_assignment":
                self._assign(child, "env" if exports else "assignment", note)
            elif child.type == "variable_name" and exports:
                name = self.text.text[child.start_byte : child.end_byte]
                known = next((item for item in reversed(self.settings) if item.key == name), None)
                if known is not None and known.kind == "assignment":
                    self.exported[name] = replace(known, kind="env")

    def _loop(self, node: Node) -> None:
        name = node.child_by_field_name("variable")
        values = [word for child in node.children_by_field_name("value") for word in self.evaluator.words(child)]
        if name is None or not values:
            return
        key = self.text.text[name.start_byte : name.end_byte]
        remark = f"one of {', '.join(word.text for word in values[:8])}" if len(values) > 1 else None
        self.evaluator.variables.values[key] = (replace(values[0], note=remark, literal=False),)
        self.evaluator.variables.lines[key] = self.text.line(name.start_byte)

    def _heredoc(self, node: Node) -> bool:
        """`cat > ds.json <<EOF`: a nested document under its own name; True where the statement is done with."""
        body = next(
            (child for part in node.children for child in (part, *part.children) if child.type == "heredoc_body"), None
        )
        if body is None:
            return False
        names = [child for part in node.children for child in part.children if part.type == "file_redirect"]
        for part in node.children:
            for inner in part.children:
                if inner.type == "file_redirect":
                    names += inner.children
        target = next((self.text.text[c.start_byte : c.end_byte] for c in names if c.type in ARGUMENTS), "<heredoc>")
        content = self.text.text[body.start_byte : body.end_byte]
        first = node.children[0] if node.children else None
        if target == "<heredoc>" and first is not None and first.type == "command":
            words = self.text.text[first.start_byte : first.end_byte]
            target = "<heredoc>.py" if words.startswith("python") else target
        from oomdoc.ingest.syntax.detect import parse as parse_any  # the readers call one another

        nested = parse_any(content, target.strip("'\""))
        line = self.text.line(body.start_byte) - 1
        moved = shift(nested, body.start_byte, line, file=self.text.file, scope=target.strip("'\""))
        if nested.syntax not in {"shell", "unknown"}:
            self.settings.extend(moved.settings)
            self.problems.extend(moved.problems)
        return first is None or target != "<heredoc>"

    def _rescue(self, node: Node) -> None:
        """Words that stand loose inside an error: a command whose quote never closes."""
        words: list[Word] = []
        env: list[Setting] = []
        for child in node.children:
            if child.type in ARGUMENTS or child.type == "command_name":
                words.extend(self.evaluator.words(child))
            elif child.type == "variable_assignment":
                continue
        if len(words) > 1 and not is_flag(words[0]):
            self._run(words, env, (words[0].span[0], words[-1].span[1]), None)

    def handed_on(self) -> Iterator[Setting]:
        """The settings, with a note on every assignment that the shell keeps to itself: neither exported nor read."""
        last = max((command.span[0] for command in self.commands), default=0)
        for setting in self.settings:
            if setting.kind != "assignment" or setting.key in self.exported or setting.note or not setting.key_span:
                yield setting
                continue
            used = re.search(_HANDED_ON.replace("NAME", re.escape(setting.key)), self.text.text)
            yield setting if used or setting.key_span[0] > last else replace(setting, note=UNEXPORTED)

    def windows_environment(self, text: str) -> str:
        """`$env:NAME = "value"` of PowerShell; the line is blanked for bash."""
        return text if "$env:" not in text.lower() else _powershell(self, text)

    def sbatch(self) -> None:
        """`#SBATCH --mem=64G` lines as flags with the scope `sbatch`."""
        if "#SBATCH" not in self.text.text and "#PBS" not in self.text.text and "#BSUB" not in self.text.text:
            return
        from oomdoc.ingest.syntax.wrappers import sbatch

        self.settings.extend(sbatch(self.text))


def _powershell(reader: _Reader, text: str) -> str:
    from oomdoc.ingest.syntax.wrappers import powershell_environment

    found, rest = powershell_environment(reader.text, text)
    for setting in found:
        reader.exported[setting.key] = setting
        reader.settings.append(setting)
    return rest
