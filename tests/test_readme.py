"""The README names every command, and its two marked commands are the ones that .ci/run executes."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from oomdoc.cli.root import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = cli.list_commands(click.Context(cli))


def block(name: str) -> str:
    """The command of a marked block."""
    found = re.findall(rf"<!-- {name} -->\n```sh\n(.*?)\n```\n<!-- end -->", README, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_mentions_every_command(name: str) -> None:
    """Whoever reads it knows what there is."""
    assert re.search(rf"\boomdoc {name}\b", README), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    """The help ends with how it is used."""
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert re.search(rf"Example: .*\boomdoc {name}\b", " ".join(shown.output.split()))


def test_the_first_command_installs_and_diagnoses_a_shipped_example() -> None:
    """Both files of it exist."""
    install, diagnose = block("install").split(" && ")
    assert install == "python -m pip install -q -e ."
    words = shlex.split(diagnose)
    assert words[:2] == ["oomdoc", "diagnose"]
    assert all((ROOT / word).is_file() for word in words[2:] if not word.startswith("-"))


def test_the_second_command_runs_the_tests() -> None:
    """With everything they need."""
    assert block("test") == "python -m pip install -q -e '.[dev]' && python -m pytest -q"


def test_ci_runs_both() -> None:
    """The marks are read by .ci/run."""
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "command_of install" in script
    assert "command_of test" in script


def test_links_of_the_readme_exist() -> None:
    """Relative links name files."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert all((ROOT / link.split("#")[0]).exists() for link in links)
