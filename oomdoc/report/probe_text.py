"""A probe as text: what was measured, beside the closed form and the dry run; why one was refused or did not end."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oomdoc.facts.units import size
from oomdoc.memory.profile import MemoryProfile
from oomdoc.messages import Language, say, told
from oomdoc.probe.endings import ending
from oomdoc.probe.remarks import remark
from oomdoc.report.memory_text import table

_NAMES = {"closed_form": "estimate", "dry_run": "dryrun", "probe": "probe"}


def probe_text(
    profiles: Sequence[MemoryProfile], answer: Mapping[str, Any], language: Language, *, columns: int = 80
) -> str:
    """How it ended, one row a method, the phases as measured, the ranks with the worst first, then remarks."""
    measured = profiles[-1]
    rows = [("", *(say(language, f"probe.column_{name}") for name in ("allocated", "reserved", "device")))]
    rows += [
        (_NAMES[each.method], size(each.allocated_bytes), size(each.reserved_bytes), size(each.device_bytes))
        for each in profiles
        if each.method != "probe" or each.allocated_bytes
    ]
    lines = [outcome(measured, answer, language, columns=columns), "", table(rows)]
    if measured.phases:
        lines.append("")
        for each in measured.phases:
            moment = say(language, f"moment.{each.phase}")
            lines.append("  " + say(language, "probe.phase", phase=moment, held=size(each.allocated_bytes)))
    if answer.get("ranks"):
        lines += ["", *_ranks(answer["ranks"], language)]
    remarks = [said[language == "zh"] for said in answer.get("said") or ()]
    remarks += [told(remark(str(note)), language) for note in answer.get("notes") or ()]
    lines += ["", *(f"  - {each}" for each in remarks)] if remarks else []
    return "\n".join(lines) + "\n"


def outcome(profile: MemoryProfile, answer: Mapping[str, Any], language: Language, *, columns: int = 80) -> str:
    """The first line, which stands alone: it fits, it ran out of memory, or how it ended without an answer."""
    rank = answer.get("rank")
    oom = answer.get("oom")
    if oom:
        message = str(oom["message"]).splitlines()[0][: columns * 2]
        text = say(language, "probe.oom", phase=say(language, f"moment.{oom['phase']}"), message=message)
    elif answer.get("ending"):
        return ending(answer["ending"], language)
    else:
        places = {"device": size(profile.device_bytes), "capacity": size(profile.capacity_bytes or 0)}
        return say(language, "probe.fits", **places, gpu=profile.basis)
    return text if rank is None else say(language, "probe.of_rank", rank=rank, text=text)


def refused(error: Any, language: Language, *, python: str, who: Sequence[str] = ()) -> tuple[str, str]:
    """Why a probe was not started, and what can be done instead. `error` is a RefusedError, `who` holds the card."""
    places = {"python": python, "who": "", **error.places}
    card = error.card
    if card is not None:
        places |= {"index": card.number, "used": size(card.used_bytes), "free": size(card.free_bytes)}
    if "cap" in places:
        places["cap"] = size(places["cap"])
    if who:
        places["who"] = f" ({', '.join(who[:4])})"
    helped = "busy" if error.reason == "busy" else "cap" if error.reason == "too_large" else "dryrun"
    return say(language, f"probe_refused.{error.reason}", **places), say(language, f"probe_refused.help_{helped}")


def trouble(error: Any, language: Language) -> tuple[str, str] | None:
    """A WorkerError that only a probe meets as one line with its help; None for one that the dry run meets too."""
    keys = {"missing": "missing", "without_cuda": "without_cuda", "driver": "cuda_driver", "launcher": "launcher"}
    places = {"python": "", "said": str(error), **error.places}
    if error.kind == "environment" and error.places:
        key = "not_python" if "asked" in error.places else "no_torch"
        return say(language, f"probe.{key}", **places), say(language, "dryrun.help_environment")
    if error.kind not in keys:
        return None
    return say(language, f"probe.{keys[error.kind]}", **places), say(language, "probe_refused.help_dryrun")


def worker_text(error: Exception, language: Language) -> str:
    """Why something could not be run, in one line; what a library said is left in its own words."""
    kind = getattr(error, "kind", "")
    if kind in {"time", "died"}:
        return ending({"kind": kind, **error.places}, language)  # type: ignore[attr-defined]
    known = trouble(error, language) if kind else None
    if known is not None:
        return known[0]
    text = error.args[-1] if error.args else ""
    return (told(text, language).splitlines() or [type(error).__name__])[0]


def trial_text(trial: Mapping[str, Any], language: Language) -> str:
    """One trial of a search."""
    how = "fits" if trial["fits"] else "ended" if trial.get("ending") else "oom"
    held = size(trial["allocated_bytes"]) if trial.get("allocated_bytes") else ""
    return f"  {trial['value']:>9,}  {say(language, f'probe.trial_{how}')}  {held}".rstrip()


def _ranks(rows: Sequence[Mapping[str, Any]], language: Language) -> Iterator[str]:
    yield say(language, "probe.ranks")
    for row in rows:
        phase = say(language, f"moment.{row['peak_phase']}") if row.get("peak_phase") else "-"
        yield "  " + say(
            language, "probe.rank", rank=row["rank"], allocated=size(row["allocated_bytes"]),
            reserved=size(row["reserved_bytes"]), device=size(row["device_bytes"]) if row["device_bytes"] else "-",
            phase=phase,
        ) + _how(row, language)  # fmt: skip


def _how(row: Mapping[str, Any], language: Language) -> str:
    if row.get("oom"):
        return f" · {say(language, 'probe.trial_oom')}"
    return f" · {ending(row['ending'], language)}" if row.get("ending") else ""
