"""`oomdoc estimate`: the memory of a run before it is started, and what one change would do to it."""

import sys
from collections.abc import Iterator
from typing import Any

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import Language, preferred, reason, said, say, told

# Options that stand for one fact each; `--set NAME=VALUE` reaches every other fact.
_FACTS: dict[str, str] = {
    "method": "train.method", "batch": "train.per_device_batch_size", "max_length": "train.max_length",
    "accumulation": "train.gradient_accumulation_steps", "precision": "train.precision", "rank": "lora.rank",
    "targets": "lora.target_modules", "bits": "quant.bits", "optimizer": "train.optimizer",
    "attention": "model.attention", "zero": "parallel.zero_stage", "offload": "parallel.offload",
    "gpus": "parallel.world_size", "images": "train.num_images", "gpu": "hardware.gpu_name",
    "framework": "framework.name", "framework_version": "framework.version", "transformers": "env.transformers",
    "model": "model.name", "checkpointing": "train.gradient_checkpointing",
}  # fmt: skip
_LIMITS = {"train.max_length": 1 << 22, "train.sequence_tokens": 1 << 22, "inference.max_model_len": 1 << 24}


@click.command(name="estimate")
@click.option("--model", help="A model's name, path or size (Qwen2.5-7B-Instruct, /models/x, 7B).")
@click.option("--config", type=click.Path(), help="A config.json, or the folder that holds it; it beats the catalog.")
@click.option("--method", type=click.Choice(["full", "lora", "qlora", "dora", "freeze", "inference", "load"]))
@click.option("--batch", type=int, help="Samples per device.")
@click.option("--max-length", type=int, help="Tokens per sample.")
@click.option("--accumulation", type=int, help="Gradient accumulation steps.")
@click.option("--precision", type=click.Choice(["bfloat16", "float16", "float32"]))
@click.option("--checkpointing/--no-checkpointing", default=None, help="Gradient checkpointing.")
@click.option("--rank", type=int, help="LoRA rank.")
@click.option("--targets", help="LoRA target modules, or all-linear.")
@click.option("--bits", type=int, help="Bits of quantised weights.")
@click.option("--optimizer", help="As the framework names it: adamw_torch, paged_adamw_8bit, ...")
@click.option("--attention", type=click.Choice(["eager", "sdpa", "flash_attention_2"]))
@click.option("--image", metavar="WxH", help="Size of one image of a sample.")
@click.option("--images", type=int, help="Images per sample.")
@click.option("--zero", type=click.IntRange(0, 3), help="ZeRO stage.")
@click.option("--offload", type=click.Choice(["none", "optimizer", "all"]))
@click.option("--gpus", type=int, help="Number of training processes.")
@click.option("--gpu", help="The card, by name: RTX 4090.")
@click.option("--gpu-memory", type=float, metavar="GIB", help="Memory of the card.")
@click.option("--framework", help="ms-swift, llama-factory, hf-trainer, ...")
@click.option("--framework-version")
@click.option("--transformers", help="Version of transformers.")
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Any other fact by its canonical name.")
@click.option("-c", "--run", "runs", multiple=True, metavar="FILE", help="A launch script or training configuration.")
@click.option("--facts", "source", metavar="FILE|-", help="A JSON object of facts, or JSON Lines of them.")
@click.option("--compare", nargs=2, metavar="A B", help="Two lists of NAME=VALUE, side by side.")
@click.option("--sweep", metavar="NAME=LOW..HIGH", help="The peak at several values of one fact.")
@click.option("--max", "largest", metavar="NAME", help="The largest value of a fact that fits the card.")
@click.option("--format", "kind", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True)
@click.option("--json", "kind", flag_value="json", help="Short for --format json.")
@click.option("--lang", type=click.Choice(["en", "zh"]))
@click.option("--width", type=click.IntRange(40, 400), help="Columns of the text; else the terminal's.")
def command(**options: Any) -> int:
    """Predict where the bytes of a run go, before it is started.

    Exit status: 0 predicted (1 where the card is known and it does not fit), 2 usage or a model nobody knows.

    Example: oomdoc estimate --model Qwen2.5-VL-7B-Instruct --method lora --max-length 4096 --image 1288x1288 --gpu "RTX
    4090"
    """
    language = preferred(options["lang"])
    if options["source"]:
        records = list(_records(options["source"]))
        if len(records) != 1 or records[0][1] or options["kind"] == "json":
            return _answer_lines(records)
        facts = {**records[0][0], **_stated(options)}
    else:
        facts = _stated(options)
    return _answer(facts, options, language)


