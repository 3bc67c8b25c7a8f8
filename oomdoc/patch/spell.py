"""Canonical values back into native ones; each must read back, by the framework's own file, as what is meant."""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from oomdoc.facts import base
from oomdoc.facts.model import Scalar, Value
from oomdoc.ingest.convert import SILENT, convert
from oomdoc.ingest.frameworks import Parameter, ancestors, normal
from oomdoc.ingest.syntax.setting import Setting

_DTYPES = {
    "bfloat16": ("bfloat16", "bf16", "torch.bfloat16", "bf16-mixed"),
    "float16": ("float16", "fp16", "torch.float16", "16-mixed"),
    "float32": ("float32", "fp32", "torch.float32", "no"),
}
_ATTENTION = ("flash_attention_2", "flash_attn", "fa2", "flash_attention_3", "sdpa", "eager", "xformers")


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return dict(base.section("spellings")["spellings.yaml"])


def known_values(framework: str | None, option: str) -> tuple[Scalar, ...]:
    """The words that a framework (or one it extends) takes for an option, the preferred first."""
    for name in _family(framework):
        for written, values in _tables().get(name, {}).get("values", {}).items():
            if normal(written) == normal(option):
                return tuple(values)
    return ()


def command_only(option: str) -> bool:
    """Whether an option belongs to a command's own arguments and to no class that a training script calls."""
    return normal(option) in _tables()["any"]["command_only"]


def beside(layer: str, option: str) -> frozenset[str] | None:
    """Options, classes or programs that show that an option exists; None where it always does."""
    table = _tables().get(layer, {}).get("beside", {})
    found = table.get(normal(option), table.get(normal(option.rpartition(".")[2])))
    return None if found is None else frozenset(normal(word) for word in found)


def makes_section(layer: str, option: str) -> bool:
    """Whether an option may be written with a new section around it."""
    return option in _tables().get(layer, {}).get("sections", ())


def switches(framework: str | None) -> str:
    """How a yes or no is given on the command line: `value`, `bare` or `by-hand`."""
    for name in _family(framework):
        if (way := _tables().get(name, {}).get("switches")) is not None:
            return str(way)
    return "value"


def _family(framework: str | None) -> list[str]:
    if framework is None:
        return ["any"]
    return [framework, *sorted(ancestors(framework)), "any"]


def spelled(parameter: Parameter, option: str, value: Value, framework: str | None) -> Iterator[Value]:
    """Native values of an option that mean `value`, the preferred first; none where the option cannot say it."""
    seen = []
    for candidate in _candidates(parameter, option, value, framework):
        if candidate not in seen and means(parameter, candidate, value):
            seen.append(candidate)
            yield candidate


def means(parameter: Parameter, written: Value, value: Value) -> bool:
    """Whether a native value is read as a canonical one."""
    found = convert(parameter, written)
    return found is not SILENT and found == value and isinstance(found, bool) == isinstance(value, bool)


def _candidates(parameter: Parameter, option: str, value: Value, framework: str | None) -> Iterator[Value]:
    yield from known_values(framework, option)
    if isinstance(value, bool):
        yield value != parameter.invert
    for written, canonical in sorted(parameter.values.items(), key=lambda item: item[0] != _plain(item[1])):
        if canonical == value:
            yield {"true": True, "false": False}.get(written, written)
    if parameter.values and set(parameter.values) <= {"true", "false"} and not isinstance(value, bool):
        return  # a switch: it says its one value or nothing
    if parameter.values and isinstance(value, str) and value not in {*parameter.values.values(), *parameter.values}:
        return  # words of its own, none of which means this
    if parameter.reads in {"zero-stage", "zero-offload"} and "stage" not in option:
        return  # the name of a file or a preset: only the words the framework is known to take
    if value is None:
        yield from parameter.unset
        yield None
        return
    if isinstance(value, bool):
        return
    if parameter.reads == "square" and isinstance(value, int):
        yield math.isqrt(value)
    if parameter.scale and isinstance(value, int | float):
        scaled = value / parameter.scale
        yield int(scaled) if scaled == int(scaled) else scaled
    if parameter.reads == "dtype":
        yield from _DTYPES.get(str(value), ())
    if parameter.reads == "attention":
        yield from _ATTENTION
    if isinstance(value, float) and value.is_integer():
        yield int(value)
    yield value


def _plain(value: Value) -> str:
    return str(value).lower()


def silent_value(parameter: Parameter) -> bool | None:
    """The native value that says nothing, where it is a plain no: `fp16: false`."""
    return False if "false" in parameter.silent else None


def fewer_devices(setting: Setting, count: int) -> str | None:
    """The first devices of a list such as `0,1,2,3`; None where it holds no more than `count`."""
    items = [item.strip() for item in str(setting.value).split(",")] if isinstance(setting.value, str) else []
    return ",".join(items[:count]) if len(items) > count > 0 and all(item.isdigit() for item in items) else None
