"""`oomdoc probe`: the same step for real on a GPU, capped, watched, and cleaned up."""

from typing import Any

import click

from oomdoc.cli import diagnostics
from oomdoc.cli.dryrun import _columns, _dump, facts_of, refuse, run_errors, run_options, stage_line
from oomdoc.cli.estimate import _records
from oomdoc.messages import Language, preferred, say

_SEARCHED = {"train.per_device_batch_size": 4096, "train.max_length": 1 << 20}


@click.command(name="probe")
@run_options
@click.option("--device", type=click.IntRange(0), help="Index of the GPU; else the freest.")
@click.option(
    "--cap", type=click.FloatRange(0, min_open=True), metavar="GIB", help="Let this card play one of so many GiB."
)
@click.option(
    "--find", type=click.Choice(list(_SEARCHED)), help="The largest value that fits, each trial a fresh process."
)
@click.option(
    "--snapshot", type=click.Path(dir_okay=False), metavar="OUT.pickle", help="Write PyTorch's memory snapshot."
)
@click.option("--yes", is_flag=True, help="Probe a card that others use.")
def command(**options: Any) -> int:
    """Measure the step on a GPU: random weights, no download, a time limit and a memory cap.

    Exit status: 0 it fits, 1 it ran out of memory, 2 it could not be run, 3 it contradicts the dry run.

    Example: oomdoc probe --model Qwen2.5-7B-Instruct --method lora --max-length 4096 --cap 24
    """
    from oomdoc.probe.gpu_probe import RefusedError

    language = preferred(options["lang"])
    facts = facts_of(options)
    if options["source"]:
        records = list(_records(options["source"]))
        if len(records) != 1 or records[0][1]:
            raise click.UsageError("a probe takes one object of facts")
        facts = {**records[0][0], **facts}
    try:
        return _find(facts, options) if options["find"] else _one(facts, options, language)
    except RefusedError as error:
        return _refused(error, options, language)
    except run_errors() as error:
        return refuse(error, language)


def _probe(facts: dict[str, Any], options: dict[str, Any]) -> Any:
    from oomdoc.probe.gpu_probe import probe

    progress = stage_line()
    cap = options["cap"]
    try:
        return probe(
            facts, python=options["python"], device=options["device"], cap_bytes=int(cap * (1 << 30)) if cap else None,
            timeout=options["timeout"], yes=options["yes"], progress=progress,
            trust_remote_code=options["trust_remote_code"], snapshot=options["snapshot"],
        )  # fmt: skip
    finally:
        progress("", 0.0)


def _one(facts: dict[str, Any], options: dict[str, Any], language: Language) -> int:
    """The probe beside the closed form and the dry run."""
    from oomdoc.facts.units import size
    from oomdoc.memory.predict import as_json, predict
    from oomdoc.probe.dryrun import dry_run
    from oomdoc.report.out import write
    from oomdoc.report.probe_text import probe_text

    found = _probe(facts, options)
    profiles = [found.profile]
    try:
        profiles.insert(0, dry_run(facts, python=options["python"], timeout=options["timeout"]).profile)
    except run_errors():
        found.answer.setdefault("notes", []).append("the dry run could not be made")
    profiles.insert(0, predict(facts))
    cap = found.profile.capacity_bytes or 0
    dry = next((each for each in profiles if each.method == "dry_run"), None)
    contradicted = dry is not None and not found.answer.get("ended") and bool(found.oom) == (dry.device_bytes <= cap)
    if options["kind"] == "json":
        write(_dump({"memory": as_json(found.profile), "error": None, "contradicts": contradicted, "oom": found.oom,
                     "compared": [as_json(each) for each in profiles], "probe": found.answer}))  # fmt: skip
    else:
        write(probe_text(profiles, found.answer, language, columns=_columns(options["width"])))
    if contradicted and dry is not None:
        diagnostics.say_error(say(language, "dryrun.contradicted", cap=size(cap), predicted=size(dry.device_bytes)))
        return diagnostics.CONTRADICTED
    return diagnostics.NONE_NAMEABLE if found.oom or found.answer.get("ended") else diagnostics.NAMED


def _find(facts: dict[str, Any], options: dict[str, Any]) -> int:
    from oomdoc.memory.predict import predict
    from oomdoc.probe.gpu_probe import cards, choose, largest
    from oomdoc.report.out import write

    name = options["find"]
    cap = int(options["cap"] * (1 << 30)) if options["cap"] else None
    card = choose(cards(), options["device"], cap, yes=options["yes"])
    room = cap or card.free_bytes

    def with_value(value: int) -> dict[str, Any]:
        return {**facts, name: value} | ({"train.sequence_tokens": value} if name == "train.max_length" else {})

    def predicted(value: int) -> bool:
        return predict(with_value(value)).device_bytes <= room

    guess = largest(predicted, 1, _SEARCHED[name], trials=40)
    tried: list[dict[str, Any]] = []

    def measured(value: int) -> bool:
        found = _probe(with_value(value), options)
        fits = not found.oom and not found.answer.get("ended")
        tried.append({"value": value, "fits": fits, "allocated_bytes": found.profile.allocated_bytes})
        return fits

    best = largest(measured, max(1, guess), _SEARCHED[name])
    if options["kind"] == "json":
        write(_dump({"fact": name, "value": best, "guess": guess, "trials": tried}))
    else:
        write("".join(f"  {each['value']:>8,}  {'fits' if each['fits'] else 'out of memory'}\n" for each in tried))
        write(f"{name} = {best:,}\n")
    return diagnostics.NAMED if best else diagnostics.NONE_NAMEABLE


def _refused(error: Any, options: dict[str, Any], language: Language) -> int:
    from oomdoc.facts.units import size
    from oomdoc.probe.host import interpreter

    card = error.card
    places = {"python": interpreter(options["python"])}
    if card is not None:
        places = {"index": card.number, "used": size(card.used_bytes), "free": size(card.free_bytes),
                  "cap": size((options["cap"] or 0) * (1 << 30))}  # fmt: skip
    offered = "dryrun.busy_help" if error.reason == "busy" else "dryrun.no_gpu_help"
    diagnostics.say_error(say(language, f"dryrun.{error.reason}", **places), say(language, offered))
    return diagnostics.USAGE
