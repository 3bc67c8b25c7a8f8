"""Reads settings with frameworks' own parsers: JSON lines in, JSON lines out; runs in an environment that has them.

A line `{"parser": ..., "file": ..., "text": ...}` is answered by `{"values": {...}}` or `{"error": "..."}`. Shell text
is run by bash with programs in place of the real ones that only write down their arguments and environment. Parsers of
scripts that are no packages are made of their sources: every `add_argument` call, or the dataclasses, of the files.
"""

import argparse
import ast
import contextlib
import dataclasses
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

PROGRAMS = "swift torchrun python python3 accelerate deepspeed llamafactory-cli trl vllm lmdeploy axolotl nohup"
STUB = """#!/bin/bash
[ "${0##*/}" = nohup ] && exec "$@"
[ -e "$CAUGHT/argv" ] && exit 0
printf '%s\\0' "${0##*/}" "$@" > "$CAUGHT/argv"
/usr/bin/env -0 > "$CAUGHT/env"
"""
QUIET = {"PATH", "CAUGHT", "PWD", "OLDPWD", "SHLVL", "_"}
AT: dict[str, Path] = {}


def caught(text: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The arguments and environment with which bash starts the first program of a script."""
    for program in PROGRAMS.split():
        stub = folder / "bin" / program
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(STUB)
        stub.chmod(0o755)
    (folder / "run.sh").write_text(f"{text}\nwait\n", encoding="utf-8", newline="")
    surroundings = {"PATH": str(folder / "bin"), "CAUGHT": str(folder)}
    subprocess.run(["/bin/bash", "run.sh"], cwd=folder, env=surroundings, capture_output=True, timeout=20, check=False)
    if not (folder / "argv").exists():
        raise ValueError("bash started none of the programs")
    argv = (folder / "argv").read_bytes().decode().split("\0")[:-1]
    held = dict(line.partition("=")[::2] for line in (folder / "env").read_text().split("\0") if line)
    return argv, {name: value for name, value in held.items() if name not in QUIET}


def from_shell(text: str, recipe: dict[str, Any]) -> dict[str, Any]:
    """Every field of the program's and its launcher's parser, and the environment."""
    with tempfile.TemporaryDirectory() as name:
        argv, held = caught(text, Path(name))
    values: dict[str, Any] = {f"${key}": value for key, value in held.items()}
    program = recipe["program"].split()[-1]
    place = next(i for i, word in enumerate(argv) if word == program or word.endswith(f"/{program}"))
    launcher, words = argv[:place], argv[place + 1 :]
    if launcher[:1] == ["torchrun"]:
        from torch.distributed.run import get_args_parser

        found = vars(get_args_parser().parse_args([*launcher[1:], program]))
        values |= {f"torchrun.{key}": found[key] for key in ("nproc_per_node", "nnodes")}
    if launcher[:2] == ["accelerate", "launch"]:
        from accelerate.commands.launch import launch_command_parser

        found = vars(launch_command_parser().parse_args([*launcher[2:], program]))
        values |= {f"accelerate.{key}": value for key, value in found.items() if not key.startswith("training_script")}
    return values | PARSE[recipe["kind"]](words, recipe)


def by_classes(words: list[str], recipe: dict[str, Any]) -> dict[str, Any]:
    """A parser made of dataclasses; and whether they can be made of what it read."""
    parser = class_parser(recipe["name"])
    values = vars(parser.parse_args(words))
    if not recipe.get("raw"):
        parser.parse_args_into_dataclasses(args=list(words))
    return {key: plain(value) for key, value in values.items()}


@cache
def class_parser(name: str) -> Any:
    from transformers import HfArgumentParser

    return HfArgumentParser(classes_of(RECIPES[name]))


def classes_of(recipe: dict[str, Any]) -> list[type]:
    found = source_classes(recipe["source"], recipe["classes"]) if "source" in recipe else []
    if found and not recipe.get("trainer"):
        return found
    for place in recipe["classes"] if not found else ["transformers:TrainingArguments"]:
        module, _, attribute = place.partition(":")
        found.append(getattr(importlib.import_module(module), attribute))
    return found


def source_classes(path: str, names: list[str]) -> list[type]:
    """Dataclasses of a script, without running the script."""
    tree = ast.parse((AT["sources"] / path).read_text(encoding="utf-8"))
    body = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in names]
    import typing

    import torch
    import transformers
    from transformers import TrainingArguments

    space: dict[str, Any] = {**vars(typing), "torch": torch, "transformers": transformers}
    space |= {"dataclass": dataclasses.dataclass, "field": dataclasses.field, "TrainingArguments": TrainingArguments}
    space["__name__"] = "scripts_of_others"
    sys.modules.setdefault("scripts_of_others", type(sys)("scripts_of_others"))
    exec(compile(ast.Module(body, []), path, "exec"), space)
    return [space[name] for name in names]


def by_source(words: list[str], recipe: dict[str, Any]) -> dict[str, Any]:
    """A parser made of every `add_argument` call of some files; the first definition of a name counts."""
    return {key: plain(value) for key, value in vars(source_parser(recipe["name"]).parse_args(words)).items()}


@cache
def source_parser(name: str) -> argparse.ArgumentParser:
    recipe = RECIPES[name]
    parser = argparse.ArgumentParser(exit_on_error=True)
    words: dict[str, Any] = {"int": int, "float": float, "str": str, "json": json.loads, "bool": bool}
    for path in recipe["sources"]:
        tree = ast.parse((AT["sources"] / path).read_text(encoding="utf-8"))
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or getattr(call.func, "attr", "") != "add_argument":
                continue
            flags = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            given: dict[str, Any] = {}
            for keyword in call.keywords:
                if keyword.arg == "help":
                    continue
                try:
                    given[keyword.arg or ""] = ast.literal_eval(keyword.value)
                except ValueError:
                    if keyword.arg == "type":
                        given["type"] = words.get(ast.unparse(keyword.value), str)
            if not flags or not str(flags[0]).startswith("-"):
                continue
            with contextlib.suppress(argparse.ArgumentError, TypeError):
                parser.add_argument(*flags, **given)
    return parser


def from_yaml(text: str, recipe: dict[str, Any]) -> dict[str, Any]:
    """A configuration as its framework's class reads it."""
    import yaml

    body = yaml.safe_load(text)
    way = recipe["yaml"]
    if way == "dict":  # LLaMA-Factory: OmegaConf, then the same classes as the command line
        from omegaconf import OmegaConf

        body = OmegaConf.to_container(OmegaConf.create(body))
        unknown = set(body) - {field.name for one in classes_of(recipe) for field in dataclasses.fields(one)}
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)}")
        made = class_parser(recipe["name"]).parse_dict(dict(body))
        return flat({}, "", {field.name: getattr(one, field.name) for one in made for field in dataclasses.fields(one)})
    if way == "trl":
        from trl import TrlParser

        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "config.yaml"
            path.write_text(text, encoding="utf-8")
            made = TrlParser(classes_of(recipe)).parse_args_and_config(["--config", str(path)])
        return flat({}, "", {field.name: getattr(one, field.name) for one in made for field in dataclasses.fields(one)})
    if way == "axolotl":
        from axolotl.utils.schemas.config import AxolotlInputConfig

        unknown = set(body) - set(AxolotlInputConfig.model_fields)
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)}")
        fields = AxolotlInputConfig.model_validate(body).model_dump()
        return flat({}, "", {name: fields.get(name) for name in body})
    if way == "glm4":  # FinetuningConfig.from_dict of the repository's finetune_vision.py
        from peft import get_peft_config
        from transformers import GenerationConfig, Seq2SeqTrainingArguments

        known = {"data_config", "max_input_length", "max_output_length", "combine", "freezeV", "swanlab"}
        unknown = set(body) - known - {"training_args", "peft_config"}
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)}")
        body["training_args"]["generation_config"] = GenerationConfig(**body["training_args"]["generation_config"])
        training = Seq2SeqTrainingArguments(**body["training_args"])
        peft = get_peft_config(body["peft_config"]) if "peft_config" in body else None
        values = {name: body.get(name) for name in known}
        values |= {f"training_args.{f.name}": getattr(training, f.name) for f in dataclasses.fields(training)}
        return flat({}, "", values | ({f"peft.{k}": v for k, v in peft.to_dict().items()} if peft else {}))
    if way == "accelerate":
        from accelerate.commands.config.config_args import load_config_from_file

        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "accelerate.yaml"
            path.write_text(text, encoding="utf-8")
            return flat({}, "", load_config_from_file(str(path)).to_dict())
    raise ValueError(way)


