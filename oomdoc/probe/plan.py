"""What the worker is to do, from canonical facts: read as the closed form reads them, plus the real config."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from oomdoc.memory.architecture import Architecture, ArchitectureError, Shape
from oomdoc.memory.catalog import resolve, shapes
from oomdoc.memory.knowledge import document
from oomdoc.memory.linears import targeted
from oomdoc.memory.local import find_local
from oomdoc.memory.logits import recipe_name
from oomdoc.memory.platform import context_part
from oomdoc.memory.predict import architecture_of
from oomdoc.memory.reading import from_facts
from oomdoc.memory.settings import Settings
from oomdoc.memory.vision import in_math, sides
from oomdoc.messages import Sentence, reason, said, sentence
from oomdoc.probe.builds import Build, builds_of
from oomdoc.probe.configs import NoConfigError


class PlanError(Exception):
    """The facts do not make a dry run; the message is one line."""


class Plan(NamedTuple):
    """The worker's JSON plan, the settings it was made from, and what was taken for granted."""

    job: dict[str, Any]
    settings: Settings
    model: Architecture
    assumed: tuple[Sentence, ...]


_DTYPES = {"fp16": "float16", "half": "float16", "16": "float16", "fp32": "float32", "32": "float32", "tf32": "float32"}
_CAPABILITY = (  # tried in this order: A100 stands before A10
    (("H100", "H800", "H200", "H20", "GH200"), (9, 0)),
    (("B100", "B200", "GB200"), (10, 0)),
    (("5090", "5080", "5070", "5060", "PRO 6000 BLACKWELL"), (12, 0)),
    (("4090", "4080", "4070", "4060", "L40", "L20", "L4", "6000 ADA"), (8, 9)),
    (("A100", "A800", "A30"), (8, 0)),
    (("A10", "A40", "3090", "3080", "3070", "3060", "A6000", "A5000", "A4000", "A2000"), (8, 6)),
    (("T4", "2080", "2070", "2060", "TITAN RTX", "RTX 6000", "RTX 8000"), (7, 5)),
    (("V100", "TITAN V"), (7, 0)),
    (("P100",), (6, 0)),
    (("P40", "1080", "1070", "1060"), (6, 1)),
)


