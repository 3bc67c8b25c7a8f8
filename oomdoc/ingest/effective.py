"""The run that really happened: processes, parallel kind, global batch, LoRA's reach, from settings and the launch."""

import math
from collections.abc import Iterable, Mapping, Sequence

from oomdoc.facts.fact import TRUST, Fact, How, Source
from oomdoc.facts.model import Value
from oomdoc.ingest.frameworks import Framework
from oomdoc.ingest.issue import Issue
from oomdoc.ingest.launch import Launched, launched
from oomdoc.ingest.recognise import FrameworkMatch
from oomdoc.ingest.syntax.setting import Command
from oomdoc.ingest.towers import EVERYTHING, reached_by_count, reached_by_names, tower
from oomdoc.ingest.version_range import contains
from oomdoc.messages import sentence

_STAGES = (1, 2, 3)


class Run:
    """Facts by name, the most trusted first, and what is added to them."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.best: dict[str, Fact] = {}
        for fact in facts:
            held = self.best.get(fact.name)
            if held is None or TRUST[fact.source.how] < TRUST[held.source.how]:
                self.best[fact.name] = fact
        self.added: list[Fact] = []

    def number(self, name: str) -> int | None:
        """A whole number, or None where it is unknown or unset."""
        fact = self.best.get(name)
        value = fact.value if fact else None
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def value(self, name: str) -> Value:
        """The value, or None where it is unknown or unset."""
        fact = self.best.get(name)
        return fact.value if fact else None

    def values(self) -> Mapping[str, Value]:
        """All values by name."""
        return {name: fact.value for name, fact in self.best.items()}

    def add(self, name: str, value: Value, source: Source) -> None:
        """Add a fact unless a more trusted one is there."""
        fact = Fact(name=name, value=value, source=source)
        self.added.append(fact)
        held = self.best.get(name)
        if held is None or TRUST[source.how] < TRUST[held.source.how]:
            self.best[name] = fact


def effective(
    facts: Iterable[Fact], commands: Sequence[Command], entry: Framework | None, match: FrameworkMatch | None
) -> tuple[list[Fact], list[Issue]]:
    """The derived facts of a run, and the settings that turn out to do nothing in it."""
    run = Run(facts)
    issues: list[Issue] = []
    _accelerator_settings(run)
    command = _launch_of(commands, match)
    if command is not None:
        start = launched(command, entry, run.number("hardware.gpu_count"), run.values())
        _launch_facts(run, start, command)
        _parallel_kind(run, start, entry)
    each = run.number("parallel.processes_per_node")
    if each and "parallel.world_size" not in run.best and (entry is None or entry.launch.plain == "per-gpu"):
        names = ("parallel.processes_per_node", "parallel.nodes")
        run.add("parallel.world_size", each * (run.number("parallel.nodes") or 1), _derived(*names))
        run.add("hardware.gpu_count", each, _derived("parallel.processes_per_node"))
    if entry is not None and entry.launch.plain == "engine":
        _engine(run)
    elif command is None:
        _printed_kind(run)
    _presets(run, entry, match)
    _model_name(run)
    _formulas(run, entry)
    _global_batch(run)
    _method(run)
    _lora_reach(run, entry)
    issues.extend(_idle_sharding(run))
    return run.added, issues


def _derived(*names: str, note: str | None = None) -> Source:
    return Source(how=How.DERIVED, derived_from=names, note=note)


def _accelerator_settings(run: Run) -> None:
    settings = run.value("env.alloc_conf")
    if isinstance(settings, str) and "expandable_segments" in settings:
        on = "expandable_segments:true" in settings.lower().replace(" ", "")
        run.add("env.expandable_segments", on, _derived("env.alloc_conf"))


def _launch_of(commands: Sequence[Command], match: FrameworkMatch | None) -> Command | None:
    """The command that starts the run: the one with the recognised sign, else the first with a launcher or a script."""
    signs = [evidence for evidence in match.evidence if evidence.line is not None] if match else []
    for evidence in sorted(signs, key=lambda sign: -sign.weight):
        for command in commands:
            if command.file == evidence.file and command.line == evidence.line:
                return command
    scripts = [
        command for command in commands if any(word.endswith(".py") for word in (*command.launcher, *command.words))
    ]
    return scripts[0] if scripts else None


def _launch_facts(run: Run, start: Launched, command: Command) -> None:
    said = start.said_by
    source = Source(
        how=How.COMMAND,
        file=command.file,
        line=said.line if said else command.line,
        span=said.value_span if said else None,
        native=said.key if said else None,
        status="explicit" if said else "default",
    )
    run.add("parallel.launcher", start.launcher, source)
    if start.processes is not None and start.distributed:
        run.add("parallel.world_size", start.processes, source)
        if run.number("hardware.gpu_count") is None and run.number("parallel.nodes") in (None, 1):
            run.add("hardware.gpu_count", start.processes, _derived("parallel.world_size"))


def _parallel_kind(run: Run, start: Launched, entry: Framework | None) -> None:
    gpus = run.number("hardware.gpu_count")
    stage, sharding = run.number("parallel.zero_stage"), run.value("parallel.fsdp_sharding")
    world = run.number("parallel.world_size") if start.distributed else None
    plain = entry.launch.plain if entry and entry.role != "component" else None
    if start.distributed:
        kind = "zero" if stage in _STAGES else "fsdp" if sharding else "ddp" if world and world > 1 else None
        kind = kind or ("none" if world == 1 else None)
        if kind and run.value("parallel.kind") not in {"megatron", "fsdp", "zero", "pipeline", "tensor"}:
            run.add("parallel.kind", kind, _derived("parallel.launcher", "parallel.world_size", "parallel.zero_stage"))
        return
    if plain in {None, "engine"} or run.value("parallel.kind") is not None:
        return
    if plain == "per-gpu" and gpus is None:
        if stage in _STAGES:
            run.add("parallel.kind", "zero", _derived("parallel.zero_stage"))
        return
    placed = run.value("train.framework_device_map")
    spread = plain == "device_map" or (
        isinstance(placed, str) and placed.startswith(("auto", "balanced", "sequential"))
    )
    if stage in _STAGES:
        kind = "zero"
    elif gpus is None and plain != "single":
        return
    else:
        kind = "none" if gpus == 1 else "device_map" if spread else "dp" if plain == "dp" else "none"
    note = entry.launch.note.en if entry and entry.launch.note and kind in {"dp", "device_map"} else None
    run.add("parallel.kind", kind, _derived("parallel.launcher", "hardware.gpu_count", note=note))
    run.add("parallel.world_size", 1, _derived("parallel.launcher"))


def _printed_kind(run: Run) -> None:
    """The parallel kind of a run whose launch nobody saw: from the processes that it printed or its settings name."""
    world, stage = run.number("parallel.world_size"), run.number("parallel.zero_stage")
    split = any((run.number(f"parallel.{name}_parallel") or 1) > 1 for name in ("tensor", "pipeline", "context"))
    if run.value("parallel.kind") is not None or not world or split:
        return
    if world > 1:
        kind = "zero" if stage in _STAGES else "fsdp" if run.value("parallel.fsdp_sharding") else "ddp"
        run.add("parallel.kind", kind, _derived("parallel.world_size", "parallel.zero_stage"))


def _presets(run: Run, entry: Framework | None, match: FrameworkMatch | None) -> None:
    """What a framework's own sizes mean together, e.g. which of its models they are."""
    if entry is None or match is None:
        return
    for preset in entry.presets:
        met = all(name in run.best and run.value(name) == value for name, value in preset.when.items())
        if met and contains(preset.versions, match.number):
            for name in preset.sets.keys() - run.best.keys():
                run.add(name, preset.sets[name], _derived(*preset.when))


