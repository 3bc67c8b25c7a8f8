"""Constants of a Python file, propagated through plain assignments; nothing is imported or evaluated by Python."""

import ast
import posixpath
from dataclasses import field
from typing import TypeAlias

from oomdoc.facts.lazy import dataclass
from oomdoc.ingest.syntax.setting import A_NAME, Scalar

Known: TypeAlias = "Scalar | tuple[Scalar, ...]"
DEPTH = 30
LARGEST = 2**70


class NotConstantError(Exception):
    """The expression depends on something that only running it would tell."""


@dataclass(slots=True)
class Scope:
    """Names bound to constants (with their line) and to dict displays, inside one function or the module."""

    parent: "Scope | None" = None
    values: dict[str, tuple[Known, int]] = field(default_factory=dict)
    dicts: dict[str, ast.Dict] = field(default_factory=dict)

    def find(self, name: str) -> tuple[Known, int] | None:
        """The constant a name is bound to."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.parent
        return None

    def find_dict(self, name: str) -> ast.Dict | None:
        """The dict display a name is bound to."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.dicts:
                return scope.dicts[name]
            scope = scope.parent
        return None

    def forget(self, name: str) -> None:
        """A name was bound to something unknown."""
        self.values.pop(name, None)
        self.dicts.pop(name, None)


def evaluate(node: ast.expr, scope: Scope, depth: int = 0) -> tuple[Known, str | None]:
    """The constant an expression stands for with a note on where it comes from; raises NotConstantError."""
    if depth > DEPTH:
        raise NotConstantError
    if isinstance(node, ast.Constant):
        if node.value is None or isinstance(node.value, (str, int, float, bool)):
            return node.value, None
        raise NotConstantError
    if isinstance(node, ast.Name):
        known = scope.find(node.id)
        if known is None:
            raise NotConstantError
        return known[0], f"{node.id} from line {known[1]}"
    if isinstance(node, ast.UnaryOp):
        inner, note = evaluate(node.operand, scope, depth + 1)
        if isinstance(node.op, ast.Not) and isinstance(inner, bool):
            return not inner, note
        if isinstance(node.op, ast.USub) and isinstance(inner, (int, float)):
            return -inner, note
        raise NotConstantError
    if isinstance(node, ast.BinOp):
        return _binary(node, scope, depth)
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return _items(node.elts, scope, depth)
    if isinstance(node, ast.Attribute):
        return dotted(node), A_NAME
    if isinstance(node, ast.JoinedStr):
        return _formatted(node, scope, depth)
    if isinstance(node, ast.Call) and not node.keywords:
        return _called(node, scope, depth)
    raise NotConstantError


def _formatted(node: ast.JoinedStr, scope: Scope, depth: int) -> tuple[Known, str | None]:
    """An f-string whose parts are known and plain: `f"{ROOT}/Qwen2.5-{SIZE}"`."""
    parts: list[str] = []
    notes: list[str] = []
    for part in node.values:
        plain = isinstance(part, ast.FormattedValue) and part.format_spec is None and part.conversion == -1
        if not plain and not isinstance(part, ast.Constant):
            raise NotConstantError
        value, note = evaluate(part.value if isinstance(part, ast.FormattedValue) else part, scope, depth + 1)
        if isinstance(value, tuple) or note == A_NAME:
            raise NotConstantError
        parts.append(str(value))
        notes.extend([note] if note else [])
    return "".join(parts)[:10_000], "; ".join(dict.fromkeys(notes)) or "computed"


def _called(node: ast.Call, scope: Scope, depth: int) -> tuple[Known, str | None]:
    """Calls whose result is known: `int("4")`, `os.path.join(ROOT, "x")`, `os.environ.get("MODEL", "gpt2")`."""
    name = dotted(node.func)
    if len(node.args) == 1 and name in {"int", "float", "str"}:
        return _converted(name, node.args[0], scope, depth)
    if len(node.args) == 1 and name.rpartition(".")[2] in {"Path", "PosixPath", "expanduser", "abspath"}:
        return _converted("str", node.args[0], scope, depth)
    if name in {"os.environ.get", "environ.get", "os.getenv", "getenv"} and len(node.args) == 2:
        value, _ = evaluate(node.args[1], scope, depth + 1)
        return value, "taken where the environment says nothing"
    if name in {"os.path.join", "path.join", "osp.join"} and node.args:
        parts, note = _items(node.args, scope, depth)
        if isinstance(parts, tuple) and all(isinstance(part, str) for part in parts):
            return posixpath.join(*map(str, parts)), note or "computed"
    raise NotConstantError


def _items(elements: list[ast.expr], scope: Scope, depth: int) -> tuple[Known, str | None]:
    found: list[Scalar] = []
    notes = []
    for element in elements:
        item, note = evaluate(element, scope, depth + 1)
        if isinstance(item, tuple):
            raise NotConstantError
        found.append(item)
        notes.extend([note] if note else [])
    return tuple(found), "; ".join(dict.fromkeys(notes)) or None


def _converted(name: str, argument: ast.expr, scope: Scope, depth: int) -> tuple[Known, str | None]:
    inner, note = evaluate(argument, scope, depth + 1)
    try:
        if name == "int" and isinstance(inner, (int, float, str)) and len(str(inner)) < 40:
            return int(inner), note or "computed"
        if name == "float" and isinstance(inner, (int, float, str)):
            return float(inner), note or "computed"
        if name == "str" and not isinstance(inner, tuple):
            return str(inner), note or "computed"
    except (ValueError, OverflowError):
        pass
    raise NotConstantError


def _binary(node: ast.BinOp, scope: Scope, depth: int) -> tuple[Known, str | None]:
    left, note_left = evaluate(node.left, scope, depth + 1)
    right, note_right = evaluate(node.right, scope, depth + 1)
    note = "; ".join(part for part in (note_left, note_right) if part) or "computed"
    if A_NAME in note:
        raise NotConstantError
    if isinstance(left, str) and isinstance(right, str) and isinstance(node.op, (ast.Add, ast.Div)):  # Path("a") / "b"
        return (left + right if isinstance(node.op, ast.Add) else posixpath.join(left, right))[:10_000], note
    if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
        raise NotConstantError
    try:
        result = _number(node.op, left, right)
    except (ArithmeticError, ValueError):
        raise NotConstantError from None
    if isinstance(result, int) and abs(result) > LARGEST:
        raise NotConstantError
    return result, note


def _number(operator: ast.operator, left: float, right: float) -> int | float:
    if isinstance(operator, ast.Add):
        return left + right
    if isinstance(operator, ast.Sub):
        return left - right
    if isinstance(operator, ast.Mult):
        return left * right
    if isinstance(operator, ast.Div):
        return left / right
    if isinstance(operator, ast.FloorDiv):
        return left // right
    if isinstance(operator, ast.Mod):
        return left % right
    if isinstance(operator, ast.Pow) and 0 <= right <= 64 and abs(left) <= 2**20:
        return float(left**right) if isinstance(left, float) else left ** int(right)
    if isinstance(operator, ast.LShift) and isinstance(left, int) and isinstance(right, int) and 0 <= right <= 64:
        return left << right
    raise NotConstantError


def dotted(node: ast.expr) -> str:
    """`torch.cuda.empty_cache` of a chain of attributes; raises NotConstantError for anything else."""
    parts: list[str] = []
    inner = node
    while isinstance(inner, ast.Attribute):
        parts.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        raise NotConstantError
    return ".".join([inner.id, *reversed(parts)])
