"""The Python door: inputs in, report out. The CLI and the chat go through the same `examine`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from oomdoc.engine.attempt import Attempt
from oomdoc.engine.diagnosis import Diagnosis, diagnose_case
from oomdoc.facts.case import Case
from oomdoc.ingest.read import read_inputs, read_text
from oomdoc.messages import Language
from oomdoc.report.build import build_report
from oomdoc.report.contract import Report

Progress = Callable[[str, int, int], None]  # name of the input, bytes read, bytes in all (0: unknown)


def diagnose(
    text_or_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    configs: Sequence[str | os.PathLike[str]] = (),
    language: Language = "en",
    previous: str | os.PathLike[str] | None = None,
) -> Report:
    """Diagnose a log and return the report contract.

    `text_or_path` is a path, several paths, or the text itself: a str is taken as text when it holds a line break,
    else as a path. `configs` are launch scripts or configuration files, `previous` the JSON report of the run before:
    what was tried since then counts. Nothing is kept in the history. Raises InputError with one line saying what could
    not be read.
    """
    tried = _since(str(Path(previous))) if previous is not None else None
    if isinstance(text_or_path, str) and "\n" in text_or_path:
        case = read_text(text_or_path, configs=_names(configs))
        return build_report(diagnose_case(case, attempts=tried(case) if tried else ()), language)
    several = (text_or_path,) if isinstance(text_or_path, str | os.PathLike) else text_or_path
    return build_report(examine(_names(several), configs=_names(configs), tried=tried), language)


def examine(
    paths: Sequence[str],
    *,
    configs: Sequence[str] = (),
    progress: Progress | None = None,
    tried: Callable[[Case], Sequence[Attempt]] | None = None,
) -> Diagnosis:
    """Read the inputs ("-" is stdin) and judge them; `tried` tells what was changed before this run."""
    case = read_inputs(paths, configs=configs, progress=progress)
    return diagnose_case(case, attempts=tried(case) if tried else ())


def _since(previous: str) -> Callable[[Case], Sequence[Attempt]]:
    from oomdoc.history.previous import read_previous, tried_since

    raw = read_previous(previous)
    return lambda case: tried_since(raw, case, previous).attempts


def _names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    return [str(Path(path)) for path in paths]
