"""Native values -> canonical values: the closed list of conversions that framework files may name in `reads`.

A value that cannot be converted (a variable nobody set, a typing slip) gives SILENT, never a guess.
"""

import json
import re
from collections.abc import Callable
from typing import Final

from oomdoc.facts.lazy import lazy
from oomdoc.facts.model import Scalar, Value
from oomdoc.facts.vocabulary import term
from oomdoc.ingest.frameworks import Parameter


class _Silent:
    """The option is there, but says nothing about the fact."""


SILENT: Final = _Silent()
Converted = Value | _Silent

TRUE = {"true", "1", "yes", "on", "y", "t"}
FALSE = {"false", "0", "no", "off", "n", "f"}
NONE = {"none", "null", "nil", ""}
_DTYPES = {
    "bf16": "bfloat16", "bfloat16": "bfloat16", "bf": "bfloat16", "bf16-mixed": "bfloat16", "bf16-true": "bfloat16",
    "fp16": "float16", "float16": "float16", "half": "float16", "16": "float16", "16-mixed": "float16",
    "16-true": "float16", "fp32": "float32", "float32": "float32", "float": "float32", "32": "float32",
    "32-true": "float32", "fp8": "fp8", "float8": "fp8", "full": "float32",
}  # fmt: skip
_ATTENTION = {
    "fa2": "flash_attention_2", "flash_attn": "flash_attention_2", "flash_attention": "flash_attention_2",
    "flash": "flash_attention_2", "flash_attn_2": "flash_attention_2", "flash_attention_2": "flash_attention_2",
    "fa3": "flash_attention_3", "flash_attention_3": "flash_attention_3", "flash_attn_3": "flash_attention_3",
    "sdpa": "sdpa", "eager": "eager", "disabled": "eager", "off": "eager", "xformers": "xformers",
    "flex_attention": "flex_attention", "flex": "flex_attention", "math": "math",
}  # fmt: skip
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "list": (tuple,),
}
_STAGE = lazy(r"(?:zero|(?<![a-z0-9])z|stage)[\s_-]?(?:stage[\s_-]?)?([0-3])(?!\d)", re.IGNORECASE)
_PATH = lazy(r"[\w./~@:+-]+")
_NO_MODEL = lazy(
    r"\.(?:jsonl?|ya?ml|csv|tsv|txt|parquet|arrow|py|sh|log|png|jpe?g|zip|toml)$|^(?:config|data|dataset|output|result|run)s?/"
)
_SEPARATORS = lazy(r"[\s,]+")


def convert(parameter: Parameter, value: Value) -> Converted:
    """The canonical value of what was written for an option, or SILENT."""
    found = _convert(parameter, value)
    declared = term(parameter.fact) if parameter.fact else None
    if declared is None or found is SILENT or found is None:
        return found
    right = isinstance(found, _TYPES[declared.type]) and isinstance(found, bool) == (declared.type == "bool")
    return found if right and (not declared.choices or found in declared.choices) else SILENT


def _convert(parameter: Parameter, value: Value) -> Converted:
    text = _text(value)
    if text in parameter.silent or _unresolved(text):
        return SILENT
    if any(_text(word) == text for word in parameter.unset):
        return None
    if text in parameter.values:
        return parameter.values[text]
    if parameter.values and parameter.reads == "value" and _type(parameter) in {"str", "bool"}:
        return SILENT if _type(parameter) == "bool" and text not in TRUE | FALSE else _plain(parameter, value, text)
    if text in NONE and parameter.reads != "set":
        return None
    return _READERS[parameter.reads](parameter, value, text)


def _text(value: Value) -> str:
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value).lower()
    return str(value).strip().strip("'\"").lower()


def _unresolved(text: str) -> bool:
    """A shell or template variable that stayed in the text."""
    return text.startswith(("$", "${", "{{", "%(")) or text in {"???", "auto_fill"}


def _type(parameter: Parameter) -> str:
    declared = term(parameter.fact) if parameter.fact else None
    return declared.type if declared else "str"


def _plain(parameter: Parameter, value: Value, text: str) -> Converted:
    kind = _type(parameter)
    if kind == "bool":
        found = True if text in TRUE else False if text in FALSE else None
        return SILENT if found is None else found != parameter.invert
    if kind in {"int", "float"}:
        return _number(parameter, text, whole=kind == "int")
    if kind == "list":
        return _items(value)
    return str(value).strip() if not isinstance(value, tuple) else ",".join(str(item) for item in value)


