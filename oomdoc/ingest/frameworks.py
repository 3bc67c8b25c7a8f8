"""What a framework file says: how to recognise it, what starts processes, and every option with its meaning.

The schema contributors write to (`oomdoc frameworks new NAME`), and the loading of one file with those it extends.
"""

from functools import cache
from typing import Literal, TypeAlias, TypeVar

from pydantic import Field

from oomdoc.facts import base
from oomdoc.facts.model import Model, Scalar, Value
from oomdoc.ingest.version_range import Version, contains, parse_version

Reads: TypeAlias = Literal[
    "value",  # as the type of the fact
    "dtype",  # bf16, torch.float16, ... -> float16 | bfloat16 | float32
    "attention",  # fa2, flash_attn, ... -> model.attention
    "zero-stage",  # 2, zero2, ds_z3_offload.json, ... -> 2, 3
    "zero-offload",  # zero3_offload, ds_z2_offload.json, ... -> none | optimizer | all
    "set",  # any value that is not empty -> true
    "length",  # how many devices are listed: "0,1" -> 2
    "square",  # a side length -> pixels
    "first-number",  # "1024,768" -> 1024
    "last-name",  # torch.optim.AdamW -> adamw
    "member",  # one key of a JSON value
    "stem",  # the value itself, lower case
    "model-name",  # a text shaped as a model's name or path; anything else says nothing
]
Formula: TypeAlias = Literal["fill-to-16", "twice-rank", "same-as-train-batch", "nominal-64"]
Plain: TypeAlias = Literal["single", "dp", "device_map", "per-gpu", "engine"]


class Both(Model):
    """One sentence in both languages."""

    en: str
    zh: str


class Sign(Model):
    """One piece of evidence for a framework (exactly one of the first six), and for its versions."""

    command: str | None = Field(default=None, description="words of the launched program, e.g. `swift sft`")
    key: str | None = Field(default=None, description="an option name, dashes as underscores")
    env: str | None = Field(default=None, description="an environment variable")
    call: str | None = Field(default=None, description="a Python call or class, e.g. SFTConfig")
    text: str | None = Field(default=None, description="text in a log or traceback, e.g. swift/llm/sft.py")
    file: str | None = Field(default=None, description="part of the name of a file that was read")
    weight: float = 3.0
    versions: str = ""


class VersionedValue(Model):
    """A default that holds in a range of versions."""

    versions: str
    value: Value


class Parameter(Model):
    """One native option and the canonical fact it sets; `fact` is empty where it is only explained."""

    fact: str | None = None
    names: tuple[str, ...] = Field(
        default=(), description="spelling and aliases, dashes as underscores, dotted if nested"
    )
    env: tuple[str, ...] = ()
    scope: tuple[str, ...] = Field(default=(), description="calls or blocks it must stand in, for short names like `r`")
    not_in: tuple[str, ...] = Field(default=(), description="calls or blocks where the name means something else")
    versions: str = ""
    reads: Reads = "value"
    member: str | None = None
    values: dict[str, Value] = Field(default_factory=dict, description="native value in lower case -> canonical")
    silent: tuple[str, ...] = Field(default=(), description="native values that say nothing, in lower case")
    unset: tuple[Scalar, ...] = Field(default=(), description="native values that mean: no limit, not used")
    invert: bool = False
    scale: float | None = Field(default=None, description="factor from the native unit to the canonical one")
    default: Value = Field(default=None, description="what an unset option means; null: it stays unset")
    defaults: tuple[VersionedValue, ...] = ()
    default_unless: tuple[str, ...] = Field(default=(), description="options (or option=value) that void the default")
    default_requires: tuple[str, ...] = Field(default=(), description="options without which it says nothing")
    models: str | None = Field(default=None, description="pattern of model names the default holds for")
    formula: Formula | None = None
    inactive: Both | None = Field(default=None, description="why setting it changes nothing here")
    bounds_nothing: Both | None = Field(default=None, description="what it looks like it limits and does not")
    bounds_models: str | None = Field(default=None, description="pattern of model names `bounds_nothing` holds for")
    note: Both | None = None
    recalled: bool = Field(default=False, description="not read in the code or documentation of the framework")
    source: str | None = None
    of: str | None = Field(default=None, description="set on inheriting: the file whose versions the ranges mean")

    def default_at(self, version: Version) -> tuple[bool, Value]:
        """(known, value) of the default at a version."""
        for entry in self.defaults:
            if contains(entry.versions, version):
                return True, entry.value
        return "default" in self.model_fields_set, self.default


class Names(Model):
    """Option names that exist in a range of versions, as one text with blanks between."""

    versions: str = ""
    names: str
    of: str | None = None


class Launch(Model):
    """What happens when the program starts without a launcher, and what makes it start more processes."""

    plain: Plain = "single"
    processes_env: str | None = Field(default=None, description="e.g. NPROC_PER_NODE")
    starts_per_gpu_env: str | None = Field(default=None, description="e.g. FORCE_TORCHRUN")
    note: Both | None = None