def _answer(facts: dict[str, Any], options: dict[str, Any], language: Language) -> int:
    from oomdoc.memory.architecture import ArchitectureError
    from oomdoc.memory.predict import UnknownModelError
    from oomdoc.memory.settings import SettingsError

    try:
        if options["sweep"]:
            return _sweep(facts, options, language)
        if options["largest"]:
            return _largest(facts, options["largest"], options["kind"], language)
        if options["compare"]:
            return _compare(facts, options["compare"], options["kind"], language)
        return _one(facts, options, language)
    except UnknownModelError as error:
        if not str(error):
            diagnostics.say_error(say(language, "estimate.no_model"))
        else:
            diagnostics.say_error(
                say(language, "estimate.unknown_model", name=str(error)), say(language, "estimate.unknown_model_help")
            )
    except (ArchitectureError, SettingsError) as error:
        diagnostics.say_error(told(error.args[0], language))
    return diagnostics.USAGE


def _one(facts: dict[str, Any], options: dict[str, Any], language: Language) -> int:
    from oomdoc.memory.predict import as_json, predict
    from oomdoc.report.out import can_draw, write

    profile = predict(facts)
    if options["kind"] == "json":
        write(_dump({"memory": as_json(profile), "assumed": list(profile.assumed), "error": None}))
    else:
        from oomdoc.report.memory_text import profile_text

        write(profile_text(profile, language, columns=_columns(options["width"]), glyphs=can_draw()))
    short = bool(profile.capacity_bytes) and profile.device_bytes > (profile.capacity_bytes or 0)
    return diagnostics.NONE_NAMEABLE if short else diagnostics.NAMED


def _compare(facts: dict[str, Any], pair: tuple[str, str], kind: str, language: Language) -> int:
    from oomdoc.memory.predict import as_json, predict
    from oomdoc.report.memory_text import comparison_text
    from oomdoc.report.out import write

    both = [(text, predict({**facts, **_pairs(text.split(","))})) for text in pair]
    if kind == "json":
        write(_dump([{"sets": text, "memory": as_json(profile)} for text, profile in both]))
    else:
        write(comparison_text(both[0], both[1], language))
    return diagnostics.NAMED


def _sweep(facts: dict[str, Any], options: dict[str, Any], language: Language) -> int:
    from oomdoc.memory.closed_form import peak
    from oomdoc.memory.predict import architecture_of
    from oomdoc.memory.reading import from_facts
    from oomdoc.report.memory_text import sweep_csv, sweep_text
    from oomdoc.report.out import can_draw, write

    name, values = _range(options["sweep"])
    model = architecture_of(facts)
    points = [(value, peak(model, from_facts({**facts, **_with(facts, name, value)}, model))) for value in values]
    capacity = from_facts(facts, model).capacity or None
    if options["kind"] == "csv":
        write(sweep_csv(name, points))
    elif options["kind"] == "json":
        write(_dump([{"value": value, **_figures(found)} for value, found in points]))
    else:
        write(sweep_text(name, points, capacity, language, glyphs=can_draw()))
    return diagnostics.NAMED


def _largest(facts: dict[str, Any], name: str, kind: str, language: Language) -> int:
    from oomdoc.facts.units import size
    from oomdoc.memory.closed_form import peak
    from oomdoc.memory.predict import architecture_of
    from oomdoc.memory.reading import from_facts
    from oomdoc.report.out import write

    model = architecture_of(facts)
    capacity = from_facts(facts, model).capacity
    if not capacity:
        raise click.UsageError(say(language, "estimate.need_gpu"))

    def fits(value: int) -> bool:
        return peak(model, from_facts({**facts, **_with(facts, name, value)}, model)).device <= capacity

    low, high = 0, _LIMITS.get(name, 4096)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    if not low:
        write(
            say(language, "estimate.none_fits", name=name, low=1, high=_LIMITS.get(name, 4096), capacity=size(capacity))
            + "\n"
        )
        return diagnostics.NONE_NAMEABLE
    found = peak(model, from_facts({**facts, **_with(facts, name, low)}, model))
    if kind == "json":
        write(_dump({"fact": name, "value": low, "capacity_bytes": capacity, **_figures(found)}))
    else:
        write(say(language, "estimate.largest", name=name, value=f"{low:,}", capacity=size(capacity),
                  device=size(found.device), low=size(found.low), high=size(found.high)) + "\n")  # fmt: skip
    return diagnostics.NAMED


