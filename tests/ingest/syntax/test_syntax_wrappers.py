"""Dockerfiles, Kubernetes manifests, and telling syntaxes apart."""

import pytest

from oomdoc.ingest.syntax.detect import detect, parse

DOCKERFILE = """\
FROM nvidia/cuda:12.1
ENV HF_HOME=/data MAX_PIXELS="1003520"
ENV OLD style value
RUN pip install x && \\
    python prep.py --n 2
CMD ["vllm", "serve", "org/m", "--max-model-len", "4096"]
"""
MANIFEST = """\
apiVersion: v1
kind: Pod
spec:
  containers:
    - name: x
      command: ["torchrun", "--nproc_per_node=4"]
      args:
        - train.py
        - --max_length=2048
      env:
        - name: MAX_PIXELS
          value: "1003520"
      resources:
        limits:
          nvidia.com/gpu: 4
          memory: 64Gi
"""


def test_a_dockerfile_gives_its_environment_and_commands() -> None:
    parsed = parse(DOCKERFILE, "Dockerfile")
    prepare, serve = parsed.commands
    assert [flag.value for flag in prepare.flags] == [2]
    assert (serve.words, [flag.value for flag in serve.flags]) == (("vllm", "serve"), [4096])
    assert {name: setting.value for name, setting in serve.env.items()} == {
        "HF_HOME": "/data", "MAX_PIXELS": 1003520, "OLD": "style value",
    }  # fmt: skip
    for setting in parsed.settings:
        assert setting.value_span is None or DOCKERFILE[slice(*setting.value_span)] == setting.raw
    assert [(prepare.line, prepare.flags[0].line), serve.line] == [(5, 5), 6]


def test_a_manifest_gives_command_arguments_environment_and_limits() -> None:
    parsed = parse(MANIFEST, "pod.yaml")
    assert parsed.syntax == "kubernetes"
    (command,) = parsed.commands
    assert command.words == ("torchrun", "train.py")
    assert {flag.key: (flag.value, flag.line) for flag in command.flags} == {
        "nproc_per_node": (4, 6), "max_length": (2048, 9),
    }  # fmt: skip
    assert command.env["MAX_PIXELS"].value == 1003520
    found = {setting.key: setting.value for setting in parsed.settings}
    assert found["spec.containers.0.resources.limits.nvidia.com/gpu"] == 4
    assert found["spec.containers.0.resources.limits.memory"] == "64Gi"
    for setting in parsed.settings:
        assert setting.value_span is None or MANIFEST[slice(*setting.value_span)] == setting.raw


def test_a_shell_inside_a_manifest_is_read_as_shell() -> None:
    text = "apiVersion: v1\nkind: Job\nspec:\n  containers:\n  - command: [bash, -c, 'python t.py --a 1']\n"
    (command,) = parse(text, "job.yml").commands
    assert [(flag.key, flag.value) for flag in command.flags] == [("a", 1)]


@pytest.mark.parametrize(
    ("text", "name", "syntax"),
    [
        ("", "x.sh", "shell"),
        ("", "a/b/ds_config.json", "json"),
        ("", "x.yml", "yaml"),
        ("", "Dockerfile.gpu", "dockerfile"),
        ("", "x.toml", "toml"),
        ("", "x.py", "python"),
        ("", "x.log", "text"),
        ('{"a": 1}', "", "json"),
        ('{"a": 1}\n{"a": 2}\n', "", "jsonl"),
        ("#!/bin/bash\nls\n", "", "shell"),
        ("export A=1\npython t.py \\\n  --a 1\n", "", "shell"),
        ("a: 1\nb:\n  - c\n", "", "yaml"),
        ("[a]\nb = 1\n", "", "toml"),
        ("import os\nx = C(a=1)\n", "", "python"),
        ("FROM x\nRUN y\n", "", "dockerfile"),
        ("apiVersion: v1\nkind: Pod\n", "", "kubernetes"),
        ("Just some words.", "", "unknown"),
    ],
)
def test_syntaxes_are_told_apart_by_name_and_by_shape(text: str, name: str, syntax: str) -> None:
    assert detect(text, name) == syntax
