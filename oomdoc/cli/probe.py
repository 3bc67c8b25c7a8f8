"""`oomdoc probe`: the same step for real on one or several GPUs, capped, watched, and cleaned up."""

from typing import Any

import click

from oomdoc.cli import diagnostics
from oomdoc.cli.dryrun import _columns, _dump, facts_of, refuse, run_errors, run_options, stage_line
from oomdoc.cli.estimate import _records
from oomdoc.messages import Language, preferred, say, sentence

_SEARCHED = ("train.per_device_batch_size", "train.max_length")


@click.command(name="probe")
@run_options
@click.option("-c", "--run", "runs", multiple=True, metavar="FILE", help="A launch script or training configuration.")
@click.option(
    "--device", type=click.IntRange(0), multiple=True, help="Index of the GPU, once for each; else the freest."
)
@click.option(
    "--cap", type=click.FloatRange(0, min_open=True), metavar="GIB", help="Let each card play one of so many GiB."
)
@click.option(
    "--find", type=click.Choice(list(_SEARCHED)), help="The largest value that fits, each trial a fresh process."
)
@click.option(
    "--snapshot", type=click.Path(dir_okay=False), metavar="OUT.pickle", help="Write PyTorch's memory snapshot."
)
@click.option("--yes", is_flag=True, help="Probe a card that others use.")
def command(**options: Any) -> int:
    """Measure the step on the GPU: random weights, no download, a time limit and a memory cap.

    A run of several processes (--gpus, or as its settings say) is launched as it would be, on as many cards.

    Exit status: 0 it fits, 1 it ran out of memory, 2 it could not be run, 3 it contradicts the dry run.

    Example: oomdoc probe --model Qwen2.5-7B-Instruct --method lora --max-length 4096 --cap 24
    """
    from oomdoc.probe.cards import RefusedError

    language = preferred(options["lang"])
    facts, own = _described(options, language)
    try:
        if options["find"]:
            from oomdoc.cli.probe_find import find

            return find(facts, own, options, language)
        return _one(facts, own, options, language)
    except RefusedError as error:
        return _refused(error, options, language)
    except run_errors() as error:
        return _not_run(error, language)


def _described(options: dict[str, Any], language: Language) -> tuple[dict[str, Any], dict[str, Any]]:
    """The facts of the run, and the launcher's and DeepSpeed's own files where its settings came from some."""
    from oomdoc.probe.own_files import of_run

    facts, own = of_run(options["runs"])
    facts |= facts_of(options)
    if options["source"]:
        records = list(_records(options["source"]))
        if len(records) != 1 or records[0][1]:
            raise click.UsageError(say(language, "probe.one_object"))
        facts = {**records[0][0], **facts}
    return facts, own


def measure(
    facts: dict[str, Any], own: dict[str, Any], options: dict[str, Any], language: Language, shown: str = "{}"
) -> Any:
    """One probe with the options of the command; `shown` is what the line of progress says around the stage."""
    from oomdoc.probe.endings import stage_text
    from oomdoc.probe.gpu_probe import probe

    line = stage_line()
    cap = options["cap"]
    try:
        return probe(
            facts, python=options["python"], device=options["device"], cap_bytes=int(cap * (1 << 30)) if cap else None,
            timeout=options["timeout"], yes=options["yes"],
            progress=lambda stage, seconds: line(shown.format(stage_text(stage, language)), seconds),
            trust_remote_code=options["trust_remote_code"], snapshot=options["snapshot"], **own,
        )  # fmt: skip
    finally:
        line("", 0.0)


def _one(facts: dict[str, Any], own: dict[str, Any], options: dict[str, Any], language: Language) -> int:
    """The probe beside the closed form and the dry run."""
    from oomdoc.facts.units import size
    from oomdoc.memory.predict import as_json, predict
    from oomdoc.report.out import write
    from oomdoc.report.probe_text import probe_text

    found = measure(facts, own, options, language)
    card = found.answer.get("gpu") or {}
    if card.get("name"):
        facts = {"hardware.gpu_name": card["name"], **facts}
    dry = _dry_run(facts, found, options)
    profiles = [predict(facts), *([dry] if dry is not None else []), found.profile]
    cap = found.profile.capacity_bytes or 0
    wrong = contradiction(found, dry)
    if options["kind"] == "json":
        write(_dump({"memory": as_json(found.profile), "error": None, "contradicts": wrong is not None,
                     "oom": found.oom, "ending": found.answer.get("ending"), "ranks": found.answer.get("ranks"),
                     "compared": [as_json(each) for each in profiles], "probe": found.answer}))  # fmt: skip
    else:
        write(probe_text(profiles, found.answer, language, columns=_columns(options["width"])))
    if wrong is not None and dry is not None:
        predicted = {"predicted": size(dry.device_bytes), "low": size(dry.low_bytes), "high": size(dry.high_bytes)}
        diagnostics.say_error(say(language, f"probe.{wrong}", cap=size(cap), **predicted))
        return diagnostics.CONTRADICTED
    if found.answer.get("ended") and not found.oom:
        return diagnostics.USAGE
    return diagnostics.NONE_NAMEABLE if found.oom else diagnostics.NAMED


def _dry_run(facts: dict[str, Any], found: Any, options: dict[str, Any]) -> Any:
    from oomdoc.probe.dryrun import dry_run

    try:
        return dry_run(
            facts, python=options["python"], timeout=options["timeout"], trust_remote_code=options["trust_remote_code"]
        ).profile
    except run_errors() as error:
        missing = sentence("probe.no_dryrun", reason=error.args[0] if error.args else "")
        found.answer.setdefault("said", []).append([missing.en, missing.zh])
        return None


def contradiction(found: Any, dry: Any) -> str | None:
    """Which way a probe contradicts the dry run beyond its error; None where it does not, or did not end."""
    if dry is None or (found.answer.get("ended") and not found.oom):
        return None
    cap = found.profile.capacity_bytes or 0
    if found.oom:
        return "contradicted" if dry.high_bytes <= cap else None
    return "contradicted_fits" if dry.low_bytes > cap else None


def _not_run(error: Exception, language: Language) -> int:
    from oomdoc.report.probe_text import trouble

    said = trouble(error, language) if hasattr(error, "kind") else None
    if said is None:
        return refuse(error, language)
    diagnostics.say_error(*said)
    return diagnostics.USAGE


def _refused(error: Any, options: dict[str, Any], language: Language) -> int:
    from oomdoc.probe.cards import neighbours
    from oomdoc.probe.host import interpreter
    from oomdoc.report.probe_text import refused

    who = neighbours(error.card) if error.reason == "busy" and error.card is not None else []
    diagnostics.say_error(*refused(error, language, python=interpreter(options["python"]), who=who))
    return diagnostics.USAGE
