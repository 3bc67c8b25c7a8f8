"""Blocks and plans as JSON values and back, so that a conversation shown again is the one that was shown."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

_CLASS: Final = "is"
_MAP: Final = "map"


def kept(value: Any) -> Any:
    """A value as plain JSON values: dataclasses carry their name, sequences become lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_CLASS: type(value).__name__, **{one.name: kept(getattr(value, one.name)) for one in fields(value)}}
    if isinstance(value, Mapping):
        return {_MAP: {str(name): kept(one) for name, one in value.items()}}
    if isinstance(value, list | tuple):
        return [kept(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def given_back(value: Any) -> Any:
    """What `kept` was given; raises KeyError or TypeError for what another version kept."""
    if isinstance(value, list):
        return tuple(given_back(one) for one in value)
    if not isinstance(value, dict):
        return value
    if _MAP in value:
        return {name: given_back(one) for name, one in value[_MAP].items()}
    return _classes()[value[_CLASS]](**{name: given_back(one) for name, one in value.items() if name != _CLASS})


def blocks_of(value: Any) -> tuple[Any, ...]:
    """Blocks that were kept; those of another version that cannot be drawn any more are left out."""
    found = []
    for one in value or ():
        try:
            found.append(given_back(one))
        except (KeyError, TypeError):
            continue
    return tuple(found)


def _classes() -> dict[str, type]:
    from oomdoc.chat import plans
    from oomdoc.report import blocks, blocks_chat

    return {
        name: one
        for module in (blocks, blocks_chat, plans)
        for name, one in vars(module).items()
        if isinstance(one, type) and one.__module__ == module.__name__
    }
