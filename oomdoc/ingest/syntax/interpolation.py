"""OmegaConf interpolation `${a.b}` over read settings: resolved, environment defaults taken, cycles reported."""

import re
from dataclasses import replace

from oomdoc.ingest.syntax.lazy import lazy
from oomdoc.ingest.syntax.setting import Problem, Scalar, Setting, scalar
from oomdoc.messages import said

REFERENCE = lazy(r"\$\{(?P<body>[^${}]+)\}")
PLAIN = lazy(r"\.*[\w.\[\]-]+\Z")
DEPTH = 20
LONGEST = 10_000


def resolve(settings: list[Setting], problems: list[Problem]) -> list[Setting]:
    """Settings with their `${...}` replaced; `raw` and spans stay those of the written text."""
    known = {setting.key: setting for setting in settings}
    cycles: set[str] = set()
    resolved = []
    for setting in settings:
        if not isinstance(setting.value, str) or "${" not in setting.value:
            resolved.append(setting)
            continue
        value, note = _value(setting, known, (setting.key,))
        if note.startswith("a cycle") and setting.key not in cycles:
            cycles.add(setting.key)
            trail = note.partition(": ")[2]
            problems.append(Problem(setting.line, said("syntax.cycle", key_name=setting.key, trail=trail)))
        resolved.append(replace(setting, value=value, note="; ".join(part for part in (setting.note, note) if part)))
    return resolved


def _value(
    setting: Setting, known: dict[str, Setting], trail: tuple[str, ...]
) -> "tuple[Scalar | tuple[Scalar, ...], str]":
    text = setting.value
    if not isinstance(text, str) or "${" not in text:
        return text, ""
    whole = REFERENCE.fullmatch(text)
    if whole:
        return _reference(whole["body"], setting, known, trail)
    notes: list[str] = []

    def substitute(match: re.Match[str]) -> str:
        value, note = _reference(match["body"], setting, known, trail)
        notes.append(note)
        return match[0] if isinstance(value, tuple) or note.startswith(("unresolved", "a cycle")) else str(value)

    result = REFERENCE.sub(substitute, text)[:LONGEST]
    failed = next((note for note in notes if note.startswith(("unresolved", "a cycle"))), None)
    return result, failed or f"interpolated: {'; '.join(dict.fromkeys(notes))}"


def _reference(
    body: str, setting: Setting, known: dict[str, Setting], trail: tuple[str, ...]
) -> "tuple[Scalar | tuple[Scalar, ...], str]":
    name, colon, argument = body.partition(":")
    written = "${" + body + "}"
    if colon:
        variable, comma, default = argument.partition(",")
        if name.strip() == "oc.env" and comma:
            return scalar(default.strip().strip("'\"")), f"default of the environment variable {variable.strip()}"
        return written, f"unresolved: {written} needs {name.strip()}"
    if not PLAIN.match(body.strip()):
        return written, f"unresolved: {written}"
    key = absolute(body.strip(), setting.key)
    if key in trail or len(trail) > DEPTH:
        return written, f"a cycle of interpolations: {' -> '.join((*trail, key))}"
    target = known.get(key)
    if target is None:
        return written, f"unresolved: {key} is not in this file"
    value, note = _value(target, known, (*trail, key))
    return (written, note) if note.startswith(("a cycle", "unresolved")) else (value, f"{key} from line {target.line}")


def absolute(reference: str, key: str) -> str:
    """A relative reference (`.a` beside, `..a` above) as a full key; `a[0]` as `a.0`."""
    plain = re.sub(r"\[(\w+)\]", r".\1", reference)
    dots = len(plain) - len(plain.lstrip("."))
    if not dots:
        return plain
    parents = key.split(".")[: -dots or None]
    return ".".join([*parents, plain.lstrip(".")])
