"""Regular expressions compiled at first use: all of this room's together would cost a tenth of the start-up budget."""

import re
from typing import TYPE_CHECKING, Any


class _Lazy:
    """Stands for a compiled pattern; its methods are those of the pattern from the first use on."""

    def __init__(self, source: str, flags: int = 0) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        compiled = re.compile(self._source, self._flags)
        for method in ("match", "search", "finditer", "findall", "fullmatch", "sub", "split"):
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


if TYPE_CHECKING:
    lazy = re.compile
else:
    lazy = _Lazy
