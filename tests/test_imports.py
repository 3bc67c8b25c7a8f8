"""What is loaded, and when: the library imports nothing dear, a diagnosis nothing that it does not need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEVER = ("torch", "transformers", "peft", "textual", "rich", "numpy", "pynvml", "tomllib", "asyncio", "gzip")


def loaded(program: str, *arguments: str) -> set[str]:
    """The modules that a program leaves in sys.modules, in an interpreter of its own."""
    ending = "\nimport json, sys\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program + ending, *arguments], capture_output=True, check=True, text=True, cwd=ROOT
    )
    return set(json.loads(done.stderr))


def diagnosed(*arguments: str) -> set[str]:
    """The modules that a diagnosis leaves behind."""
    program = "import sys\nfrom oomdoc.cli.root import run\nassert run(['diagnose', *sys.argv[1:]]) in (0, 1)"
    return loaded(program, *arguments)


def test_importing_the_library_loads_nothing_else() -> None:
    """Neither a third-party package nor a room of our own."""
    bare = loaded("")
    extra = {name for name in loaded("import oomdoc") - bare if name.startswith("oomdoc") or "." not in name}
    assert {name for name in extra if name.startswith("oomdoc")} == {"oomdoc"}
    assert not extra & {"pydantic", "click", "yaml", "re", "dataclasses", "json"}


def test_its_names_are_loaded_on_first_use() -> None:
    """`oomdoc.diagnose` brings the core, and no terminal."""
    names = loaded("import oomdoc\nassert callable(oomdoc.diagnose)")
    assert "oomdoc.api" in names
    assert not names & {"click", "textual", "rich", "torch"}


@pytest.mark.parametrize("kind", ["text", "json", "markdown", "html"])
def test_a_diagnosis_loads_only_what_its_format_needs(kind: str) -> None:
    """No other format's module, nothing of the chat, nothing heavy."""
    names = diagnosed("examples/glm-4v-lora/train.log", "--format", kind)
    assert not names & set(NEVER)
    advice = {
        "oomdoc.patch",
        "oomdoc.patch.native",
        "oomdoc.patch.render",
        "oomdoc.patch.spell",
    }  # native words of steps
    assert not {name for name in names if name.startswith(("oomdoc.chat", "oomdoc.tui", "oomdoc.patch"))} - advice
    formats = {"text": "text", "json": "build", "markdown": "markdown", "html": "html"}
    others = {f"oomdoc.report.{module}" for name, module in formats.items() if name not in (kind, "json")}
    assert not names & others
    assert "yaml" not in names


def test_a_log_without_a_command_needs_no_shell_grammar() -> None:
    """tree-sitter and rapidfuzz are for commands and misspelt names."""
    names = diagnosed("tests/healthy/hf-trainer-finished.log")
    assert not names & {"tree_sitter", "tree_sitter_bash", "rapidfuzz"}


def test_a_group_lists_its_commands_without_importing_them() -> None:
    """`oomdoc -h` is the list and nothing more."""
    program = "from click.testing import CliRunner\nfrom oomdoc.cli.root import cli\nCliRunner().invoke(cli, ['-h'])"
    names = loaded(program)
    assert {name for name in names if name.startswith("oomdoc.")} <= {
        *("oomdoc.cli", "oomdoc.cli.root", "oomdoc.cli.diagnostics"),
    }


def test_the_workers_of_the_training_interpreter_import_nothing_of_ours() -> None:
    """They run where oomdoc is not installed: the standard library until torch is imported by a job."""
    source = (ROOT / "oomdoc" / "probe" / "dryrun_worker.py").read_text(encoding="utf-8")
    assert "import pydantic" not in source
    assert "from pydantic" not in source


def test_compiled_knowledge_is_read_without_yaml(tmp_path: Path) -> None:
    """The first run parses the base and keeps it; the second parses nothing."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    program = (
        "import sys\nfrom oomdoc.facts import base\nbase.section('rules')\nsys.stdout.write(str('yaml' in sys.modules))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True, cwd=ROOT
        ).stdout
        for _ in range(2)
    ]
    assert said == ["True", "False"]
