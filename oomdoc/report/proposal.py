"""What a report proposes: the way out that `oomdoc fix` shows for the same inputs, where enough is known."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from oomdoc.engine.diagnosis import Diagnosis
from oomdoc.facts.case import Case
from oomdoc.facts.fact import How

if TYPE_CHECKING:
    from oomdoc.patch.document import Original
    from oomdoc.patch.way_out import WayOut


_BATCH = "train.per_device_batch_size"
_LENGTHS = ("train.sequence_tokens", "train.max_length")


def propose(diagnosis: Diagnosis) -> "WayOut | None":
    """The way out of a failed run; None where a report has the causes' remedies only.

    Peaks are predicted where the settings are known well enough for the memory model to speak unasked: a figure made
    of assumptions is no advice. Solving and reading the person's files again costs 20 to 60 ms.
    """
    if diagnosis.verdict.outcome != "oom" or not diagnosis.findings:
        return None
    configs = [read.name for read in diagnosis.case.inputs if read.kind == "config"]
    known = diagnosis.testified.profile is not None
    if not configs and not known:
        return None
    from oomdoc.patch.way_out import documents_of, log_text, outline, way_out

    if not configs and diagnosis.case.fact("framework.settings_issue") is None:  # nothing to edit or to repair
        return outline(diagnosis)
    log = log_text([read.name for read in diagnosis.case.inputs if read.kind == "log"])
    documents = list(_readable(configs)) or documents_of((), log)
    return way_out(diagnosis, documents, log=log, weigh=known or _described(diagnosis.case))


def _described(case: Case) -> bool:
    """Whether batch and length are known; the habits of a framework tell the rest of a run whose file was given."""
    batch = case.fact(_BATCH)
    lengths = (case.fact(name) for name in _LENGTHS)
    stated = [one for one in (batch, next((one for one in lengths if one and one.value), None)) if one is not None]
    return len(stated) == 2 and all(one.source.how is not How.ASSUMED for one in stated)


def _readable(configs: Sequence[str]) -> "Iterator[Original]":
    """The files that can be written back byte for byte; the others were read, and are edited by hand."""
    from oomdoc.patch.document import load
    from oomdoc.patch.errors import PatchError

    for config in configs:
        try:
            yield load(config)
        except PatchError:
            continue
