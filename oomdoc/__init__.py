"""The doctor for training and inference runs that ran out of memory.

`oomdoc.diagnose(text_or_path)` returns the typed report that `oomdoc diagnose --format json` prints.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oomdoc.api import diagnose as diagnose
    from oomdoc.facts.case import Case as Case
    from oomdoc.ingest.errors import InputError as InputError
    from oomdoc.report.contract import Report as Report

__all__ = ["Case", "InputError", "Report", "__version__", "diagnose"]
__version__ = "0.1.0"

_HOMES = {
    "diagnose": "oomdoc.api",
    "Case": "oomdoc.facts.case",
    "InputError": "oomdoc.ingest.errors",
    "Report": "oomdoc.report.contract",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its room on first use: importing oomdoc itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'oomdoc' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
