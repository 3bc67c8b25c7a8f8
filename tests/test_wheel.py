"""The wheel, built and installed into an environment of its own: the knowledge travels, compiled, and works there."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="building a wheel needs hatchling; .ci/run has it")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


@pytest.fixture(scope="module", name="wheel")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module", name="home")
def _home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel's files; only what it depends on comes from this one."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=False)
    (packages,) = home.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return home


def run(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`oomdoc` of the clean environment, far from the checkout."""
    return subprocess.run(
        [home / "bin" / "python", "-m", "oomdoc", *arguments],
        cwd=home,
        env={**CLEAN, "XDG_CACHE_HOME": str(home / "cache"), **environment},
        capture_output=True,
        check=False,
        text=True,
    )


def test_rules_knowledge_and_schemas_travel(wheel: Path) -> None:
    """Every file of the base is inside, and every section compiled."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for section in ("rules", "knowledge"):
        expected = {f"oomdoc/_base/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / section).rglob("*.yaml")}
        assert expected <= names
    compiled = {Path(name).stem for name in names if name.startswith("oomdoc/_base/compiled/")}
    assert {"rules", "messages", "facts", "remedies", "frameworks", "models"} <= compiled
    assert {"oomdoc/schemas/report-1.json", "oomdoc/messages/zh.toml", "oomdoc/cli/diagnose.py"} <= names
    assert not {name for name in names if name.startswith(("tests/", "examples/", "benchmarks/"))}


def test_an_installed_oomdoc_diagnoses_from_the_compiled_base(home: Path) -> None:
    """No YAML is parsed, and nothing is written to the cache folder."""
    log = ROOT / "examples" / "minimind" / "train.log"
    done = run(home, "diagnose", str(log), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["verdict"]["outcome"] == "oom"
    assert not (home / "cache").exists()
    where = (
        "import oomdoc, sys\noomdoc.diagnose(sys.argv[1], language='zh')\nprint(oomdoc.__file__, 'yaml' in sys.modules)"
    )
    told = subprocess.run(
        [home / "bin" / "python", "-c", where, str(log)],
        cwd=home,
        env=CLEAN,
        capture_output=True,
        check=True,
        text=True,
    )
    file, parsed = told.stdout.split()
    assert Path(file).is_relative_to(home)
    assert parsed == "False"


def test_the_rules_can_be_checked_where_it_is_installed(home: Path) -> None:
    """The sources of the base are there too."""
    done = run(home, "rules", "check")
    assert done.returncode == 0, done.stdout
    assert "clean" in done.stdout
