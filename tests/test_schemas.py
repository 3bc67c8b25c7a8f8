"""The committed JSON Schemas are those of the models, and what is written fits them."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from oomdoc import diagnose
from oomdoc.facts import base
from oomdoc.schemas import load, path_of, schemas, written

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*/train.log"))


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_committed_schema_is_not_stale(name: str) -> None:
    """`python -m oomdoc.schemas` writes them anew."""
    assert path_of(name).read_text(encoding="utf-8") == written(schemas()[name])
    jsonschema.Draft202012Validator.check_schema(load(name))


@pytest.mark.parametrize("log", EXAMPLES, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_report_fits_its_schema(log: Path, language: Any) -> None:
    """What `--format json` prints, for every shipped example."""
    report = diagnose(log, language=language)
    jsonschema.validate(report.model_dump(by_alias=True, mode="json"), load("report-1.json"))


def test_every_rule_and_every_rule_test_fits_its_schema() -> None:
    """An editor that knows the schema marks no line of the base."""
    for relative, path in base.documents("rules"):
        rule = yaml.safe_load(path.read_text(encoding="utf-8"))
        jsonschema.validate(rule, load("rule-v1.json"))
        cases = yaml.safe_load(path.with_suffix(".test.yaml").read_text(encoding="utf-8"))
        jsonschema.validate(cases, load("rule-test-v1.json"))
        assert relative.endswith(f"{rule['id']}.yaml")


def test_what_does_not_fit_is_refused() -> None:
    """The schema is closed."""
    report = diagnose(EXAMPLES[0]).model_dump(by_alias=True, mode="json")
    report["invented"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, load("report-1.json"))


def test_the_contract_only_grows() -> None:
    """Keys that scripts rely on (design of oomdoc.report/1); none may ever be taken away."""
    schema = load("report-1.json")
    assert set(schema["properties"]) >= {
        *("schema", "oomdoc", "language", "verdict", "events", "facts", "findings", "memory", "remedies", "questions"),
        *("undecided", "notes"),
    }
    expected = {
        "VerdictOut": "outcome memory phase summary",
        "FactOut": "name value unit source",
        "FindingOut": "cause rule probability standing title why why_not",
        "WhyOut": "sentence weight fact line",
        "MemoryOut": "method phase capacity_bytes allocated_bytes reserved_bytes device_bytes components",
        "RemedyOut": "id cause promise sets native diff saves_bytes peak_after_bytes fits cost",
        "QuestionOut": "fact ask separates",
    }
    for model, keys in expected.items():
        assert set(schema["$defs"][model]["properties"]) >= set(keys.split()), model
