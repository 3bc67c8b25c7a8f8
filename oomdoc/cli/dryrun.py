"""`oomdoc dryrun`: the real model stepped on fake tensors, on the CPU, in the training environment."""

import sys
from typing import Any

import click

from oomdoc.cli import diagnostics
from oomdoc.cli.estimate import _FACTS, _pairs, _records
from oomdoc.messages import Language, preferred, reason, said, say


def facts_of(options: dict[str, Any]) -> dict[str, Any]:
    """Canonical facts of the options that `dryrun` and `probe` share."""
    facts = {name: options[option] for option, name in _FACTS.items() if options.get(option) is not None}
    if options.get("config"):
        facts["model.config_path"] = options["config"]
    if options.get("gpu_memory"):
        facts["hardware.gpu_total_bytes"] = int(options["gpu_memory"] * (1 << 30))
    if options.get("image"):
        height, cross, width = options["image"].lower().partition("x")
        if not cross or not width.isdigit() or not height.isdigit():
            raise click.BadParameter(said("usage.image_size"), param_hint="--image")
        facts |= {"image.height": int(height), "image.width": int(width)}
    return facts | _pairs(options.get("sets") or ())


def run_options(command: Any) -> Any:
    """The options that describe a run and the interpreter it uses."""
    for option in reversed((
        click.option("--model", help="A model's name or path (Qwen2.5-7B-Instruct, /models/x)."),
        click.option("--config", type=click.Path(), help="A config.json, or the folder of one; it beats the catalog."),
        click.option("--facts", "source", metavar="FILE|-", help="A JSON object of facts, or JSON Lines of them."),
        click.option("--method", type=click.Choice(["full", "lora", "qlora", "dora", "freeze", "inference", "load"])),
        click.option("--batch", type=click.IntRange(1), help="Samples per device."),
        click.option("--max-length", type=click.IntRange(1), help="Tokens per sample."),
        click.option("--accumulation", type=click.IntRange(1), help="Gradient accumulation steps."),
        click.option("--precision", type=click.Choice(["bfloat16", "float16", "float32"])),
        click.option("--checkpointing/--no-checkpointing", default=None, help="Gradient checkpointing."),
        click.option("--rank", type=click.IntRange(1), help="LoRA rank."),
        click.option("--targets", help="LoRA target modules, or all-linear."),
        click.option("--bits", type=click.IntRange(2, 8), help="Bits of quantised weights."),
        click.option("--optimizer", help="As the framework names it: adamw_torch, paged_adamw_8bit, ..."),
        click.option("--attention", type=click.Choice(["eager", "sdpa", "flash_attention_2"])),
        click.option("--image", metavar="HxW", help="Height and width of one image of a sample."),
        click.option("--images", type=click.IntRange(0), help="Images per sample."),
        click.option("--zero", type=click.IntRange(0, 3), help="ZeRO stage."),
        click.option("--offload", type=click.Choice(["none", "optimizer", "all"])),
        click.option("--gpus", type=click.IntRange(1), help="Number of training processes."),
        click.option("--gpu", help="The card, by name: RTX 4090."),
        click.option("--gpu-memory", type=float, metavar="GIB", help="Memory of the card."),
        click.option("--framework", help="ms-swift, llama-factory, hf-trainer, ..."),
        click.option("--framework-version"),
        click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Any other canonical fact."),
        click.option("--python", metavar="PATH", help="The training environment; else VIRTUAL_ENV, CONDA_PREFIX."),
        click.option("--trust-remote-code", is_flag=True, help="Run the model code that lies beside its config.json."),
        click.option("--timeout", type=click.FloatRange(1), default=600.0, show_default=True, help="Seconds a run."),
        click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text", show_default=True),
        click.option("--json", "kind", flag_value="json", help="Short for --format json."),
        click.option("--lang", type=click.Choice(["en", "zh"])),
        click.option("--width", type=click.IntRange(40, 400), help="Columns of the text; else the terminal's."),
    )):  # fmt: skip
        command = option(command)
    return command


@click.command(name="dryrun")
@run_options
@click.option("--timeline", type=click.Path(dir_okay=False), metavar="OUT.html", help="Write a self-contained plot.")
@click.option(
    "--snapshot", type=click.Path(dir_okay=False), metavar="OUT.pickle", help="Write a PyTorch memory snapshot."
)
def command(**options: Any) -> int:
    """Step the real model on fake tensors: proof without a GPU, weights or network.

    Exit status: 0 done (1 where the card is known and it does not fit), 2 usage, or it cannot be run.

    Example: oomdoc dryrun --model Qwen2.5-VL-7B-Instruct --method lora --image 1288x1288 --gpu "RTX 4090"
    """
    language = preferred(options["lang"])
    if options["source"]:
        records = list(_records(options["source"]))
        if len(records) != 1 or records[0][1] or options["kind"] == "json":
            return _answer_lines(records, facts_of(options), options)
        return _one({**records[0][0], **facts_of(options)}, options, language)
    return _one(facts_of(options), options, language)