def _model_name(run: Run) -> None:
    """The name in a hub id or in the last folder of a path; a folder of any other name says nothing."""
    path, told = run.best.get("model.path"), run.best.get("model.name")
    if path is None or not isinstance(path.value, str):
        return
    if told is not None and TRUST[told.source.how] <= TRUST[path.source.how]:
        return  # what was launched beats what a person calls it
    at = path.source
    source = at.model_copy(update={"derived_from": ("model.path",)})
    plain = path.value.strip().rstrip("/")
    if plain.count("/") == 1 and plain[:1].isalnum():
        run.add("model.name", plain, source)
        return
    from oomdoc.ingest.model_names import find  # imported here: its patterns cost, and few runs need them

    last = plain.replace("\\", "/").rpartition("/")[2]
    if find(f"local/{last}"):
        run.add("model.name", last, source)


def _engine(run: Run) -> None:
    tensor = run.number("parallel.tensor_parallel") or 1
    pipeline = run.number("parallel.pipeline_parallel") or 1
    names = ("parallel.tensor_parallel", "parallel.pipeline_parallel")
    run.add("parallel.kind", "tensor" if tensor > 1 else "pipeline" if pipeline > 1 else "none", _derived(*names))
    run.add("parallel.world_size", tensor * pipeline, _derived(*names))
    if tensor * pipeline > 1 and "hardware.gpu_count" not in run.best:
        run.add("hardware.gpu_count", tensor * pipeline, _derived(*names))


