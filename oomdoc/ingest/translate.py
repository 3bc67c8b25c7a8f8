"""Settings in native names -> facts in canonical ones, defaults of the recognised framework included."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.lazy import dataclass
from oomdoc.facts.model import Value
from oomdoc.facts.vocabulary import term
from oomdoc.ingest.convert import SILENT, convert
from oomdoc.ingest.frameworks import Framework, Parameter, framework, normal, raw_files
from oomdoc.ingest.recognise import FrameworkMatch, calls_of
from oomdoc.ingest.syntax.setting import A_NAME, AN_EXPRESSION, Parsed, Setting
from oomdoc.ingest.version_range import contains

GENERIC = "generic"
ENVIRONMENT = "environment"
_MODEL = frozenset({"model.path", "model.name", "model.family"})
_CONFIG_FILES = (".yaml", ".yml", ".toml", ".json")
MANY = 5  # options of a configuration file, from which on it is taken to be all of it
_COMMAND_KINDS = frozenset({"flag", "env", "positional", "hydra"})


@dataclass(frozen=True, slots=True)
class Reading:
    """One row of "what did my run actually use": a native option, and the fact it became, if any."""

    native: str
    written: str
    status: str
    fact: Fact | None = None
    file: str | None = None
    line: int | None = None
    note_en: str | None = None
    note_zh: str | None = None


class Vocabulary:
    """The options of a framework at one version, its components and the common names of scripts beside it."""

    def __init__(self, match: FrameworkMatch | None) -> None:
        self.match = match
        files = [match.id, *match.components] if match else []
        self.main: Framework | None = framework(match.id) if match else None
        self.layers: list[Framework] = [framework(name) for name in files]
        if not match or (self.main and self.main.open):
            self.layers += [framework(name) for name in (GENERIC, ENVIRONMENT) if name in raw_files()]

    @cached_property
    def _options(self) -> list[dict[str, list[Parameter]]]:
        tables = []
        for layer in self.layers:
            table: dict[str, list[Parameter]] = {}
            for parameter in layer.parameters:
                if (
                    layer is self.main
                    and self.match
                    and not contains(parameter.versions, self.match.number_of(parameter.of))
                ):
                    continue
                for name in (*(normal(word) for word in parameter.names), *(f"${word}" for word in parameter.env)):
                    table.setdefault(name, []).append(parameter)
            tables.append(table)
        return tables

    def meanings(self, setting: Setting, launcher: bool = False) -> tuple[Framework | None, list[Parameter]]:
        """The framework file that knows an option, and what it says of it; the nearest layer answers.

        `launcher`: the option goes to the program that starts the training, so only components may claim it.
        """
        for key in _keys(setting):  # the whole path first: DeepSpeed's zero_optimization.stage is no stage of training
            for layer, table in zip(self.layers, self._options, strict=True):
                if launcher and layer.role != "component":
                    continue
                found = [parameter for parameter in table.get(key, ()) if _in_scope(parameter, setting)]
                if found:
                    return layer, found
        return None, []


def model_words(vocabulary: Vocabulary, parsed: Iterable[Parsed]) -> str:
    """Everything the settings call the model, as one text for name patterns."""
    return " ".join(
        str(setting.value)
        for document in parsed
        for setting in document.settings
        if any(parameter.fact in _MODEL for parameter in vocabulary.meanings(setting)[1])
    )


def _keys(setting: Setting) -> Iterable[str]:
    if setting.kind == "env":
        yield f"${setting.key}"
        return
    key = normal(setting.key.replace(" ", "_"))
    if setting.kind == "python-assign" and key.isupper():  # constants of a module: BATCH_SIZE, MODEL_NAME
        yield key.lower()
    while key:
        yield key
        _, dot, key = key.partition(".")
        if not dot:
            return


def _in_scope(parameter: Parameter, setting: Setting) -> bool:
    if not parameter.scope and not parameter.not_in:
        return True
    place = f"{setting.scope or ''}.{setting.key}".lower()
    if any(word.lower() in place for word in parameter.not_in):
        return False
    file = setting.file.replace("\\", "/").rpartition("/")[2].partition(".")[0].lower()
    return not parameter.scope or any(word.lower() in place or word.lower() == file for word in parameter.scope)


def how(setting: Setting) -> How:
    """How far a setting of a syntax is to be trusted."""
    if setting.kind == "dump":
        return How.LOG
    if setting.kind == "argparse-default":
        return How.DEFAULT
    return How.COMMAND if setting.kind in _COMMAND_KINDS else How.CONFIG


def native_name(setting: Setting) -> str:
    """The option as people write it."""
    return f"--{setting.key}" if setting.kind == "flag" else setting.key


def read(parsed: Sequence[Parsed], match: FrameworkMatch | None) -> list[Reading]:
    """Every setting with the fact it became, then the defaults that hold because nothing was said."""
    vocabulary = Vocabulary(match)
    settings = _in_force(parsed)
    launchers = _launcher_scopes(parsed)
    rows = [
        row
        for setting in settings
        for row in _rows(vocabulary, setting, launcher=(setting.file, setting.scope) in launchers)
    ]
    rows.extend(_positional(vocabulary, parsed, match))
    if vocabulary.main and match and _whole_run_seen(parsed, rows, match):
        rows.extend(_defaults(vocabulary, settings, rows, match))
    return rows


def translate(parsed: Sequence[Parsed], match: FrameworkMatch | None) -> list[Fact]:
    """The facts of settings, explicit ones first, then the framework's defaults; `match` None reads common names."""
    return [row.fact for row in read(parsed, match) if row.fact]