def _one(facts: dict[str, Any], options: dict[str, Any], language: Language) -> int:
    from oomdoc.memory.predict import as_json
    from oomdoc.probe.dryrun import dry_run
    from oomdoc.report.out import can_draw, write

    progress = stage_line(language)
    try:
        found = dry_run(
            facts, python=options["python"], timeout=options["timeout"], progress=progress,
            trust_remote_code=options["trust_remote_code"], trace=bool(options["snapshot"]),
        )  # fmt: skip
    except run_errors() as error:
        progress("", 0.0)
        return refuse(error, language)
    progress("", 0.0)
    profile = found.profile
    if options["timeline"]:
        from oomdoc.probe.timeline import timeline_html

        _save(options["timeline"], timeline_html(found.answer, f"oomdoc dryrun: {found.plan.model.name}").encode())
    if options["snapshot"]:
        import pickle

        from oomdoc.probe.timeline import snapshot

        _save(options["snapshot"], pickle.dumps(snapshot(found.answer)))
    if options["kind"] == "json":
        write(
            _dump(
                {
                    "memory": as_json(profile),
                    "assumed": list(profile.assumed),
                    "error": None,
                    "dryrun": shown(found.answer),
                }
            )
        )
    else:
        from oomdoc.report.dryrun_text import dryrun_text

        write(dryrun_text(profile, found.answer, language, columns=_columns(options["width"]), glyphs=can_draw()))
    short = bool(profile.capacity_bytes) and profile.device_bytes > (profile.capacity_bytes or 0)
    return diagnostics.NONE_NAMEABLE if short else diagnostics.NAMED


def _answer_lines(
    records: list[tuple[dict[str, Any], str | None]], common: dict[str, Any], options: dict[str, Any]
) -> int:
    """One JSON line for each record, in order, from one worker."""
    from oomdoc.probe.table import answers
    from oomdoc.report.out import write

    wanted = [({**facts, **common}, error) for facts, error in records]
    for line in answers(wanted, python=options["python"], timeout=options["timeout"]):
        write(_dump(line))
    return diagnostics.NAMED


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """What JSON output carries of the worker's answer."""
    names = ("class", "built", "parameters", "trainable_parameters", "top_tensors", "top_modules", "timeline",
             "kernels", "notes", "operators", "seconds", "versions", "rss_bytes", "failure")  # fmt: skip
    return {name: answer[name] for name in names if name in answer}


def run_errors() -> tuple[type[Exception], ...]:
    """What can be wrong with a run's settings or its environment; each message is one line."""
    from oomdoc.memory.architecture import ArchitectureError
    from oomdoc.memory.settings import SettingsError
    from oomdoc.probe.host import WorkerError
    from oomdoc.probe.plan import PlanError

    return (ArchitectureError, SettingsError, WorkerError, PlanError)


def refuse(error: Exception, language: Language) -> int:
    """Say why it cannot be run, and what can be done instead."""
    from oomdoc.memory.predict import UnknownModelError
    from oomdoc.report.probe_text import worker_text

    text = worker_text(error, language)
    if isinstance(error, UnknownModelError):
        text = say(language, "estimate.unknown_model", name=error) if str(error) else say(language, "estimate.no_model")
    kind = getattr(error, "kind", "")
    where = getattr(error, "where", "")
    diagnostics.say_error(
        f"{text} ({where})" if where else text, say(language, f"dryrun.help_{kind}") if kind in _HELPED else None
    )
    return diagnostics.USAGE


_HELPED = ("environment", "build", "operator", "run", "time")


def stage_line(language: Language = "en") -> Any:
    """A line on stderr that says what the worker is doing; nothing where stderr is no terminal."""
    on = sys.stderr.isatty()

    def progress(stage: str, seconds: float) -> None:
        if on:
            from oomdoc.probe.endings import stage_text

            told = stage_text(stage, language)
            sys.stderr.write(f"\r\x1b[K{told} ({seconds:.0f} s)" if stage else "\r\x1b[K")
            sys.stderr.flush()

    return progress


def _save(path: str, content: bytes) -> None:
    from pathlib import Path

    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise click.UsageError(said("usage.cannot_write", name=path, why=reason(error))) from None


def _dump(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False) + "\n"


def _columns(width: int | None) -> int:
    import shutil

    return width or min(120, shutil.get_terminal_size().columns)
