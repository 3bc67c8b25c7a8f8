"""`oomdoc probe --find`: the largest batch or length that fits, each trial a fresh process."""

from typing import Any

from oomdoc.cli import diagnostics
from oomdoc.cli.dryrun import _dump, stage_line
from oomdoc.messages import Language, say


class _EndedError(Exception):
    """A trial that was neither a fit nor out of memory tells nothing about its value."""


def find(facts: dict[str, Any], own: dict[str, Any], options: dict[str, Any], language: Language) -> int:
    """Begin where the dry run points, measure, bisect; the answer is a value that was measured to fit."""
    from oomdoc.cli.probe import measure
    from oomdoc.probe.cards import choose_several, usable
    from oomdoc.probe.search import SEARCHED, first_guess, largest, with_value

    name, cap = options["find"], int(options["cap"] * (1 << 30)) if options["cap"] else None
    card = choose_several(usable(), 1, options["device"], cap, yes=options["yes"])[0]
    facts = {"hardware.gpu_name": card.name, **facts}
    line = stage_line()
    line(say(language, "probe.guessing"), 0.0)
    try:
        guess = first_guess(
            facts, name, cap or card.free_bytes, python=options["python"],
            trust_remote_code=options["trust_remote_code"],
            progress=lambda _, seconds: line(say(language, "probe.guessing"), seconds),
        )  # fmt: skip
    finally:
        line("", 0.0)
    tried: list[dict[str, Any]] = []

    def fits(value: int) -> bool:
        shown = say(language, "probe.trying", number=len(tried) + 1, value=f"{value:,}", stage="{}")
        found = measure(with_value(facts, name, value), own, options, language, shown)
        answer = found.answer
        trial = {"value": value, "fits": not found.oom and not answer.get("ended"),
                 "allocated_bytes": found.profile.allocated_bytes, "reserved_bytes": found.profile.reserved_bytes,
                 "device_bytes": found.profile.device_bytes, "seconds": answer.get("seconds"),
                 "ending": None if found.oom else answer.get("ending")}  # fmt: skip
        tried.append(trial)
        if trial["ending"]:
            raise _EndedError
        return bool(trial["fits"])

    broken = False
    try:
        largest(fits, guess.value, SEARCHED[name])
    except _EndedError:
        broken = True
    best = max((trial["value"] for trial in tried if trial["fits"]), default=0)
    _tell(name, best, guess, tried, options, language, broken=broken)
    if broken:
        return diagnostics.USAGE
    return diagnostics.NAMED if best else diagnostics.NONE_NAMEABLE


def _tell(
    name: str, best: int, guess: Any, tried: list[dict[str, Any]], options: dict[str, Any], language: Language, *,
    broken: bool,
) -> None:  # fmt: skip
    from oomdoc.probe.endings import ending
    from oomdoc.probe.search import SEARCHED
    from oomdoc.report.out import write
    from oomdoc.report.probe_text import trial_text

    refused = [trial["value"] for trial in tried if not trial["fits"] and not trial["ending"]]
    above = min(refused, default=None)
    if options["kind"] == "json":
        write(_dump({"fact": name, "value": best, "above": above, "guess": guess.value, "guess_by": guess.by,
                     "complete": not broken, "trials": tried}))  # fmt: skip
        return
    by = say(language, f"probe.guess_{guess.by}")
    lines = [say(language, "probe.guess", value=f"{guess.value:,}", by=by)]
    lines += [trial_text(trial, language) for trial in tried]
    places = {"name": name, "value": f"{best:,}"}
    if best and above is not None:
        lines.append(say(language, "probe.best", above=f"{above:,}", **places))
    elif best:
        lines.append(say(language, "probe.best_most" if best >= SEARCHED[name] else "probe.best_open", **places))
    elif above is not None:
        lines.append(say(language, "probe.none_fits", name=name, value=f"{above:,}"))
    write("\n".join(lines) + "\n")
    if broken:
        text = ending(tried[-1]["ending"], language)
        diagnostics.say_error(say(language, "probe.unsure_trial", value=f"{tried[-1]['value']:,}", text=text))
