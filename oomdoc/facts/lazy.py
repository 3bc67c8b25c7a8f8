"""Regular expressions and data classes made at first use: made at import they would take half of the start-up budget.

A run of `oomdoc diagnose` needs a third of the patterns and classes that its modules declare; compiling a pattern costs
0.3 ms, making a data class 0.5 ms. To a type checker both names are the standard library's own.
"""

import dataclasses
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

_METHODS = ("match", "search", "finditer", "findall", "fullmatch", "sub", "subn", "split")


class _Lazy:
    """Stands for a compiled pattern; its methods are those of the pattern from the first use on."""

    def __init__(self, source: Any, flags: int = 0) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        compiled = re.compile(self._source, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


_pending: dict[type, dict[str, Any]] = {}
_making = threading.RLock()


def _make(cls: type) -> None:
    """Turn a declared class and those it inherits from into data classes."""
    with _making:
        for one in reversed(cls.__mro__):
            options = _pending.pop(one, None)
            if options is not None:
                del one.__init__  # type: ignore[misc]
                dataclasses.dataclass(**options)(one)


def _declare(cls: type, options: dict[str, Any]) -> type:
    def first(self: object, *values: Any, **named: Any) -> None:
        _make(cls)
        cls.__init__(self, *values, **named)  # type: ignore[misc]

    # Slots would need a new class, which those who imported this one never see.
    _pending[cls] = {name: value for name, value in options.items() if name != "slots"}
    cls.__init__ = first  # type: ignore[misc]
    return cls


def _dataclass(cls: type | None = None, /, **options: Any) -> type | Callable[[type], type]:
    """As `dataclasses.dataclass`, made when the first instance is; `slots` saves nothing here and is left out."""
    if cls is not None:
        return _declare(cls, options)
    return lambda declared: _declare(declared, options)


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 (offered to others)

    lazy = re.compile
else:
    dataclass = _dataclass
    lazy = _Lazy