def _formulas(run: Run, entry: Framework | None) -> None:
    batch, world = run.number("train.per_device_batch_size"), run.number("parallel.world_size")
    for parameter in entry.parameters if entry else ():
        if parameter.formula is None or parameter.fact is None or parameter.fact in run.best:
            continue
        value: int | None = None
        if parameter.formula == "fill-to-16" and batch and world:
            value = math.ceil(16 / batch / world)
        elif parameter.formula == "twice-rank" and (rank := run.number("lora.rank")):
            value = 2 * rank
        elif parameter.formula == "same-as-train-batch":
            value = batch
        elif parameter.formula == "nominal-64" and (total := run.number("train.global_batch_size")):
            value = max(round(64 / total), 1) if total > 0 else None
        if value is not None:
            note = parameter.note.en if parameter.note else None
            names = ("train.per_device_batch_size", "parallel.world_size")
            source = Source(
                how=How.DEFAULT,
                status="default",
                derived_from=names,
                note=note,
                native=next(iter(parameter.names), None),
            )
            run.add(parameter.fact, value, source)


def _global_batch(run: Run) -> None:
    batch, steps = run.number("train.per_device_batch_size"), run.number("train.gradient_accumulation_steps")
    world = run.number("parallel.world_size")
    if run.value("parallel.kind") == "dp":
        world = run.number("hardware.gpu_count")
    if not batch or not steps or not world or "train.global_batch_size" in run.best:
        return
    split = 1
    for name in ("parallel.tensor_parallel", "parallel.pipeline_parallel", "parallel.sequence_parallel"):
        split *= run.number(name) or 1
    if world % split == 0:
        names = ("train.per_device_batch_size", "train.gradient_accumulation_steps", "parallel.world_size")
        run.add("train.global_batch_size", batch * steps * (world // split), _derived(*names))


def _method(run: Run) -> None:
    method, bits = run.value("train.method"), run.number("quant.bits")
    if method == "lora" and bits in (4, 8):
        run.add("train.method", "qlora", _derived("train.method", "quant.bits"))
    elif method is None and "lora.rank" in run.best and run.best["lora.rank"].source.how is not How.DEFAULT:
        run.add("train.method", "qlora" if bits in (4, 8) else "lora", _derived("lora.rank"))


def _lora_reach(run: Run, entry: Framework | None) -> None:
    model = " ".join(str(run.value(name)) for name in ("model.name", "model.path", "model.family") if run.value(name))
    targets = run.value("lora.target_modules")
    if run.value("train.method") not in {"lora", "qlora", "dora"} or not isinstance(targets, tuple) or not tower(model):
        return
    names = tuple(str(target) for target in targets)
    trainable = run.number("model.trainable_parameters")
    if trainable is not None:
        counted = reached_by_count(model, names, run.number("lora.rank"), trainable)
        if counted is not None:
            run.add("lora.reaches_vision_tower", counted, _derived("model.trainable_parameters", "lora.target_modules"))
            return
    respect = entry.targets_respect_freeze if entry else "never"
    everything = any(name.lower() in EVERYTHING for name in names)
    frozen = run.value("train.freeze_vision_tower")
    if frozen is True and (respect == "always" or (respect == "all-linear" and everything)):
        run.add("lora.reaches_vision_tower", False, _derived("train.freeze_vision_tower", "lora.target_modules"))
        return
    reached = reached_by_names(model, names)
    if reached is not None:
        run.add("lora.reaches_vision_tower", reached, _derived("lora.target_modules", "model.path"))


def _idle_sharding(run: Run) -> list[Issue]:
    stage = run.best.get("parallel.zero_stage")
    if stage is None or stage.value not in _STAGES or run.number("parallel.world_size") != 1:
        return []
    if run.value("parallel.offload") not in {None, "none"}:
        return []
    source = stage.source
    return [
        Issue(
            kind="inactive",
            native=source.native or "deepspeed",
            file=source.file,
            line=source.line,
            span=source.span,
            sentence=sentence("issue.zero_alone", stage=stage.value),
            fact="parallel.zero_stage",
            stayed=stage.value,
        )
    ]