def plan_of(facts: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> Plan:
    """A plan from canonical facts. `config` is the content of a config.json, which beats the catalog.

    Raises PlanError, ArchitectureError or SettingsError, one line each.
    """
    assumed: list[Sentence] = []
    path = facts.get("model.config_path")
    if config is None:
        config, path = _own(facts)
    model = _architecture(facts, config)
    settings = from_facts(facts, model)
    assumed += [*model.assumed, *settings.assumed]
    ways = _ways(facts, config, model, settings)
    job = _widened(_job(facts, ways[0].config, model, settings))
    job |= {"builds": [way.job() for way in ways], "refuse_beyond": document("builds")["refuse_beyond"]}
    counted = model if model.basis == "catalog" else _named(facts, config)
    job["parameters"] = counted.counts.total if counted is not None else 0
    if path:
        folder = Path(str(path)).expanduser()
        job["path"] = str(folder if folder.is_dir() else folder.parent)
    if job["padded"]:
        assumed.append(sentence("plan.padded"))
    return Plan(job, settings, model, tuple(dict.fromkeys(assumed)))


def _own(facts: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """The model's own config.json and where it lies: as named, else beside its files on this machine."""
    path = facts.get("model.config_path")
    if path:
        return read(str(path)), str(path)
    found = find_local(str(facts.get("model.path") or facts.get("model.name") or ""))
    return (found.config, str(found.folder)) if found is not None else (None, None)


def _ways(
    facts: Mapping[str, Any], config: Mapping[str, Any] | None, model: Architecture, settings: Settings
) -> tuple[Build, ...]:
    """The model's own config first; what the catalog knows of a model whose code is remote after it."""
    if config is None:
        try:
            return builds_of(model, settings.images)
        except NoConfigError:
            raise PlanError(said("plan.no_config", name=model.name)) from None
    own = Build("own", dict(config), {})
    named = _named(facts, config) if config.get("auto_map") else None
    if named is None:
        return (own,)
    try:
        return (own, *(way for way in builds_of(named, settings.images) if way.how != "own"))
    except NoConfigError:
        return (own,)


def _named(facts: Mapping[str, Any], config: Mapping[str, Any] | None) -> Architecture | None:
    """The catalog's model of the name that the facts or a config give."""
    for name in (facts.get("model.name"), facts.get("model.path"), (config or {}).get("_name_or_path")):
        found = resolve(str(name)) if name else None
        if found is not None:
            return found
    return None


def read(path: str) -> dict[str, Any]:
    """The object in a config.json, or in the config.json of a folder. Raises PlanError."""
    file = Path(path).expanduser()
    file = file / "config.json" if file.is_dir() else file
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(said("usage.cannot_read", name=file, why=reason(error))) from None
    except ValueError as error:
        raise PlanError(said("model.not_json", file=file, why=error)) from None
    if not isinstance(found, dict):
        raise PlanError(said("model.no_object", file=file))
    return found


def _architecture(facts: Mapping[str, Any], config: Mapping[str, Any] | None) -> Architecture:
    """For reading the facts only; a config that the closed form cannot read does not stop the dry run."""
    if config is not None:
        from oomdoc.memory.config import from_config

        try:
            return from_config(config, str(facts.get("model.name") or ""))
        except ArchitectureError:
            from oomdoc.memory.catalog import generic

            return generic(1_000_000_000, str(config.get("model_type") or "config.json"))
    return architecture_of(facts)


def capability(gpu_name: str | None) -> tuple[int, int]:
    """Compute capability of a card by its name; an A100's where it is not known."""
    plain = (gpu_name or "").upper()
    for names, found in _CAPABILITY:
        if any(name in plain for name in names):
            return found
    return (8, 0)


def _dtype(width: float, compute: str) -> str:
    return "float32" if width >= 4 else compute


def _job(facts: Mapping[str, Any], config: dict[str, Any], model: Architecture, settings: Settings) -> dict[str, Any]:
    stated = str(facts.get("train.precision") or "bfloat16").lower()
    compute = _DTYPES.get(stated, "bfloat16" if stated in ("bf16", "fp8") else stated)
    half = compute if compute != "float32" else "bfloat16"
    images = settings.images
    count = images.count or (1 if images.height or images.frames or images.tokens else 0)
    height, width = sides(model, images)
    limit = max(settings.tokens, 1)
    return {
        "config": config,
        "dtype": _dtype(settings.weights, half),
        "autocast": compute if settings.autocast and settings.compute < 4 else None,
        "method": settings.method,
        "lora": _lora(settings, half, model, config),
        "quant": {"bits": settings.quant_bits, "type": settings.quant_type, "double": settings.quant_double,
                  "upcast": settings.kbit_upcast, "head": settings.quantised_head},
        "freeze": _frozen(settings, model),
        "checkpointing": settings.trains and settings.checkpointing != "off",
        "vision_checkpointing": settings.vision_checkpointing if settings.checkpointing != "language" else False,
        "checkpoint_offload": settings.checkpoint_offload,
        "optimizer": settings.optimizer,
        "attention": settings.attention, "vision_math": in_math(model, settings),
        "batch": settings.samples, "tokens": limit,
        "images": count, "height": height or None, "width": width or None,
        "frames": images.frames or None,
        "tiles": images.tiles or (model.vision.max_tiles if model.vision and images.height == 0 else 0) or None,
        "max_pixels": images.max_pixels or height * width or (model.vision.max_pixels if model.vision else 0) or None,
        "min_pixels": model.vision.min_pixels if model.vision else None,
        "accumulation": settings.accumulation,
        "phases": _phases(facts, settings), "steps": 3 if settings.lengths == "varying" else 2, "max_grad_norm": 1.0,
        "padded": settings.samples > 1 and not facts.get("train.packing") and settings.lengths != "fixed",
        "liger": settings.liger, "loss": recipe_name(model, settings),
        "short": 0.5 if settings.lengths == "varying" and settings.trains else None,
        "card_bytes": _room(settings),
        "eval_batch": settings.eval_batch or None, "eval_batches_kept": settings.eval_kept or None,
        "eval_cache": settings.eval_cache, "use_cache": settings.method == "inference",
        "fused_activations": settings.own_kernels,
        "prompt_tokens": settings.serving.prompt or None, "new_tokens": settings.serving.new_tokens or None,
        "capability": capability(str(facts.get("hardware.gpu_name") or "")),
        "capacity_bytes": _room(settings),
        "alloc_conf": str(facts.get("env.alloc_conf") or ("expandable_segments:True" if settings.expandable else "")),
        "parallel": _parallel(facts, settings),
    }  # fmt: skip


def _room(settings: Settings) -> int | None:
    """What the card leaves to PyTorch: its size less the CUDA context and other processes; None where not known."""
    if not settings.capacity:
        return None
    return max(1, settings.capacity - settings.other_processes - context_part(settings).bytes)


def _lora(settings: Settings, half: str, model: Architecture, config: Mapping[str, Any]) -> dict[str, Any] | None:
    if settings.lora is None:
        return None
    lora = settings.lora
    text = config.get("parts", config).get("text") or config.get("text_config") or config
    kind = str(config.get("model_type") or "")
    native = shapes().get(kind if kind in shapes() else str(text.get("model_type") or ""), Shape()).names
    canonical = sorted({native.get(letter, f"{letter}_proj") for letter in targeted(model, lora.targets)})
    return {"rank": lora.rank, "targets": list(lora.targets) or None, "canonical_targets": canonical,
            "dropout": lora.dropout,
            "modules_to_save": list(lora.saved_modules), "dtype": _dtype(settings.adapter, half),
            "reaches_vision": lora.reaches_vision}  # fmt: skip


def _frozen(settings: Settings, model: Architecture) -> dict[str, bool]:
    if model.vision is None:
        return {}
    if settings.lora is not None:
        return {"vision": not settings.lora.reaches_vision and settings.freeze_vision}
    return {
        "vision": settings.freeze_vision,
        "projector": settings.freeze_projector,
        "language": settings.freeze_language,
    }


def _phases(facts: Mapping[str, Any], settings: Settings) -> list[str]:
    if settings.method == "load":
        return []
    if settings.method == "inference":
        return ["generate"] if settings.serving.new_tokens or settings.serving.prompt else ["eval"]
    phases = ["train"]
    strategy = facts.get("eval.strategy")
    if settings.eval_batch or (strategy and strategy != "no") or settings.eval_generates:
        phases.append("generate" if settings.eval_generates else "eval")
    return phases


def _parallel(facts: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    parallel = settings.parallel
    sharding = sharding_of(facts) if parallel.kind == "fsdp" else None
    stage = parallel.zero_stage or (3 if parallel.kind == "fsdp" else 0)
    return {"kind": parallel.kind, "ranks": parallel.shards, "stage": stage, "offload": parallel.offload,
            "bucket_elements": parallel.bucket_elements or None, "sharding": sharding}  # fmt: skip


def _widened(job: dict[str, Any]) -> dict[str, Any]:
    """FSDP gathers float32 shards as the type that the step computes in (accelerate's MixedPrecision): said of both."""
    way = job["parallel"]
    shards = way["sharding"] and way["ranks"] > 1 and way["sharding"] != "no_shard"
    if shards and job["autocast"] and job["dtype"] == "float32" and job["method"] == "full":
        return {**job, "parallel": {**way, "widened": 2}}
    return job


def sharding_of(facts: Mapping[str, Any]) -> str:
    """FSDP's strategy among what a framework lets one write ("full_shard auto_wrap offload")."""
    words = str(facts.get("parallel.fsdp_sharding") or "full_shard").lower().replace(",", " ").split()
    known = ("hybrid_shard_zero2", "hybrid_shard", "shard_grad_op", "no_shard", "full_shard")
    return next((name for name in known if name in words), "full_shard")
