"""JSON Schemas of what oomdoc prints and reads, generated from the models: `python -m oomdoc.schemas`."""

import json
from pathlib import Path
from typing import Any

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by file name, as its model gives it now."""
    from pydantic import TypeAdapter

    from oomdoc.engine.rule_file import RuleCase, RuleFile
    from oomdoc.report.contract import Report

    models: dict[str, tuple[Any, str]] = {
        "report-1.json": (Report, "serialization"),
        "rule-v1.json": (RuleFile, "validation"),
        "rule-test-v1.json": (tuple[RuleCase, ...], "validation"),
    }
    made = {}
    for name, (model, mode) in models.items():
        schema = TypeAdapter(model).json_schema(by_alias=True, mode=mode)  # type: ignore[arg-type]
        made[name] = {"$schema": _DIALECT, "$id": f"oomdoc/schemas/{name}", **schema}
    return made


def written(schema: dict[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def path_of(name: str) -> Path:
    """Where a schema is committed."""
    return Path(__file__).parent / name


def load(name: str) -> dict[str, Any]:
    """A committed schema, for checking documents against it."""
    return dict(json.loads(path_of(name).read_text(encoding="utf-8")))