def _answer_lines(records: list[tuple[dict[str, Any], str | None]]) -> int:
    from oomdoc.memory.predict import answer
    from oomdoc.report.out import write

    write(
        "".join(
            _dump({"memory": None, "assumed": [], "error": error} if error else answer(facts))
            for facts, error in records
        )
    )
    return diagnostics.NAMED


def _records(source: str) -> Iterator[tuple[dict[str, Any], str | None]]:
    """(facts, error) of each object; a whole JSON document is one, else every line is one."""
    import json
    from pathlib import Path

    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(said("usage.cannot_read", name=source, why=reason(error))) from None
    try:
        whole = json.loads(text)
        texts = [text] if isinstance(whole, dict) else [json.dumps(each) for each in whole]
    except (ValueError, TypeError):
        texts = [line for line in text.splitlines() if line.strip()]
    for each in texts:
        try:
            facts = json.loads(each)
        except ValueError as error:
            yield {}, f"not JSON: {error}"
            continue
        yield (facts, None) if isinstance(facts, dict) else ({}, "not an object of facts")


def _stated(options: dict[str, Any]) -> dict[str, Any]:
    facts = _read(options["runs"])
    facts |= {name: options[option] for option, name in _FACTS.items() if options[option] is not None}
    if options["config"]:
        facts["model.config_path"] = options["config"]
    if options["gpu_memory"]:
        facts["hardware.gpu_total_bytes"] = int(options["gpu_memory"] * (1 << 30))
    if options["image"]:
        width, cross, height = options["image"].lower().partition("x")
        if not cross or not width.isdigit() or not height.isdigit():
            raise click.BadParameter(said("usage.image_size"), param_hint="--image")
        facts |= {"image.width": int(width), "image.height": int(height)}
    return facts | _pairs(options["sets"])


def _read(files: tuple[str, ...]) -> dict[str, Any]:
    """The facts of launch scripts and configurations; flags given beside them win."""
    if not files:
        return {}
    from oomdoc.ingest.read import read_inputs

    case = read_inputs([], configs=list(files))
    return {name: case.value(name) for name in case.names()}


def _pairs(texts: Any) -> dict[str, Any]:
    import json

    from oomdoc.facts.vocabulary import term

    facts: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.strip().partition("=")
        if not equals or term(name) is None:
            raise click.UsageError(said("usage.no_fact_pair", text=repr(text)))
        try:
            facts[name] = json.loads(value)
        except ValueError:
            facts[name] = value
    return facts


def _range(text: str) -> tuple[str, list[int]]:
    name, _, values = text.partition("=")
    low, dots, high = values.partition("..")
    try:
        first, last = int(low), int(high) if dots else int(low)
    except ValueError:
        raise click.BadParameter(said("usage.sweep"), param_hint="--sweep") from None
    if not 0 < first <= last:
        raise click.BadParameter(said("usage.sweep_range"), param_hint="--sweep")
    if last >= 4 * first:
        found = [first]
        while found[-1] * 2 < last:
            found.append(found[-1] * 2)
    else:
        found = sorted({first + (last - first) * step // 8 for step in range(8)})
    return name, sorted({*found, last})


def _with(facts: dict[str, Any], name: str, value: int) -> dict[str, Any]:
    both = (
        name == "train.max_length" and "train.sequence_tokens" in facts
    )  # a limit above the real length changes nothing
    return {name: value, "train.sequence_tokens": value} if both else {name: value}


def _figures(found: Any) -> dict[str, Any]:
    return {
        "phase": found.phase,
        **{f"{name}_bytes": getattr(found, name) for name in ("allocated", "reserved", "device", "low", "high")},
    }


def _dump(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False) + "\n"


def _columns(width: int | None) -> int:
    import shutil

    return width or min(120, shutil.get_terminal_size().columns)
