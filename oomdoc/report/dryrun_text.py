"""A dry run or probe as text: the profile's own text, a sparkline of the run, who holds the most at the peak."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from oomdoc.facts.units import size
from oomdoc.memory.profile import MemoryProfile
from oomdoc.messages import Language, say
from oomdoc.report.layout import clip, pad, width
from oomdoc.report.memory_text import profile_text, table

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-=+*%#"


def dryrun_text(
    profile: MemoryProfile,
    answer: Mapping[str, Any],
    language: Language,
    *,
    columns: int = 80,
    glyphs: bool = True,
    top: int = 8,
) -> str:
    """The whole report of one dry run."""
    lines = [profile_text(profile, language, columns=columns, glyphs=glyphs).rstrip("\n"), ""]
    timeline = answer.get("timeline") or {}
    if timeline.get("allocated"):
        lines.append(say(language, "dryrun.timeline"))
        lines.append("  " + sparkline(timeline["allocated"], columns - 4, glyphs=glyphs))
        lines.append("  " + _phases(timeline, columns - 4, language))
    rows = [_tensor(each, language) for each in (answer.get("top_tensors") or ())[:top]]
    if rows:
        lines += ["", say(language, "dryrun.tensors"), *(_cut(line, columns) for line in _left(rows))]
    modules = [(each["module"] or "-", size(each["bytes"])) for each in (answer.get("top_modules") or ())[:top]]
    if modules:
        lines += ["", say(language, "dryrun.modules"), *(_cut(line, columns) for line in table(modules).split("\n"))]
    failure = answer.get("failure")
    if failure:
        where = f"{failure['module'] or '-'} [{failure['op']}]"
        tried, held = size(failure["tried_to_allocate_bytes"]), size(failure["allocated_bytes"])
        moment = say(language, f"moment.{failure['phase']}")
        lines += ["", say(language, "dryrun.failure", phase=moment, tried=tried, held=held, where=where)]
    if answer.get("kernels"):
        kernels = ", ".join(f"{name} {count}" for name, count in answer["kernels"].items())
        lines += ["", say(language, "dryrun.kernels", kernels=kernels)]
    lines.append(f"  - {say(language, 'dryrun.excluded')}")
    versions = answer.get("versions") or {}
    lines.append(
        say(
            language, "dryrun.done", parameters=f"{answer.get('parameters', 0):,}",
            operators=f"{answer.get('operators', 0):,}",
            seconds=answer.get("seconds", 0), torch=versions.get("torch", "?"),
            transformers=versions.get("transformers", "?"),
        )
    )  # fmt: skip
    return "\n".join(lines) + "\n"


def sparkline(values: Sequence[int], columns: int, *, glyphs: bool = True) -> str:
    """One line of at most `columns` characters; each is the highest of its stretch, on a scale from zero."""
    marks = _BLOCKS if glyphs else _ASCII
    columns = max(1, min(columns, len(values)))
    bounds = [len(values) * place // columns for place in range(columns + 1)]
    heights = [max(values[low:high]) for low, high in pairwise(bounds)]
    most = max(heights) or 1
    return "".join(marks[min(len(marks) - 1, value * len(marks) // most)] for value in heights)


def _phases(timeline: Mapping[str, Any], columns: int, language: Language) -> str:
    """The phases under the sparkline, each where it begins, as far as there is room."""
    count = len(timeline["allocated"])
    columns = min(columns, count)
    row = ""
    for mark in timeline["marks"]:
        place = mark["at"] * columns // max(1, count)
        word = say(language, f"moment.{mark['phase']}")
        if place + width(word) <= columns and (not row or width(row) < place):
            row = pad(row, place) + word
    return row


def _tensor(each: Mapping[str, Any], language: Language) -> tuple[str, ...]:
    shape = "x".join(str(part) for part in each["shape"]) or "-"
    where = each.get("module") or each.get("name") or each.get("phase") or ""
    return (
        say(language, f"component.{each['component']}"),
        size(each["bytes"]),
        f"{shape} {each['dtype']}",
        f"{where}  {each.get('frame') or ''}".rstrip(),
    )


def _left(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns aligned to the left, the figures in the second one to the right."""
    wide = [max(width(row[place]) for row in rows) for place in range(3)]
    return [f"  {pad(row[0], wide[0])}  {row[1]:>{wide[1]}}  {row[2]:{wide[2]}}  {row[3]}".rstrip() for row in rows]


def _cut(line: str, columns: int) -> str:
    return clip(line, columns)
