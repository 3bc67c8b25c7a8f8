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
                _fill(one, **options)


def _fill(cls: type, *, frozen: bool = False, eq: bool = True, **options: Any) -> None:
    """Give a class its methods; only __init__ needs code of its own, the others are shared by all."""
    del cls.__init__  # type: ignore[misc]
    own = cls.__dict__
    dataclasses.dataclass(init=False, repr=False, eq=False, frozen=False, **options)(cls)
    fields = dataclasses.fields(cls)
    cls.__init__ = _constructor(fields, hasattr(cls, "__post_init__"))  # type: ignore[misc]
    names = tuple(one.name for one in fields if one.compare)

    def values(self: Any) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in names)

    def equal(self: Any, other: Any) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def digest(self: Any) -> int:
        return hash(values(self))

    if "__repr__" not in own:
        cls.__repr__ = _shown  # type: ignore[assignment]
    if eq and "__eq__" not in own:
        cls.__eq__ = equal  # type: ignore[assignment]
        if "__hash__" not in own or own["__hash__"] is None:
            cls.__hash__ = digest if frozen else None  # type: ignore[assignment]
    if frozen:
        cls.__setattr__ = _refuse  # type: ignore[method-assign]
        cls.__delattr__ = _refuse  # type: ignore[assignment]


def _constructor(fields: tuple[dataclasses.Field[Any], ...], after: bool) -> Any:
    """`__init__(self, a, b=..., *, c)` over the fields in order; values go straight into the instance."""
    known: dict[str, Any] = {"_none": dataclasses.MISSING}
    places: list[str] = []
    keywords: list[str] = []
    lines: list[str] = []
    for one in fields:
        if not one.init:
            raise TypeError(f"{one.name}: field(init=False) is not made here")
        known[f"_d_{one.name}"] = one.default
        known[f"_f_{one.name}"] = one.default_factory
        made = one.default_factory is not dataclasses.MISSING
        default = "=_none" if made else "" if one.default is dataclasses.MISSING else f"=_d_{one.name}"
        (keywords if one.kw_only else places).append(f"{one.name}{default}")
        value = f"_f_{one.name}() if {one.name} is _none else {one.name}" if made else one.name
        lines.append(f" _s[{one.name!r}] = {value}")
    heads = ["self", *places, *(["*", *keywords] if keywords else [])]
    body = [" _s = self.__dict__", *lines, *([" self.__post_init__()"] if after else [])]
    exec(f"def __init__({', '.join(heads)}):\n" + "\n".join(body), known)  # noqa: S102 (as dataclasses does)
    return known["__init__"]


def _shown(self: Any) -> str:
    shown = (f"{one.name}={getattr(self, one.name)!r}" for one in dataclasses.fields(self) if one.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse(self: object, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change {name!r} of {type(self).__name__}")


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
