"""Every framework file has cases beside it: settings in, and exactly these facts, problems and silences out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from oomdoc.facts import base
from oomdoc.facts.fact import TRUST, Fact, How
from oomdoc.ingest.frameworks import framework, raw_files
from oomdoc.ingest.settings import SettingsRead, ingest_settings
from oomdoc.ingest.syntax import detect, mixed, shell
from oomdoc.ingest.syntax.setting import Parsed

FOLDER = base.section_path("frameworks")
CASES = [
    pytest.param(case, id=f"{file.name.removesuffix('.test.yaml')}: {case['name']}")
    for file in sorted(FOLDER.glob("*.test.yaml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]


def parse(name: str, text: str) -> Parsed:
    if name.endswith(".sh"):
        return shell.parse(text, name)
    if name.endswith((".txt", ".log")):
        return mixed.find_settings_in_text(text, name)
    return detect.parse(text, name)


def settings_of(case: dict[str, Any]) -> SettingsRead:
    files = case.get("files") or {case.get("file", "run.sh"): case["text"]}
    known = [Fact(name=name, value=value, source={"how": "log"}) for name, value in case.get("known", {}).items()]
    text = "\n".join(content for name, content in files.items() if name.endswith((".txt", ".log")))
    return ingest_settings([parse(name, content) for name, content in files.items()], text, known)


def best(read: SettingsRead) -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    for fact in read.facts:
        held = found.get(fact.name)
        if held is None or TRUST[fact.source.how] < TRUST[held.source.how]:
            found[fact.name] = fact
    return found


@pytest.mark.parametrize("case", CASES)
def test_settings_are_read_as_the_framework_reads_them(case: dict[str, Any]) -> None:
    read = settings_of(case)
    assert (read.match.id if read.match else None) == case["framework"]
    if "version" in case:
        assert read.match
        assert read.match.shown_version == case["version"]
    facts = best(read)
    wanted = {name: tuple(v) if isinstance(v, list) else v for name, v in case.get("facts", {}).items()}
    assert {name: facts[name].value if name in facts else "UNKNOWN" for name in wanted} == wanted
    defaults = {name: tuple(v) if isinstance(v, list) else v for name, v in case.get("defaults", {}).items()}
    said = {name: fact.value for name, fact in facts.items() if fact.source.how is How.DEFAULT}
    assert {name: said.get(name, "NO DEFAULT") for name in defaults} == defaults
    assert not set(case.get("absent", ())) & facts.keys()
    problems = [f"{issue.kind} {issue.native}" for issue in read.issues]
    assert problems == case.get("problems", [])


@pytest.mark.parametrize("name", sorted(raw_files()))
def test_every_file_is_valid_and_has_cases(name: str) -> None:
    entry = framework(name)
    assert entry.sources
    if entry.role != "base" and entry.recognise:
        cases = yaml.safe_load(Path(FOLDER, f"{name}.test.yaml").read_text(encoding="utf-8"))
        assert any(case["framework"] == name for case in cases)


def test_every_case_with_problems_has_a_silent_sibling() -> None:
    loud = [case for case in (param.values[0] for param in CASES) if isinstance(case, dict) and case.get("problems")]
    quiet = [
        case for case in (param.values[0] for param in CASES) if isinstance(case, dict) and not case.get("problems")
    ]
    assert loud
    assert len(quiet) > len(loud)
