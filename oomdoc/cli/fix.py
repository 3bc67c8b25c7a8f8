"""`oomdoc fix`: the plans that fit, the diff of one in the person's own files, and, on request, its writing."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oomdoc.cli import diagnostics
from oomdoc.cli.aftermath import Remembered
from oomdoc.messages import Language, preferred, said, say

if TYPE_CHECKING:
    from oomdoc.engine.diagnosis import Diagnosis
    from oomdoc.patch.way_out import Offer, WayOut

_FORMATS = ("text", "json", "markdown", "html")


@click.command(name="fix")
@click.argument("files", nargs=-1, metavar="[FILE...|-]")
@click.option("-c", "--config", "configs", multiple=True, metavar="CONFIG", help="Launch script or configuration file.")
@click.option("--plan", "number", type=click.IntRange(1, 9), default=1, show_default=True, help="Which plan.")
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="A change you have decided on.")
@click.option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="Something the input does not say.")
@click.option("--keep", multiple=True, metavar="NAME", help="A fact that must stay, such as train.max_length.")
@click.option("--no-quantization", is_flag=True, help="Keep the weights unquantised.")
@click.option("--max-gpus", type=click.IntRange(1), help="Use at most so many cards.")
@click.option("--headroom", default="4%", show_default=True, metavar="GIB|%", help="What a plan leaves free.")
@click.option("--lengths", metavar="FILE", help="Samples as JSON or JSON Lines: how many would a limit cut?")
@click.option("--apply", "write", is_flag=True, help="Write the plan into the files; oomdoc undo takes it back.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Write copies into this folder.")
@click.option("--verify", type=click.Choice(["dryrun", "probe"]), help="Prove the plan: on the CPU, or on a GPU.")
@click.option("--yes", is_flag=True, help="Let --verify probe take a card that others use.")
@click.option("--python", help="Interpreter of the training environment, for --verify.")
@click.option(
    "--trust-remote-code", "trust", is_flag=True, help="Let --verify run the model's own code, if it is here."
)
@click.option(
    "--timeout", type=click.FloatRange(1), default=600.0, show_default=True, help="Seconds a run of --verify."
)
@click.option("--format", "kind", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--json", "kind", flag_value="json", help="Short for --format json.")
@click.option("--previous", metavar="FILE|auto", help="JSON report of the run before, or the history: was it fixed?")
@click.option("--no-history", is_flag=True, help="Neither look into the history nor keep this in it.")
@click.option("--lang", type=click.Choice(["en", "zh"]))
@click.option("--width", type=click.IntRange(40, 400), help="Columns of the text; else the terminal's.")
def command(files: tuple[str, ...], configs: tuple[str, ...], **options: Any) -> int:
    """Show the changes that make a failed run fit, and write one of them on request.

    Exit status: 0 a plan is shown or written, 1 no plan helps or a dry run contradicts it, 2 usage, unreadable input, a
    refused write or one that was to be proven first and could not be, 3 a probe contradicts the plan.

    Example: oomdoc fix train.log -c train.yaml --keep train.max_length --apply
    """
    from oomdoc.patch.errors import PatchError

    language = preferred(options["lang"])
    paths = list(files) or ([] if sys.stdin.isatty() or configs else ["-"])
    if not paths and not configs:
        raise click.UsageError(said("usage.name_log_fix"))
    try:
        return _fix(paths, configs, options, language)
    except PatchError as error:
        diagnostics.say_error(error.told(language))
        return diagnostics.USAGE


def _fix(paths: Sequence[str], configs: Sequence[str], options: dict[str, Any], language: Language) -> int:
    from oomdoc.patch.way_out import way_out
    from oomdoc.remedies.options import Limits

    history = Remembered(configs, language, off=options["no_history"])
    diagnosis, log, documents = _inputs(paths, configs, options, history)
    keep = [*options["keep"], *(["quant.bits"] if options["no_quantization"] else [])]
    for name in keep:
        _known(name)
    chosen = _pairs(options["sets"])
    way = way_out(
        diagnosis, documents, log=log, limits=Limits(tuple(keep), options["max_gpus"]),
        headroom=_headroom(options["headroom"]), chosen=chosen,
    )  # fmt: skip
    offer = next((one for one in way.offers if one.number == options["number"]), None)
    if offer is None and (options["number"] > 1 or options["write"] or options["output"]):
        _show(way, options, language, wishes=bool(keep or chosen))
        diagnostics.say_error(say(language, "fix.no_plan", number=options["number"], count=len(way.offers)))
        return diagnostics.NONE_NAMEABLE
    _tried(diagnosis, documents, language)
    proven = _verify(way, offer, diagnosis, options, language) if options["verify"] and offer else None
    if proven is False:  # a refuted plan is not written
        return diagnostics.CONTRADICTED if options["verify"] == "probe" else diagnostics.NONE_NAMEABLE
    if offer is not None and (options["write"] or options["output"]):
        if options["verify"] and not proven:
            diagnostics.say_error(say(language, "fix.unproven"))
            return diagnostics.USAGE
        return _write(offer, way, diagnosis, options, language, history)
    _show(way, options, language, wishes=bool(keep or chosen))
    return diagnostics.NAMED if way.offers else diagnostics.NONE_NAMEABLE


def _inputs(
    paths: Sequence[str], configs: Sequence[str], options: dict[str, Any], history: Remembered
) -> tuple["Diagnosis", str, list[Any]]:
    from oomdoc.engine.diagnosis import diagnose_case
    from oomdoc.ingest.read import read_inputs, read_text
    from oomdoc.patch.way_out import answered, documents_of, log_text

    if list(paths) == ["-"]:
        log = sys.stdin.buffer.read().decode("utf-8", "replace")
        case = read_text(log, configs=configs, name="<stdin>")
    else:
        log = log_text(paths)
        case = read_inputs(paths, configs=configs)
    told = _pairs(options["facts"])
    case = answered(case, told) if told else case
    tried = history.tried(options["previous"])
    return diagnose_case(case, attempts=tried(case) if tried else ()), log, documents_of(configs, log)


def _show(way: "WayOut", options: dict[str, Any], language: Language, *, wishes: bool) -> None:
    import json
    import shutil

    from oomdoc.report.out import write
    from oomdoc.report.plan import plans_block
    from oomdoc.report.plan_json import plans_json
    from oomdoc.report.plan_text import plans_text

    if options["kind"] == "json":
        found = {"schema": "oomdoc.fix/1", "language": language, **plans_json(way, language)}
        write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return
    columns = options["width"] or min(120, shutil.get_terminal_size().columns)
    block = plans_block(way, language, wishes=wishes, lengths=_lengths(options["lengths"]))
    if options["kind"] != "text":
        from oomdoc.report import html, markdown

        drawn = html.render([block], language) if options["kind"] == "html" else markdown.render([block], language)
        write(drawn, "utf-8")
        return
    write(plans_text(block, language, columns=columns, shown=options["number"]))


def _tried(diagnosis: "Diagnosis", documents: Sequence[Any], language: Language) -> None:
    """Say which applied fix this run failed with all the same."""
    from oomdoc.patch.apply import in_force

    if diagnosis.aftermath is not None:
        from oomdoc.report.aftermath import aftermath_lines

        for line in aftermath_lines(diagnosis.aftermath, language):
            diagnostics.say_error(line)
        return
    for entry in in_force(documents)[-1:]:
        made = ", ".join(entry.get("made", [])) or entry["id"]
        diagnostics.say_error(say(language, "fix.tried", time=entry["time"][:16].replace("T", " "), made=made))


def _lengths(path: str | None) -> Any:
    from oomdoc.remedies.lengths import read_lengths

    try:
        return read_lengths(path) if path else None
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error).splitlines()[0], param_hint="--lengths") from None


def _write(
    offer: "Offer", way: "WayOut", diagnosis: "Diagnosis", options: dict[str, Any], language: Language,
    history: Remembered,
) -> int:  # fmt: skip
    import json

    from oomdoc.patch.apply import apply, copies
    from oomdoc.report.mask import mask
    from oomdoc.report.out import write
    from oomdoc.report.plan_json import offer_json

    if options["output"]:
        named, key, name = [str(path) for path in copies(offer.edits, options["output"])], "fix.copied", None
    else:
        done = apply(offer.edits, note=", ".join(f"{name}={value}" for name, value in offer.changes.items()))
        named, key, name = list(done.files), "fix.applied", done.id
        history.keep_fix(diagnosis, offer, name)
    if options["kind"] == "json":
        found = {**offer_json(offer, way, language), "schema": "oomdoc.fix/1", "written": named, "undo": name}
        write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return diagnostics.NAMED
    write(mask(offer.edits.diff))
    lines = [say(language, key, files=", ".join(named))]
    for hand in offer.edits.by_hand:
        native = hand.native or f"{hand.fact} = {hand.value}"
        lines.append(say(language, "fix.by_hand", native=native, why=hand.why(language)))
    if name:
        lines.append(say(language, "fix.undo_hint"))
    write("\n".join(lines) + "\n")
    return diagnostics.NAMED


def _verify(
    way: "WayOut", offer: "Offer", diagnosis: "Diagnosis", options: dict[str, Any], language: Language
) -> bool | None:
    """Whether the dry run or the probe agrees; None where it could not say."""
    from oomdoc.cli.dryrun import stage_line
    from oomdoc.engine.findings import values_of
    from oomdoc.facts.units import size
    from oomdoc.probe.verify import verify_plan
    from oomdoc.remedies.advise import capacity_of
    from oomdoc.remedies.weigh import joined
    from oomdoc.report.verification import said

    facts = values_of(diagnosis.case)
    capacity = capacity_of(facts)
    if not capacity:
        diagnostics.say_error(say(language, "fix.cannot_verify", reason=say(language, "fix.no_capacity")))
        return None
    solved = way.advice.solved or {}
    after = joined({**facts, **solved}, {**solved, **offer.changes})
    probed = options["verify"] == "probe"
    progress = stage_line(language)
    try:
        check = verify_plan(
            after, capacity, method="probe" if probed else "dry_run", python=options["python"],
            timeout=options["timeout"], progress=progress, yes=options["yes"],
            trust_remote_code=options["trust"],
        )  # fmt: skip
    finally:
        progress("", 0.0)
    if check.outcome == "unclear" or check.profile is None:
        reason = said(check.reasons[0], language) if check.reasons else "?"
        diagnostics.say_error(say(language, "fix.cannot_verify", reason=reason))
        return None
    key = ("proven" if check.outcome == "confirmed" else "refuted") + ("_probe" if probed else "")
    shown = {"device": size(check.profile.device_bytes), "capacity": size(capacity), "gpu": check.profile.basis}
    diagnostics.say_error(say(language, f"fix.{key}", **shown))
    return check.outcome == "confirmed"


def _pairs(texts: Sequence[str]) -> dict[str, Any]:
    import json

    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.strip().partition("=")
        if not equals:
            raise click.UsageError(said("usage.no_pair", text=repr(text)))
        _known(name)
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        found[name] = tuple(read) if isinstance(read, list) else read
        if not _fits(name, found[name]):
            raise click.UsageError(said("usage.no_such_value", name=name, value=repr(value)))
    return found


def _fits(name: str, value: Any) -> bool:
    """Whether a value is of the fact's type, and among its choices where it has some; null is known to be unset."""
    from oomdoc.facts.vocabulary import term

    declared = term(name)
    if value is None or declared is None:
        return True
    kinds: dict[str, type | tuple[type, ...]] = {
        "int": int,
        "float": (int, float),
        "bool": bool,
        "str": str,
        "list": tuple,
    }
    right = isinstance(value, kinds[declared.type]) and isinstance(value, bool) == (declared.type == "bool")
    return right and (not declared.choices or value in declared.choices)


def _known(name: str) -> None:
    from oomdoc.facts.vocabulary import term, terms

    if term(name) is None:
        from rapidfuzz import process

        near = process.extractOne(name, [known.name for known in terms()], score_cutoff=70)
        if near:
            raise click.UsageError(said("usage.unknown_fact_near", name=repr(name), near=near[0]))
        raise click.UsageError(said("usage.unknown_fact", name=repr(name)))


def _headroom(text: str) -> float:
    """A share of the card, or bytes."""
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number.lower().removesuffix("gib").removesuffix("gb"))
    except ValueError:
        raise click.BadParameter(said("usage.headroom"), param_hint="--headroom") from None
    if value < 0 or (percent and value >= 100):
        raise click.BadParameter(said("usage.headroom_range"), param_hint="--headroom")
    return value / 100 if percent else value * (1 << 30) if value else 0.0