def _number(parameter: Parameter, text: str, *, whole: bool) -> Converted:
    if text in TRUE - {"1"} or text in FALSE - {"0"}:
        return SILENT
    cleaned = text.replace("_", "")
    if re.fullmatch(r"\d{1,3}(,\d{3})+", cleaned):
        cleaned = cleaned.replace(",", "")
    number = _product(cleaned)
    if number is None:
        return SILENT
    number *= parameter.scale or 1
    return int(number) if whole and number == int(number) else SILENT if whole else number


def _product(text: str) -> float | None:
    """A number, or a product such as 1280*28*28 as configs write it."""
    total = 1.0
    for factor in text.split("*"):
        try:
            number = float(factor)
        except ValueError:
            return None
        if number != number or abs(number) > 1e15:  # noqa: PLR0124 (NaN)
            return None
        total *= number
    return total


def _items(value: Value) -> Converted:
    if isinstance(value, tuple):
        return tuple(str(item) for item in value)
    text = str(value).strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1].replace("'", "").replace('"', "")
    if any(mark in text for mark in "()|^\\*"):
        return (text,)
    return tuple(item for item in _SEPARATORS.split(text) if item)


def _dtype(_: Parameter, _value: Value, text: str) -> Converted:
    return _DTYPES.get(text.removeprefix("torch."), SILENT)


def _attention(_: Parameter, _value: Value, text: str) -> Converted:
    return _ATTENTION.get(text.replace("-", "_"), SILENT)


def _zero_stage(_: Parameter, _value: Value, text: str) -> Converted:
    if text in {"0", "1", "2", "3"}:
        return int(text)
    stage = _STAGE.search(text.replace("\\", "/").rsplit("/", 1)[-1]) or _STAGE.search(text)
    return int(stage[1]) if stage else SILENT


def _zero_offload(parameter: Parameter, value: Value, text: str) -> Converted:
    stage = _zero_stage(parameter, value, text)
    if "offload" not in text:
        return "none" if isinstance(stage, int) else SILENT
    if "opt" in text.rsplit("/", 1)[-1]:
        return "optimizer"
    return "all" if stage == 3 else "optimizer"


def _set(parameter: Parameter, _value: Value, text: str) -> Converted:
    return (text not in NONE | FALSE) != parameter.invert


def _length(_: Parameter, value: Value, text: str) -> Converted:
    if isinstance(value, tuple):
        return len(value)
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    items = [item for item in _SEPARATORS.split(text) if item]
    return len(items) if items and all(item.isdigit() for item in items) else SILENT


def _square(parameter: Parameter, _value: Value, text: str) -> Converted:
    side = _number(parameter, text, whole=True)
    return side * side if isinstance(side, int) else SILENT


def _first_number(_: Parameter, _value: Value, text: str) -> Converted:
    found = re.match(r"[\[(]?\s*(\d{1,12})\b", text)
    return int(found[1]) if found else SILENT


def _last_name(_: Parameter, _value: Value, text: str) -> Converted:
    return text.rsplit(".", 1)[-1]


def _member(parameter: Parameter, value: Value, _written: str) -> Converted:
    try:
        inner = json.loads(
            str(value).strip().strip("'").replace("'", '"').replace("True", "true").replace("False", "false")
        )
    except ValueError:
        return SILENT
    for part in (parameter.member or "").split("."):
        if not isinstance(inner, dict) or part not in inner:
            return SILENT
        inner = inner[part]
    found: Scalar = inner if isinstance(inner, str | int | float | bool) else None
    return _plain(parameter, found, _text(found)) if found is not None else SILENT


def _stem(_: Parameter, _value: Value, text: str) -> Converted:
    return text


def _model_name(_: Parameter, value: Value, text: str) -> Converted:
    written = str(value).strip()
    if len(text) > 300 or _NO_MODEL.search(text) or not _PATH.fullmatch(written):
        return SILENT
    from oomdoc.ingest.model_names import find  # imported here: its patterns cost, and few runs need them

    hub = written.count("/") == 1 and written[0].isalpha()
    return written if hub or find(f"local/{written.rstrip('/').rpartition('/')[2]}") else SILENT


_READERS: dict[str, Callable[[Parameter, Value, str], Converted]] = {
    "value": _plain,
    "dtype": _dtype,
    "attention": _attention,
    "zero-stage": _zero_stage,
    "zero-offload": _zero_offload,
    "set": _set,
    "length": _length,
    "square": _square,
    "first-number": _first_number,
    "last-name": _last_name,
    "member": _member,
    "stem": _stem,
    "model-name": _model_name,
}
