"""`oomdoc frameworks`: list them, lint their files, start a new one."""

import re
from pathlib import Path

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import preferred, say

_SKELETON = """\
# yaml-language-server: $schema=../../oomdoc/schemas/framework-v1.json
id: {name}
title: {name}
packages: [{name}]
assume: "1.0"                            # the version taken where none is stated
sources: ["where the names and defaults were read: package and version, or repository and commit"]
recognise:                               # weights add up; 3 is enough to be recognised
  - {{command: {name} train, weight: 8}}
  - {{text: {module}/, weight: 4}}        # a path in its tracebacks
launch: {{plain: single}}                  # single | dp | device_map | per-gpu | engine
parameters:
  - {{fact: train.per_device_batch_size, names: [batch_size], default: 1}}
  - {{fact: train.max_length, names: [max_length], unset: [-1], defaults: [{{versions: ">=1.0", value: 2048}}]}}
known_names:                             # every other option, so that a right name is never called misspelt
  - names: learning_rate num_epochs output_dir
"""
_SKELETON_TEST = """\
- name: a launch command
  text: {name} train --batch_size 2
  framework: {name}
  facts: {{train.per_device_batch_size: 2}}
  defaults: {{train.max_length: 2048}}
- name: a misspelt option
  text: {name} train --max_lenght 4096
  framework: {name}
  problems: [misspelt --max_lenght]
"""


@click.group(name="frameworks")
def command() -> None:
    """List, check or start the files that describe training and serving frameworks.

    Example: oomdoc frameworks check
    """


@command.command(name="list")
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text", show_default=True)
def list_frameworks(kind: str) -> int:
    """List every framework with the version that is taken where none is stated."""
    import json

    from oomdoc.ingest.frameworks import framework, raw_files
    from oomdoc.report.layout import pad
    from oomdoc.report.out import write

    entries = [framework(name) for name in sorted(raw_files()) if raw_files()[name].get("role") != "base"]
    if kind == "json":
        rows = [
            {"id": e.id, "title": e.title, "role": e.role, "assume": e.assume, "sources": e.sources} for e in entries
        ]
        write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    else:
        write("".join(f"{pad(e.id, 16)} {pad(e.assume, 10)} {e.title}\n" for e in entries))
    return diagnostics.NAMED


@command.command()
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
def check(lang: str | None) -> int:
    """Lint every framework file: the schema, facts of the vocabulary, versions, values, a test beside each.

    Exit status: 0 clean, 1 something is wrong.
    """
    from oomdoc.ingest.framework_check import check_all
    from oomdoc.ingest.frameworks import raw_files
    from oomdoc.report.out import write

    language = preferred(lang)
    complaints = check_all()
    for complaint in complaints:
        write(f"{complaint}\n")
    if complaints:
        files = len({complaint.split(":")[0] for complaint in complaints})
        diagnostics.say_error(say(language, "frameworks.found", count=len(complaints), files=files))
        return diagnostics.NONE_NAMEABLE
    write(say(language, "frameworks.clean", count=len(raw_files())) + "\n")
    return diagnostics.NAMED


@command.command()
@click.argument("name")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to; else the knowledge base.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
def new(name: str, folder: Path | None, lang: str | None) -> int:
    """Write the skeleton of a framework file and its test; nothing is overwritten.

    Example: oomdoc frameworks new my-trainer
    """
    from oomdoc.facts.base import section_path
    from oomdoc.report.out import write

    language = preferred(lang)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        diagnostics.say_error(say(language, "frameworks.bad_name", name=name))
        return diagnostics.USAGE
    where = folder or section_path("frameworks")
    path, test = where / f"{name}.yaml", where / f"{name}.test.yaml"
    for target in (path, test):
        if target.exists():
            diagnostics.say_error(say(language, "frameworks.exists", path=target))
            return diagnostics.USAGE
    where.mkdir(parents=True, exist_ok=True)
    path.write_text(_SKELETON.format(name=name, module=name.replace("-", "_")), encoding="utf-8")
    test.write_text(_SKELETON_TEST.format(name=name), encoding="utf-8")
    write(say(language, "frameworks.written", path=path) + "\n")
    return diagnostics.NAMED