def _in_force(parsed: Iterable[Parsed]) -> list[Setting]:
    """All settings, an option given twice in one command only with its last value (argparse keeps the last)."""
    kept: list[Setting] = []
    for document in parsed:
        last: dict[tuple[str, str | None], int] = {}
        for place, setting in enumerate(document.settings):
            if setting.kind in _COMMAND_KINDS and setting.scope:
                last[setting.key, setting.scope] = place
        for place, setting in enumerate(document.settings):
            if last.get((setting.key, setting.scope), place) == place and setting.kind != "positional":
                kept.append(setting)
    return sorted(kept, key=lambda setting: setting.kind == "python-assign")  # a call that uses a variable comes first


def _whole_run_seen(parsed: Sequence[Parsed], rows: Sequence[Reading], match: FrameworkMatch) -> bool:
    """Whether an option that is not in sight was really not set.

    A log or a few lines of a configuration do not show that; a launch command does unless it names a file nobody read.
    """
    own = [row for row in rows if row.fact and row.fact.source.framework == match.name]
    if len(own) >= MANY:
        return True
    files = {setting.file for document in parsed for setting in document.settings}
    signs = {(evidence.file, evidence.line) for evidence in match.evidence if evidence.line is not None}
    for document in parsed:
        for command in document.commands:
            if (command.file, command.line) not in signs:
                continue
            named = [str(word.value).rsplit("/", 1)[-1] for word in command.positionals]
            return all(any(file.endswith(word) for file in files) for word in named if word.endswith(_CONFIG_FILES))
    calls = {evidence.sign for evidence in match.evidence}
    return any(
        setting.kind == "python-call" and calls & set(calls_of(setting))
        for document in parsed
        for setting in document.settings
    )


def _launcher_scopes(parsed: Iterable[Parsed]) -> set[tuple[str, str]]:
    """(file, scope) of the flags that a launcher such as torchrun receives instead of the training program."""
    found = set()
    for document in parsed:
        for command in document.commands:
            for flag in command.flags:
                if flag.scope and len(command.launcher) > 1 and flag.scope.partition("/")[2] != command.launcher[-1]:
                    found.add((flag.file, flag.scope))
    return found


def _positional(vocabulary: Vocabulary, parsed: Iterable[Parsed], match: FrameworkMatch | None) -> list[Reading]:
    """The facts that the plain words of the framework's own command give, e.g. the model of `vllm serve MODEL`."""
    main = vocabulary.main
    if main is None or match is None or not main.positional:
        return []
    signs = {(evidence.file, evidence.line) for evidence in match.evidence if evidence.line is not None}
    for document in parsed:
        for command in document.commands:
            words = [
                word for word in command.positionals if word.kind == "positional" and word.raw not in command.words
            ]
            if words and (command.file, command.line) in signs:
                return [
                    _word(word, name, main)
                    for word, name in zip(words, main.positional, strict=False)
                    if name not in {"config", "-"} and not str(word.value).startswith("$")
                ]
    return []


def _word(word: Setting, name: str, main: Framework) -> Reading:
    source = Source(
        how=How.COMMAND,
        file=word.file,
        line=word.line,
        span=word.value_span,
        framework=main.name,
        status="explicit",
    )
    fact = Fact(name=name, value=str(word.value), source=source)
    return Reading(native="", written=word.raw, fact=fact, status="explicit", file=word.file, line=word.line)


