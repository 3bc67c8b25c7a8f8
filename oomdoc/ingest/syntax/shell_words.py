"""Words of a shell command as the shell would make them: quotes, variables, arrays, literal arithmetic.

Works on tree-sitter-bash nodes whose offsets are character offsets (see `shell.mask`). Nothing is executed: a command
substitution stays as written and is noted.
"""

import re
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Span

if TYPE_CHECKING:
    import ast

Node: TypeAlias = Any  # tree_sitter.Node; the package is imported only when a command was found
DEPTH = 40
PIECE = lazy(r"\S+")
ESCAPE = lazy(r"\\(?:\r?\n|(.))", re.DOTALL)
EXPANSION = lazy(
    r"\$\{(?P<name>[#!]?\w+)(?P<index>\[[@*\w]+\])?"
    r"(?:(?P<op>:?[-=+?])(?P<default>.*))?\}\Z",
    re.DOTALL,
)
ARITHMETIC = lazy(r"[\d+\-*/%() \t]{1,200}\Z")


@dataclass(frozen=True, slots=True)
class Word:
    """One argument after expansion; `span` is where it stands, in the command or inside the variable's literal."""

    text: str
    span: Span
    note: str | None = None
    quoted: bool = False
    literal: bool = True
    placed: bool = True  # False where the text came together from several places and stands nowhere as such


