"""What `oomdoc diagnose` prints, byte for byte: three shipped examples, every format, both languages.

`OOMDOC_GOLDEN=write pytest tests/cli/test_diagnose_golden.py` writes the files anew; read the diff before you keep it.
"""

import json
import os
from pathlib import Path

import jsonschema
import pytest

from oomdoc.cli import main
from oomdoc.schemas import load

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = {
    "ms-swift-ovis2": ("train.sh", {"en": "text json markdown html github", "zh": "text markdown html"}),
    "eval-crash": ("train.py", {"en": "text", "zh": "text json"}),
    "glm-4v-lora": ("run.sh", {"en": "text", "zh": "text github"}),
}
SUFFIX = {"text": "txt", "json": "json", "markdown": "md", "html": "html", "github": "github.md"}
CASES = [
    (example, config, language, kind)
    for example, (config, languages) in EXAMPLES.items()
    for language, kinds in languages.items()
    for kind in kinds.split()
]


@pytest.mark.parametrize(("example", "config", "language", "kind"), CASES)
def test_output_is_the_golden_bytes(
    example: str,
    config: str,
    language: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """A change of any byte is seen and read by a person."""
    monkeypatch.chdir(ROOT)
    log, settings = f"examples/{example}/train.log", f"examples/{example}/{config}"
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", log, "-c", settings, "--format", kind, "--lang", language, "--width", "80"])
    printed, complaint = capsysbinary.readouterr()
    assert ended.value.code == 0
    assert complaint == b""
    if kind == "json":
        jsonschema.validate(json.loads(printed), load("report-1.json"))
    path = GOLDEN / f"{example}.{language}.{SUFFIX[kind]}"
    if os.environ.get("OOMDOC_GOLDEN") == "write":
        path.write_bytes(printed)
    assert printed == path.read_bytes(), f"read the difference, then OOMDOC_GOLDEN=write pytest {Path(__file__).name}"


def test_every_golden_file_is_compared() -> None:
    """No file stays behind when an example is renamed."""
    expected = {f"{example}.{language}.{SUFFIX[kind]}" for example, _, language, kind in CASES}
    assert {path.name for path in GOLDEN.iterdir()} == expected