def _rows(vocabulary: Vocabulary, setting: Setting, *, launcher: bool = False) -> list[Reading]:
    layer, parameters = vocabulary.meanings(setting, launcher)
    row = Reading(
        native=native_name(setting), written=setting.raw, status=setting.origin, file=setting.file, line=setting.line
    )
    if layer is None:
        return [replace(row, status="unread")] if setting.kind != "env" else []
    rows = []
    for parameter in parameters:
        said = parameter.inactive or parameter.bounds_nothing or parameter.note
        noted = replace(row, note_en=said.en, note_zh=said.zh) if said else row
        if parameter.inactive or parameter.fact is None:
            rows.append(replace(noted, status="inactive" if parameter.inactive else row.status))
            continue
        value = SILENT if _unknown_here(setting, parameter) else convert(parameter, setting.value)
        if value is SILENT:
            rows.append(noted)
            continue
        source = Source(
            how=how(setting),
            file=setting.file,
            line=setting.line,
            span=setting.value_span,
            framework=layer.name if layer.role != "base" else None,
            version=vocabulary.match.shown_version if vocabulary.match and layer is vocabulary.main else None,
            native=row.native,
            status="log" if setting.kind == "dump" else setting.origin,
        )
        fact = Fact(name=parameter.fact, value=value, source=source)
        rows.append(replace(noted, fact=fact))
    return rows


def _unknown_here(setting: Setting, parameter: Parameter) -> bool:
    """Whether code computes the value of a text or a list (`model=args.model`): the code is not the value."""
    if setting.note not in {A_NAME, AN_EXPRESSION} or parameter.reads not in {"value", "model-name"}:
        return False
    declared = term(parameter.fact) if parameter.fact else None
    return declared is not None and declared.type in {"str", "list"} and not declared.choices


def _defaults(
    vocabulary: Vocabulary, settings: Sequence[Setting], rows: list[Reading], match: FrameworkMatch
) -> list[Reading]:
    main = vocabulary.main
    assert main is not None
    said = {row.fact.name for row in rows if row.fact}
    given = {key: str(setting.value).lower() for setting in settings for key in _keys(setting)}
    given.update(dict.fromkeys(_loads(settings), ""))
    model = " ".join(str(row.fact.value) for row in rows if row.fact and row.fact.name in _MODEL)
    found = []
    for parameter in main.parameters:
        number = match.number_of(parameter.of)
        if not parameter.fact or parameter.fact in said or not contains(parameter.versions, number):
            continue
        known, value = parameter.default_at(number)
        if not known or parameter.inactive or not _applies(parameter, given, model):
            continue
        said.add(parameter.fact)
        native = (*parameter.names, *parameter.env, "")[0]
        found.append(_default_row(parameter, native, value, main, match))
    return found


def _loads(settings: Iterable[Setting]) -> Iterable[str]:
    """`loads_model` where the text shows the call that loads the model's weights."""
    for setting in settings:
        if setting.kind == "python-call" and ".from_pretrained." in f".{setting.key}":
            loader = setting.key.split(".from_pretrained")[0]
            if not any(word in loader for word in ("Tokenizer", "Processor", "Config", "tokenizer", "processor")):
                yield "loads_model"


def _applies(parameter: Parameter, given: Mapping[str, str], model: str) -> bool:
    """Whether the conditions under which a default holds are met; `given` are the options that were set."""
    if any(normal(name) in given for name in parameter.names) or any(f"${name}" in given for name in parameter.env):
        return False  # it was set, to a value that says nothing
    for condition in parameter.default_unless:
        name, _, value = condition.partition("=")
        if normal(name) in given and value in {"", given[normal(name)]}:
            return False
    if any(normal(name) not in given for name in parameter.default_requires):
        return False
    return parameter.models is None or re.search(parameter.models, model, re.IGNORECASE) is not None


def _default_row(parameter: Parameter, native: str, value: Value, main: Framework, match: FrameworkMatch) -> Reading:
    source = Source(
        how=How.DEFAULT,
        framework=main.name,
        version=match.shown_version,
        native=native or None,
        status="default",
        note=parameter.note.en if parameter.note else None,
    )
    assert parameter.fact is not None
    return Reading(
        native=native,
        written="",
        fact=Fact(name=parameter.fact, value=value, source=source),
        status="default",
        note_en=parameter.note.en if parameter.note else None,
        note_zh=parameter.note.zh if parameter.note else None,
    )
