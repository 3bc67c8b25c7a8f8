"""A native value as text of one syntax, in the style of what stands there: quotes, capital booleans, delimiters."""

import json
import re
from collections.abc import Sequence

from oomdoc.facts.model import Value
from oomdoc.ingest.syntax.setting import Setting

_SAFE_WORD = re.compile(r"[\w@%+=:,./-]+\Z")
_NUMBER = re.compile(r"\s*(?:[-+]?[\d.]+(?:e[-+]?\d+)?|true|false)\s*\Z", re.IGNORECASE)
_SAFE_YAML = re.compile(r"[A-Za-z_./][\w./@-]*\Z")
_YAML_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"}
_COMMAND = {"flag", "env", "hydra", "assignment"}


class Unwritable(Exception):  # noqa: N818 (it is no failure: the value is shown by hand)
    """A value that has no plain text in a syntax, such as a list on a command line."""


class Raw(str):
    """Text of a syntax that is written as it is."""

    __slots__ = ()


def rendered(value: Value, kind: str, siblings: Sequence[Setting] = (), like: Setting | None = None) -> str:
    """The text of a value. `like` is the setting that it replaces, `siblings` those around it. Raises Unwritable."""
    if isinstance(value, Raw):
        return value
    if like is not None and (quoted := _quoted(value, like)) is not None:
        return quoted
    if isinstance(value, bool) and like is not None and kind not in {"json", "toml"} and like.raw in {"True", "False"}:
        return str(value)
    if kind in _COMMAND:
        return _word(value, siblings)
    if kind == "json":
        return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    if kind == "toml":
        if value is None:
            raise Unwritable
        return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    if kind == "yaml":
        return _yaml(value, siblings)
    return _python(value)


def _quoted(value: Value, like: Setting) -> str | None:
    """In the quotes of what stands there."""
    raw = like.raw
    if len(raw) < 2 or raw[0] not in "\"'" or raw[-1] != raw[0] or raw.startswith(raw[0] * 3):
        return None
    if isinstance(value, tuple) or value is None:
        return None
    if like.kind not in _COMMAND and not isinstance(value, str):
        told = isinstance(like.value, str) and _NUMBER.match(like.value)  # "8" stays a text, "auto" makes way
        return f"{raw[0]}{_plain(value)}{raw[0]}" if told else None
    text = _plain(value)
    if any(mark in text for mark in "\"'\\\n$`"):
        raise Unwritable
    return f"{raw[0]}{text}{raw[0]}"


def told(value: Value, kind: str) -> str:
    """A value as it is shown to people for one syntax."""
    try:
        return rendered(value, kind)
    except Unwritable:
        return _plain(value)


def _plain(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "None" if value is None else str(value)


def _word(value: Value, siblings: Sequence[Setting]) -> str:
    if isinstance(value, tuple):
        raise Unwritable
    if isinstance(value, bool):
        written = {setting.raw.strip("\"'") for setting in siblings}
        return str(value) if written & {"True", "False"} else str(value).lower()
    text = _plain(value)
    if _SAFE_WORD.match(text):
        return text
    if "'" in text or "\n" in text:
        raise Unwritable
    return f"'{text}'"


def _yaml(value: Value, siblings: Sequence[Setting]) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_yaml(item, ()) for item in value) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        written = {setting.raw for setting in siblings}
        return str(value) if written & {"True", "False"} and not written & {"true", "false"} else str(value).lower()
    if isinstance(value, str):
        return value if _SAFE_YAML.match(value) and value.lower() not in _YAML_WORDS else json.dumps(value)
    return str(value)


def _python(value: Value) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_python(item) for item in value) + "]"
    return json.dumps(value) if isinstance(value, str) else repr(value)