@dataclass(slots=True)
class Variables:
    """Shell variables known so far: words with the place of their literal; arrays have several words."""

    values: dict[str, tuple[Word, ...]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Evaluator:
    """Turns argument nodes into words, reading the original text by offset."""

    text: str
    variables: Variables

    def words(self, node: Node) -> list[Word]:
        """The arguments one node becomes: none for an empty array, several for an unquoted list."""
        span = (node.start_byte, node.end_byte)
        array = self._array(node)
        if array is not None:
            return array
        if node.type in {"simple_expansion", "expansion"}:
            return self._unquoted(node, span)
        value, note = self.value(node)
        quoted = node.type in {"string", "raw_string", "ansi_c_string"}
        return [Word(value, span, note, quoted, note is None)]

    def _array(self, node: Node) -> list[Word] | None:
        inner = node
        if node.type == "string" and node.named_child_count == 1:
            inner = node.named_children[0]
        if inner.type != "expansion":
            return None
        match = EXPANSION.match(self.text[inner.start_byte : inner.end_byte])
        if match and match["index"] in {"[@]", "[*]"} and match["name"] in self.variables.values:
            return list(self.variables.values[match["name"]])
        return None

    def _unquoted(self, node: Node, span: Span) -> list[Word]:
        name = self._name(node)
        known = self.variables.values.get(name, ()) if name else ()
        value, note = self.value(node)
        if len(known) == 1 and known[0].text == value:
            pieces = split(known[0], self.text, span, note)
            if len(pieces) > 1:
                return pieces
        if not value and note is not None and not note.startswith("unresolved"):
            return []
        return [Word(value, span, note, quoted=False, literal=False)]

    def _name(self, node: Node) -> str | None:
        written = self.text[node.start_byte : node.end_byte]
        match = EXPANSION.match(written)
        if match:
            return None if match["index"] else match["name"]
        return written[1:] if written[:1] == "$" else None

    def value(self, node: Node, depth: int = 0) -> tuple[str, str | None]:
        """The text a node stands for and a note where it is not simply what is written."""
        written = self.text[node.start_byte : node.end_byte]
        if depth > DEPTH:
            return written, "nested too deeply"
        kind = node.type
        if kind == "raw_string":
            return written[1:-1], None
        if kind == "ansi_c_string":
            return written[2:-1], None
        if kind in {"string", "translated_string", "concatenation", "command_name"}:
            return self._joined(node, depth)
        if kind == "simple_expansion":
            return self._variable(written[1:], written)
        if kind == "expansion":
            return self._expansion(written)
        if kind == "arithmetic_expansion":
            return self._arithmetic(written)
        if kind in {"command_substitution", "process_substitution"}:
            return written, "unresolved command substitution"
        return unescape(written), None

    def _joined(self, node: Node, depth: int) -> tuple[str, str | None]:
        start, end = node.start_byte, node.end_byte
        quoted = node.type in {"string", "translated_string"}
        if quoted:
            start += 2 if node.type == "translated_string" else 1
            end -= 1
        parts, notes, position = [], [], start
        for child in node.children:
            if child.type in {'"', "$"} or child.start_byte < start or child.end_byte > end:
                continue
            parts.append(unescape(self.text[position : child.start_byte]))
            if child.type == "string_content":
                parts.append(unescape(self.text[child.start_byte : child.end_byte], quoted=True))
            else:
                value, note = self.value(child, depth + 1)
                parts.append(value)
                notes.extend([note] if note else [])
            position = child.end_byte
        parts.append(unescape(self.text[position:end], quoted=quoted))
        return "".join(parts), "; ".join(dict.fromkeys(notes)) or None

    def _variable(self, name: str, written: str) -> tuple[str, str | None]:
        known = self.variables.values.get(name)
        if not known:
            return written, f"unresolved variable {name}"
        value = " ".join(word.text for word in known)
        note = f"{name} from line {self.variables.lines.get(name, 0)}"
        extra = next((word.note for word in known if word.note), None)
        return value, f"{note} ({extra})" if extra else note

    def _expansion(self, written: str) -> tuple[str, str | None]:
        match = EXPANSION.match(written)
        if not match:
            return written, f"unresolved expansion {written[:60]}"
        name, operator, default = match["name"], match["op"], match["default"] or ""
        if name in self.variables.values and operator not in {"+", ":+"}:
            return self._variable(name, written)
        if operator in {"-", ":-", "=", ":="}:
            simple = (
                default[1:-1] if len(default) > 1 and default[0] == default[-1] and default[0] in "'\"" else default
            )
            return unescape(simple), f"default of {name}, which is not set here"
        return written, f"unresolved variable {name}"

    def _arithmetic(self, written: str) -> tuple[str, str | None]:
        body = written[3:-2] if written.startswith("$((") else written[2:-1]
        names: list[str] = []

        def substitute(match: re.Match[str]) -> str:
            name = match[0].lstrip("${").rstrip("}")
            names.append(name)
            known = self.variables.values.get(name)
            return known[0].text if known and len(known) == 1 else match[0]

        plain = re.sub(r"\$?\{?[A-Za-z_]\w*\}?", substitute, body)
        result = arithmetic(plain)
        if result is None:
            return written, "unresolved arithmetic"
        return str(result), f"computed from {body.strip()}"


def arithmetic(expression: str) -> int | None:
    """The value of integer arithmetic in literals (`4*8`), None for anything else. Division truncates, as in bash."""
    if not ARITHMETIC.match(expression):
        return None
    import ast  # imported here: scripts rarely compute

    try:
        return _compute(ast.parse(expression.strip(), mode="eval").body, 0)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return None


def _compute(node: "ast.expr", depth: int) -> int:
    import ast

    if depth > DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _compute(node.operand, depth + 1)
        return -inner if isinstance(node.op, ast.USub) else inner
    if not isinstance(node, ast.BinOp) or isinstance(node.op, ast.Pow):
        raise ValueError("not integer arithmetic, or a power that may be huge")  # noqa: TRY004
    left, right = _compute(node.left, depth + 1), _compute(node.right, depth + 1)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return quotient if isinstance(node.op, (ast.Div, ast.FloorDiv)) else left - quotient * right


def split(word: Word, text: str, used: Span, note: str | None) -> list[Word]:
    """The words an unquoted `$VAR` splits into, each at its own place inside the variable's definition.

    Where the definition was put together from other lists of words, they have no place of their own.
    """
    start, end = word.span
    written = text[start:end]
    if len(written) > 1 and written[0] == written[-1] and written[0] in "'\"":
        start, written = start + 1, written[1:-1]
    pieces = [match for match in PIECE.finditer(written) if match[0] != "\\"]
    values = [value for value in word.text.split() if value != "\\"]
    if len(pieces) != len(values) or not word.placed:
        return [Word(value, used, note, placed=False) for value in values]
    return [
        Word(value, (start + match.start(), start + match.end()), note if "$" in match[0] else None)
        for match, value in zip(pieces, values, strict=True)
    ]


def unescape(text: str, quoted: bool = False) -> str:
    r"""Text without its backslashes; one before an ordinary character stays, since Windows paths are pasted too."""
    if "\\" not in text:
        return text
    special = '"\\$`' if quoted else " \t\"'\\$`&|;<>()[]{}*?#~=%!"
    return ESCAPE.sub(lambda match: "" if match[1] is None else match[1] if match[1] in special else match[0], text)