class Preset(Model):
    """Facts that follow from others: a family's sizes name its model."""

    versions: str = ""
    when: dict[str, Value]
    sets: dict[str, Value]


class Framework(Model):
    """One file of `knowledge/frameworks/`."""

    id: str
    title: str
    role: Literal["trainer", "engine", "component", "base"] = "trainer"
    extends: tuple[str, ...] = Field(default=(), description="files whose options also hold here")
    family: str | None = Field(default=None, description="the value of framework.name, where it is not the id")
    packages: tuple[str, ...] = ()
    version_fact: str | None = Field(default=None, description="env.* fact that holds the version")
    assume: str = Field(description="the version taken where none is known")
    open: bool = Field(default=False, description="scripts add options of their own: unknown names are never reported")
    sources: tuple[str, ...]
    recognise: tuple[Sign, ...] = ()
    launch: Launch = Field(default_factory=Launch)
    positional: tuple[str, ...] = Field(
        default=(), description="what the words without a dash give, in order: a fact, `config` (a file), or `-`"
    )
    targets_respect_freeze: Literal["never", "all-linear", "always"] = "never"
    parameters: tuple[Parameter, ...] = ()
    presets: tuple[Preset, ...] = ()
    needs: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="option -> one of these must be set too"
    )
    renamed: dict[str, str] = Field(default_factory=dict, description="old name -> the one that took its place")
    known_names: tuple[Names, ...] = ()
    known_env: tuple[Names, ...] = ()

    @property
    def name(self) -> str:
        """The value of `framework.name`."""
        return self.family or self.id


_Entry = TypeVar("_Entry", Parameter, Names)


def normal(name: str) -> str:
    """An option name without dashes at the front and with underscores inside."""
    return name.lstrip("-").replace("-", "_")


@cache
def raw_files() -> dict[str, dict[str, object]]:
    """Every framework file unvalidated, by id; recognition reads these, so that one file is validated and not forty."""
    return {
        str(document["id"]): document
        for name, document in base.section("frameworks").items()
        if not name.startswith("shared/")
    }


@cache
def framework(name: str) -> Framework:
    """One framework with the options it inherits; raises KeyError."""
    own = Framework.model_validate(raw_files()[name])
    parameters = list(own.parameters)
    known, env = list(own.known_names), list(own.known_env)
    renamed = dict(own.renamed)
    for parent in (*own.extends, *(("environment",) if own.role != "base" else ())):
        inherited = framework(parent)
        other = {} if inherited.packages == own.packages else {"of": parent}
        parameters.extend(_dated(one, other) for one in _not_redefined(inherited.parameters, own.parameters))
        known.extend(_dated(one, other) for one in inherited.known_names)
        env.extend(_dated(one, other) for one in inherited.known_env)
        renamed = {**inherited.renamed, **renamed}
    return own.model_copy(
        update={
            "parameters": _once(parameters),
            "known_names": tuple(known),
            "known_env": tuple(env),
            "renamed": renamed,
        }
    )


def _dated(one: _Entry, other: dict[str, str]) -> _Entry:
    """An inherited entry that remembers whose version numbers its ranges mean."""
    return one.model_copy(update=other) if other and one.of is None else one


def _not_redefined(inherited: tuple[Parameter, ...], own: tuple[Parameter, ...]) -> list[Parameter]:
    """Inherited options whose fact and whose names the heir leaves alone."""
    facts = {parameter.fact for parameter in own if parameter.fact}
    names = {normal(name) for parameter in own for name in parameter.names}
    kept = []
    for parameter in inherited:
        if parameter.fact in facts:
            continue
        left = tuple(name for name in parameter.names if normal(name) not in names)
        if len(left) == len(parameter.names):
            kept.append(parameter)
        elif left or parameter.env:
            kept.append(parameter.model_copy(update={"names": left}))
    return kept


def _once(parameters: list[Parameter]) -> tuple[Parameter, ...]:
    """Each option once, where several parents share one of theirs."""
    kept: list[Parameter] = []
    seen: set[tuple[object, ...]] = set()
    for parameter in parameters:
        key = (parameter.fact, parameter.names, parameter.env, parameter.versions, parameter.scope, parameter.reads)
        if key not in seen:
            seen.add(key)
            kept.append(parameter)
    return tuple(kept)


def ancestors(name: str) -> set[str]:
    """All files a framework extends, directly or not."""
    found: set[str] = set()
    todo = list(_extends(name))
    while todo:
        parent = todo.pop()
        if parent not in found:
            found.add(parent)
            todo.extend(_extends(parent))
    return found


def _extends(name: str) -> tuple[str, ...]:
    listed = raw_files().get(name, {}).get("extends", ())
    return tuple(str(parent) for parent in listed) if isinstance(listed, list) else ()


def assumed_version(entry: Framework) -> Version:
    """The version taken where none is known."""
    return parse_version(entry.assume)