def from_json(text: str, recipe: dict[str, Any]) -> dict[str, Any]:
    """What DeepSpeed's configuration class holds in a single process."""
    del recipe
    from deepspeed.runtime.config import DeepSpeedConfig

    config = DeepSpeedConfig(json.loads(text))
    values = {name: value for name, value in vars(config).items() if not name.startswith("_")}
    zero = config.zero_config.model_dump() if hasattr(config.zero_config, "model_dump") else {}
    kept = {name: plain(value) for name, value in values.items() if isinstance(value, int | float | str | bool)}
    return kept | flat({}, "zero.", zero)


def from_python(text: str, recipe: dict[str, Any]) -> dict[str, Any]:
    """The fields of the objects that a script makes of the framework's classes."""
    space: dict[str, Any] = {one.__name__: one for one in classes_of(recipe)}
    exec(compile(text, "train.py", "exec"), space)
    values: dict[str, Any] = {}
    for name, one in space.items():
        if dataclasses.is_dataclass(one) and not isinstance(one, type):
            fields = {field.name: getattr(one, field.name) for field in dataclasses.fields(one)}
            values |= flat({}, f"{name}.", fields)
    return values


def by_hydra(words: list[str], recipe: dict[str, Any]) -> dict[str, Any]:
    """Overrides composed with the repository's own configuration; unknown keys are refused by its struct mode."""
    from hydra import compose, initialize_config_dir

    folder = str((AT["sources"] / recipe["config"]).resolve())
    with initialize_config_dir(config_dir=folder, version_base=None):
        config = compose(config_name=recipe["config_name"], overrides=[word for word in words if "=" in word])
    from omegaconf import OmegaConf

    return flat({}, "", OmegaConf.to_container(config, resolve=False))


