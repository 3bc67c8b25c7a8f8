"""A probe as text: what was measured, beside the closed form and the dry run."""

from collections.abc import Mapping, Sequence
from typing import Any

from oomdoc.facts.units import size
from oomdoc.memory.profile import MemoryProfile
from oomdoc.messages import Language, say
from oomdoc.report.memory_text import table

_NAMES = {"closed_form": "estimate", "dry_run": "dryrun", "probe": "probe"}


def probe_text(
    profiles: Sequence[MemoryProfile], answer: Mapping[str, Any], language: Language, *, columns: int = 80
) -> str:
    """One row a method, then the phases as measured, then how it ended."""
    rows = [("", "allocated", "reserved", "device")]
    rows += [
        (_NAMES[each.method], size(each.allocated_bytes), size(each.reserved_bytes), size(each.device_bytes))
        for each in profiles
    ]
    lines = [table(rows)]
    measured = profiles[-1]
    if measured.phases:
        lines += [
            "",
            *(f"  {say(language, f'moment.{each.phase}')}: {size(each.allocated_bytes)}" for each in measured.phases),
        ]
    oom = answer.get("oom")
    if oom:
        lines += ["", f"  {oom['phase']}: {str(oom['message']).splitlines()[0][: columns * 2]}"]
    lines += [f"  - {note}" for note in answer.get("notes") or ()]
    return "\n".join(lines) + "\n"
