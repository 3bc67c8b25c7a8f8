"""Every shipped example from its log to a change that a dry run proves, in an interpreter that has torch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_probe_dryrun import has_torch

PYTHON = os.environ.get("OOMDOC_TEST_PYTHON") or sys.executable
ROOT = Path(__file__).parents[2]
EXAMPLES = {
    "eval-crash": ("eval.accumulation_steps", None),
    "glm-4v-lora": ("train.freeze_vision_tower", "stand_in"),
    "llamafactory-qwen2.5-vl": ("model.attention", None),
    "minimind": ("train.per_device_batch_size", "stand_in"),
    "ms-swift-ovis2": ("train.max_length", "port"),
    "xcomposer-4khd": ("train.max_length", "stand_in"),
}
pytestmark = pytest.mark.torch


def oomdoc(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "OOMDOC_LANG": "en"}
    return subprocess.run(
        [sys.executable, "-m", "oomdoc", *map(str, arguments)], capture_output=True, text=True, check=False,
        cwd=folder, env=environment,
    )  # fmt: skip


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, list[str]]:
    if not has_torch():
        pytest.skip("torch and transformers are not in the test interpreter (OOMDOC_TEST_PYTHON)")
    name = str(request.param)
    shutil.copytree(ROOT / "examples" / name, tmp_path / name)
    configs = sorted(each.name for each in (tmp_path / name).iterdir() if each.name != "train.log")
    return name, tmp_path / name, [word for each in configs for word in ("-c", each)]


@pytest.mark.parametrize("example", EXAMPLES, indirect=True)
def test_the_failure_is_reproduced_and_the_written_plan_fits(example: tuple[str, Path, list[str]]) -> None:
    name, folder, configs = example
    changed, stood = EXAMPLES[name]
    before = {each: (folder / each).read_bytes() for each in configs[1::2]}
    done = oomdoc(
        folder, "diagnose", "train.log", *configs, "--no-history", "--json", "--verify", "dryrun", "--python", PYTHON
    )
    report: dict[str, Any] = json.loads(done.stdout)
    checks = {check["subject"]: check for check in report["verification"]["checks"]}
    failure, remedy = checks["failure"], checks["remedy"]
    assert (failure["outcome"], remedy["outcome"]) == ("confirmed", "confirmed"), checks
    capacity = next(fact["value"] for fact in report["facts"] if fact["name"] == "hardware.gpu_total_bytes")
    assert failure["memory"]["device_bytes"] > capacity
    assert remedy["memory"]["high_bytes"] < capacity
    sentences = " ".join(failure["sentences"])
    assert ("stand-in" in sentences, "port of it" in sentences) == (stood == "stand_in", stood == "port")
    assert changed in " ".join(remedy["sentences"])
    written = oomdoc(folder, "fix", "train.log", *configs, "--no-history", "--apply")
    assert written.returncode == 0, written.stderr
    assert {each: (folder / each).read_bytes() for each in before} != before