def flat(into: dict[str, Any], prefix: str, value: Any) -> dict[str, Any]:
    """Nested mappings as dotted names."""
    for key, held in dict(value).items():
        inner = held.to_diff_dict() if hasattr(held, "to_diff_dict") else held  # GenerationConfig
        if isinstance(inner, dict) and inner:
            flat(into, f"{prefix}{key}.", inner)
        else:
            into[f"{prefix}{key}"] = plain(inner)
    return into


def plain(value: Any) -> Any:
    """A value as JSON; enumerations by their value, other objects by what they print."""
    value = getattr(value, "value", value)
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if value is None or isinstance(value, int | float | str | bool):
        return value
    text = repr(value)
    return text if " at 0x" not in text else type(value).__name__


PARSE = {"classes": by_classes, "source": by_source, "hydra": by_hydra}
RECIPES: dict[str, dict[str, Any]] = {}


def read(request: dict[str, Any]) -> dict[str, Any]:
    recipe, text = RECIPES[request["parser"]], request["text"]
    os.chdir(AT["sources"] / recipe["folder"] if "folder" in recipe else AT["elsewhere"])
    ending = request["file"].rpartition(".")[2]
    by_ending = {"sh": from_shell, "yaml": from_yaml, "json": from_json, "py": from_python}
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            return {"values": by_ending[ending](text, recipe)}
    except SystemExit:
        return {"error": errors.getvalue().strip().splitlines()[-1][:300]}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def main() -> int:
    warnings.simplefilter("ignore")
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    AT.update(sources=Path(sys.argv[1]).resolve(), elsewhere=Path(tempfile.mkdtemp()))
    RECIPES.update(json.loads(sys.argv[2]))
    for name, recipe in RECIPES.items():
        recipe["name"] = name
    out = os.fdopen(os.dup(1), "w")  # frameworks print
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(read(json.loads(line)), default=repr), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
