"""Python files by `ast`: keyword literals of calls, assignments, argparse and dataclass defaults, os.environ.

Nothing is imported, compiled to code, or run. A file that Python 3 cannot parse goes through `python_broken`.
"""

import ast
import re
import warnings
from dataclasses import field

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.python_constants import Known, NotConstantError, Scope, dotted, evaluate
from oomdoc.ingest.syntax.setting import (
    AN_EXPRESSION,
    Command,
    Kind,
    Origin,
    Parsed,
    Problem,
    Setting,
    Span,
    Text,
    merge,
    shift,
)
from oomdoc.messages import said

LIMIT = 2_000_000
NEWLINE = lazy(r"\r\n|\r|\n")
BLANKED = lazy(r"(?m)^(?P<indent>[ \t]*)(?P<rest>(?:print[ \t]+[^(=\n\r.,\[][^\n\r]*|[!%][^\n\r]*))")
INDENTED = lazy(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]+[^\s#]")
PARSERS = frozenset({"add_argument", "add_arg", "option", "argument", "Option", "Argument"})
FIELDS = frozenset({"field", "Field", "Option", "Argument"})
DEFINES = lazy(r"(?:DEFINE|define)_\w+\Z")
QUIET = frozenset(
    "print len range str int float repr format join append info warning debug error isinstance getattr".split()
)
ACTIONS: dict[str, Known] = {"store_true": False, "store_false": True, "count": 0}


def parse(text: str, file_name: str = "<text>") -> Parsed:
    """Settings of a Python file; a part that cannot be parsed is scanned for keywords and the problem is named."""
    if len(text) > LIMIT:
        return Parsed("python", problems=(Problem(1, said("syntax.file_long", count=len(text))),))
    if text[:1] == "\ufeff":
        return shift(parse(text[1:], file_name), 1, 0)
    if text[:1] in {" ", "\t"} or INDENTED.match(text):
        wrapped = parse(f"if 1:\n{text}", file_name)  # a snippet cut out of a function
        if not wrapped.problems:
            return shift(wrapped, -6, -1)
    problems: list[Problem] = []
    try:
        tree = _tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        problems.append(Problem(line, said("syntax.not_python", why=getattr(error, "msg", None) or error)))
        blanked = BLANKED.sub(_blank, text)
        try:
            tree = _tree(blanked)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            from oomdoc.ingest.syntax import python_broken

            parsed = python_broken.parse(text, file_name)
            return Parsed("python", parsed.settings, parsed.commands, (*problems, *parsed.problems))
    reader = Reader(Text.of(text, file_name))
    try:
        reader.body(tree.body, Scope(), None)
    except RecursionError:
        problems.append(Problem(1, said("syntax.deep")))
    commands = merge("python", [Parsed("python", tuple(reader.settings)), *reader.commands])
    return Parsed("python", commands.settings, commands.commands, tuple(problems))


def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in people's files
        return ast.parse(text)


def _blank(match: re.Match[str]) -> str:
    return match["indent"] + "pass".ljust(len(match["rest"])) if len(match["rest"]) >= 4 else match[0]


@dataclass(slots=True)
class Reader:
    """Walks statements in order, binding constants as it goes."""

    text: Text
    settings: list[Setting] = field(default_factory=list)
    commands: list[Parsed] = field(default_factory=list)
    lines: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        start = 0
        for match in NEWLINE.finditer(self.text.text):
            self.lines.append((start, self.text.text[start : match.start()]))
            start = match.end()
        self.lines.append((start, self.text.text[start:]))

    def offset(self, line: int, column: int) -> int:
        """Character offset of a place that `ast` gives as a line and a column in UTF-8 bytes."""
        if line > len(self.lines):
            return len(self.text.text)
        start, content = self.lines[line - 1]
        if content.isascii():
            return start + column
        return start + len(content.encode("utf-8", "replace")[:column].decode("utf-8", "replace"))

    def span(self, node: ast.expr | ast.keyword | ast.arg) -> Span:
        """Character span of a node."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column)

    def body(self, statements: list[ast.stmt], scope: Scope, name: str | None) -> None:
        """Read statements of a block."""
        for statement in statements:
            self.statement(statement, scope, name)

    def statement(self, node: ast.stmt, scope: Scope, name: str | None) -> None:
        """Read one statement and the blocks inside it."""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                self.expression(decorator, scope, node.name)
            self.parameters(node, scope)
            self.body(node.body, Scope(scope), node.name)
        elif isinstance(node, ast.ClassDef):
            self.body(node.body, Scope(scope), node.name)
        elif isinstance(node, ast.Assign):
            self.expression(node.value, scope, name)
            for target in node.targets:
                self.assign(target, node.value, scope, name)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self.annotated(node, node.value, scope, name)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            scope.forget(node.target.id)
        else:
            for child in ast.iter_child_nodes(node):
                self.child(child, scope, name)

    def child(self, node: ast.AST, scope: Scope, name: str | None) -> None:
        """Read whatever stands inside a compound statement."""
        if isinstance(node, ast.stmt):
            self.statement(node, scope, name)
        elif isinstance(node, ast.expr):
            self.expression(node, scope, name)
        else:
            for inner in ast.iter_child_nodes(node):
                self.child(inner, scope, name)

    def expression(self, node: ast.expr, scope: Scope, name: str | None) -> None:
        """Read every call inside an expression."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call):
                self.call(inner, scope, name)

    def assign(self, target: ast.expr, value: ast.expr, scope: Scope, name: str | None) -> None:
        """`x = 4`, `args.x = 4`, `cfg["x"] = 4`, `os.environ["X"] = "4"`."""
        if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
            if len(target.elts) == len(value.elts):
                for left, right in zip(target.elts, value.elts, strict=True):
                    self.assign(left, right, scope, name)
            return
        place = self.target(target)
        if place is None:
            return
        key, key_span, kind = place
        self.value(key, key_span, value, scope, kind, name, quiet=True)
        if isinstance(target, ast.Name):
            scope.forget(target.id)
            if isinstance(value, ast.Dict):
                scope.dicts[target.id] = value
            try:
                scope.values[target.id] = (evaluate(value, scope)[0], target.lineno)
            except NotConstantError:
                return

    def target(self, node: ast.expr) -> tuple[str, Span | None, Kind] | None:
        """The key of an assignment's left side, and where its last part stands."""
        start, end = self.span(node)
        if isinstance(node, ast.Name):
            return node.id, (start, end), "python-assign"
        if isinstance(node, ast.Attribute):
            try:
                path = dotted(node)
            except NotConstantError:
                return None
            return path, (end - len(node.attr), end), "python-assign"
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            inner_start, inner_end = self.span(node.slice)
            raw = self.text.text[inner_start:inner_end]
            plain = raw[1:-1] == node.slice.value
            span = (inner_start + 1, inner_end - 1) if plain else None
            base = self.target(node.value)
            if base is None:
                return None
            if base[0] in {"os.environ", "environ"}:
                return node.slice.value, span, "env"
            return f"{base[0]}.{node.slice.value}", span, "python-assign"
        return None

    def annotated(self, node: ast.AnnAssign, value: ast.expr, scope: Scope, name: str | None) -> None:
        """`x: int = 4`: a dataclass field's default where it stands in a class, else an assignment."""
        if not isinstance(node.target, ast.Name) or name is None or not name[:1].isupper():
            self.expression(value, scope, name)
            self.assign(node.target, value, scope, name)
            return
        default = value
        if isinstance(value, ast.Call) and self.callee(value).rpartition(".")[2] in FIELDS:
            given = next((word.value for word in value.keywords if word.arg == "default"), None)
            given = value.args[0] if given is None and value.args else given
            if given is None:
                return
            default = given
        self.value(node.target.id, self.span(node.target), default, scope, "argparse-default", name, origin="default")

    def parameters(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        """Defaults of a function's parameters: `def train(batch_size=4)`."""
        positional = [*node.args.posonlyargs, *node.args.args]
        given = list(zip(positional[len(positional) - len(node.args.defaults) :], node.args.defaults, strict=True))
        given += [
            (argument, default)
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if default is not None
        ]
        for argument, default in given:
            start, _ = self.span(argument)
            span = (start, start + len(argument.arg))
            self.value(argument.arg, span, default, scope, "argparse-default", node.name, origin="default", quiet=True)

    def callee(self, node: ast.Call) -> str:
        """`TrainingArguments`, `AutoModel.from_pretrained`, or the last name of a longer chain."""
        try:
            path = dotted(node.func)
        except NotConstantError:
            return node.func.attr if isinstance(node.func, ast.Attribute) else ""
        parts = path.split(".")
        return ".".join(parts[-2:]) if len(parts) > 1 and parts[-2][:1].isupper() else parts[-1]

    def call(self, node: ast.Call, scope: Scope, name: str | None) -> None:
        """The literals of one call."""
        callee = self.callee(node)
        last = callee.rpartition(".")[2]
        if not callee or last in QUIET:
            return
        if (last in PARSERS or DEFINES.match(last)) and node.args and self.option(node, scope, last):
            return
        if last in {"system", "run", "Popen", "call", "check_call", "check_output"} and node.args:
            self.started(node.args[0])
        if last == "setdefault" and len(node.args) == 2 and "environ" in ast.unparse(node.func):
            self.environment(node, scope, name)
            return
        for place, argument in enumerate(node.args[:8]):
            if isinstance(argument, (ast.Constant, ast.Name, ast.JoinedStr, ast.BinOp, ast.Call)):
                self.value(f"{callee}.{place}", None, argument, scope, "python-call", name, quiet=True)
        for word in node.keywords:
            if word.arg is None:
                self.unpacked(callee, word.value, scope, name)
                continue
            start = self.span(word)[0]
            span = (start, start + len(word.arg))
            kind: Kind = "argparse-default" if last == "set_defaults" else "python-call"
            key = word.arg if last == "set_defaults" else f"{callee}.{word.arg}"
            self.value(key, span, word.value, scope, kind, name)
        if not node.args and not node.keywords and isinstance(node.func, ast.Attribute):
            end = self.span(node.func)[1]
            span = (end - len(node.func.attr), end)
            self.add(f"{callee}()", "", True, span, None, "python-call", name, None)

    def unpacked(self, callee: str, node: ast.expr, scope: Scope, name: str | None) -> None:
        """`**options` whose dict is written in this file."""
        display = (
            node if isinstance(node, ast.Dict) else scope.find_dict(node.id) if isinstance(node, ast.Name) else None
        )
        if display is not None:
            self.dictionary(callee, display, scope, "python-call", name, "explicit")

    def environment(self, node: ast.Call, scope: Scope, name: str | None) -> None:
        """`os.environ.setdefault("X", "4")`."""
        key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            start, end = self.span(key)
            self.value(key.value, (start + 1, end - 1), node.args[1], scope, "env", name)

    def option(self, node: ast.Call, scope: Scope, last: str) -> bool:
        """`add_argument("--x", default=4)`, `click.option`, `flags.DEFINE_integer("x", 4, ...)`."""
        names = [item for item in node.args if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        words = {word.arg: word.value for word in node.keywords if word.arg}
        if not names:
            return False
        define = DEFINES.match(last) is not None
        flags = names[:1] if define else [item for item in names if str(item.value).startswith("-")]
        chosen = next((item for item in flags if str(item.value).startswith("--")), (flags or names)[0])
        written = str(chosen.value)
        key = written.lstrip("-").partition("/")[0]
        start, end = self.span(chosen)
        at = self.text.text.find(key, start, end)
        span = (at, at + len(key)) if at >= 0 and key else None
        default = words.get("default") or (node.args[1] if define and len(node.args) > 1 else None)
        action = words.get("action")
        action_name = action.value if isinstance(action, ast.Constant) and isinstance(action.value, str) else ""
        switch = isinstance(words.get("is_flag"), ast.Constant)
        kind: Kind = "argparse-default"
        if default is None:
            note = "required" if "required" in words else f"action {action_name}" if action_name else None
            value = ACTIONS.get(action_name, False if switch else None)
            self.add(key, "", value, span, None, kind, None, note, "default")
        else:
            self.value(key, span, default, scope, kind, None, origin="default")
        return True

    def started(self, node: ast.expr) -> None:
        """`os.system("python ...")` and `subprocess.run(["torchrun", ...])` as commands."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            start, end = self.span(node)
            raw = self.text.text[start:end]
            quote = 3 if raw[:3] in {'"""', "'''"} else 1
            if raw[quote:-quote] == node.value:
                from oomdoc.ingest.syntax import shell

                parsed = shell.parse(node.value, self.text.file, pasted=True)
                self.commands.append(shift(parsed, start + quote, self.text.line(start + quote) - 1))
        elif isinstance(node, ast.List) and all(isinstance(item, ast.Constant) for item in node.elts) and node.elts:
            command = self.listed(node)
            if command is not None:
                settings = (*command.env.values(), *command.flags, *command.positionals)
                self.commands.append(Parsed("python", settings, (command,)))

    def listed(self, node: ast.List) -> Command | None:
        """A list of words as a command."""
        from oomdoc.ingest.syntax.launch import Builder
        from oomdoc.ingest.syntax.shell_words import Word

        words = []
        for item in node.elts:
            start, end = self.span(item)
            value = item.value if isinstance(item, ast.Constant) else ""
            text = value if isinstance(value, str) else str(value)
            if isinstance(value, str) and self.text.text[start + 1 : end - 1] == value:
                start, end = start + 1, end - 1
            words.append(Word(text, (start, end)))
        return Builder(self.text, words, 0).build(self.span(node))

    def value(
        self,
        key: str,
        key_span: Span | None,
        node: ast.expr,
        scope: Scope,
        kind: Kind,
        name: str | None,
        *,
        origin: Origin = "explicit",
        quiet: bool = False,
    ) -> None:
        """Add the setting of an expression; one that is no constant is kept as text, or left out when `quiet`."""
        if isinstance(node, ast.Dict):
            self.dictionary(key, node, scope, kind, name, origin)
            return
        start, end = self.span(node)
        raw = self.text.text[start:end]
        note: str | None
        try:
            known, note = evaluate(node, scope)
        except NotConstantError:
            if quiet:
                return
            known, note = raw, AN_EXPRESSION
        self.add(key, raw, known, key_span, (start, end), kind, name, note, origin)

    def dictionary(self, key: str, node: ast.Dict, scope: Scope, kind: Kind, name: str | None, origin: Origin) -> None:
        """Entries of a dict display under dotted keys."""
        for entry, value in zip(node.keys, node.values, strict=True):
            if isinstance(entry, ast.Constant) and isinstance(entry.value, (str, int)):
                start, end = self.span(entry)
                plain = self.text.text[start + 1 : end - 1] == entry.value
                span = (start + 1, end - 1) if plain else None
                self.value(f"{key}.{entry.value}", span, value, scope, kind, name, origin=origin)

    def add(
        self,
        key: str,
        raw: str,
        value: Known,
        key_span: Span | None,
        value_span: Span | None,
        kind: Kind,
        scope: str | None,
        note: str | None,
        origin: Origin = "explicit",
    ) -> None:
        """Append one setting; its line is that of the key."""
        place = key_span or value_span
        line = self.text.line(place[0]) if place else 1
        self.settings.append(
            Setting(key, raw, value, self.text.file, line, key_span, value_span, kind, origin, scope, note)
        )
