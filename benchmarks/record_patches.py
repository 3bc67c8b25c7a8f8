"""Patched settings read by the frameworks' own parsers: the intended fields change to the intended values, no other.

Usage: python benchmarks/record_patches.py PYTHON SOURCES FOLDER [--only NAME]; PYTHON is an interpreter that has the
frameworks (see patch_recipes.py), SOURCES holds checkouts of those that are no packages. Texts are drawn with a fixed
seed; each remedy is placed in each; what is placed is read before and after by the framework's own parser
(parser_worker.py) and judged. One JSON file a framework goes to FOLDER, and a table to the terminal; 1 where a patch
is not exact.
"""

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from patch_recipes import RECIPES, meaning

from oomdoc.ingest.settings import ingest_settings
from oomdoc.ingest.syntax.detect import parse
from oomdoc.patch.document import decoded
from oomdoc.patch.edits import EditPlan
from oomdoc.patch.plan import plan_edits
from oomdoc.remedies.remedy import Ladder, Remedy, remedies

TEXTS = 6  # of each kind of file


def changes_of(remedy: Remedy) -> dict[str, Any]:
    """What a remedy sets; of a ladder its last step."""
    if not remedy.levels:
        return dict(remedy.sets)
    (name, ladder), *_ = remedy.levels.items()
    found = {name: ladder.down_to if isinstance(ladder, Ladder) else ladder[-1]}
    return {**found, **({remedy.keeps: 16} if remedy.keeps else {})}


def wishes() -> dict[str, dict[str, Any]]:
    """Changes by the remedies that make them, and a few together."""
    known = {name: changes_of(remedy) for name, remedy in remedies().items() if remedy.sets}
    known["two-at-once"] = {"train.per_device_batch_size": 2, "train.max_length": 1024}
    known["fewer-cards"] = {"parallel.world_size": 1}
    return known


def drawn(recipe: dict[str, Any], ending: str, chance: random.Random) -> str:
    """One text of a framework's settings, in one of the ways people write them."""
    names = chance.sample(
        sorted(recipe["options"]), chance.randint(len(recipe["options"]) // 3, len(recipe["options"]))
    )
    given = {**recipe["always"], **{name: chance.choice(recipe["options"][name]) for name in names}}
    return {"sh": shell, "yaml": yaml, "json": json_text, "py": python}[ending](given, recipe, chance)


def shell(given: dict[str, Any], recipe: dict[str, Any], chance: random.Random) -> str:
    gap = chance.choice([" ", " \\\n    ", " \\\n\t"])
    start = chance.choice(recipe["start"])
    lines, words, array = ["#!/bin/bash"], [], []
    if chance.random() < 0.3:
        lines.append("export OMP_NUM_THREADS=4  # threads")
    for name, value in given.items():
        text = str(value)
        if chance.random() < 0.2 and text.isdigit():
            variable = name.rpartition(".")[2].replace("-", "_").upper()
            lines.append(f"{variable}={text}")
            text = chance.choice([f"${variable}", f'"${{{variable}}}"', f"${{{variable}}}"])
        if recipe.get("hydra"):
            words.append(f"{name}={text}")
        elif value is True and recipe["kind"] == "source":
            words.append(f"--{name}")
        else:
            words.append(f"--{name}{chance.choice([' ', ' ', '='])}{text}")
    if chance.random() < 0.2 and not recipe.get("hydra"):
        half = len(words) // 2
        array, words = words[half:], [*words[:half], '"${ARGS[@]}"']
        lines.append("ARGS=(\n  " + "\n  ".join(array) + "\n)")
    tail = chance.choice(["", " 2>&1 | tee log.txt", " > log.txt 2>&1 &", "  # go"])
    head = f"{start} {recipe['program']}".strip()
    return "\n".join([*lines, gap.join([head, *words]) + tail, ""])


def yaml(given: dict[str, Any], recipe: dict[str, Any], chance: random.Random) -> str:
    if recipe["yaml"] == "glm4":
        given["training_args"] = {
            "output_dir": "./out", "max_steps": 300, "per_device_train_batch_size": chance.choice([4, 8]),
            "dataloader_num_workers": 16, "per_device_eval_batch_size": 4, "eval_steps": 50, "use_cpu": True,
            "predict_with_generate": True, "generation_config": {"max_new_tokens": 512},
        }  # fmt: skip
        if chance.random() < 0.7:
            given["peft_config"] = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 64, "lora_alpha": 32}
    lines: list[str] = []
    for name, value in given.items():
        note = chance.choice(["", "", "  # keep: 1", " # 保留"])
        if isinstance(value, dict):
            lines += [f"{name}:", *_nested(value, 1)]
        elif isinstance(value, list):
            lines += [f"{name}:", *(f"  - {json.dumps(item)}" for item in value)]
        else:
            lines.append(f"{name}: {_scalar(value, chance)}{note}")
        if chance.random() < 0.2:
            lines.append(chance.choice(["", "### more", "# x: 1"]))
    end = chance.choice(["\n", "\n", "\r\n"])
    return end.join(lines) + chance.choice([end, ""])


def _nested(value: dict[str, Any], depth: int) -> list[str]:
    lines = []
    for name, inner in value.items():
        if isinstance(inner, dict):
            lines += [f"{'  ' * depth}{name}:", *_nested(inner, depth + 1)]
        else:
            lines.append(f"{'  ' * depth}{name}: {str(inner).lower() if isinstance(inner, bool) else inner}")
    return lines


def _scalar(value: Any, chance: random.Random) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and ("," in value or chance.random() < 0.1) else str(value)


def json_text(given: dict[str, Any], recipe: dict[str, Any], chance: random.Random) -> str:
    del recipe
    zero: dict[str, Any] = {"stage": chance.choice([1, 2]), "overlap_comm": True, "reduce_bucket_size": 500000000}
    if chance.random() < 0.5:
        zero["offload_optimizer"] = {"device": "none", "pin_memory": True}
    if chance.random() < 0.5:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    body = {"train_micro_batch_size_per_gpu": 4, **given, "zero_optimization": zero, "fp16": {"enabled": False}}
    return json.dumps(body, indent=chance.choice([None, 2, 4])) + chance.choice(["\n", ""])


def python(given: dict[str, Any], recipe: dict[str, Any], chance: random.Random) -> str:
    name = next(place.partition(":")[2] for place in recipe["classes"] if place.endswith(("Arguments", "Config")) and
                "Script" not in place)  # fmt: skip
    given = {
        key: value
        for key, value in given.items()
        if key in {*recipe["options"], *recipe["always"]} and not key.startswith(("lora", "use_peft", "attn", "model_"))
    }
    gap = chance.choice([", ", ",\n    ", ",  # a note\n    "])
    words = [f"{key}={float(value) if key == 'learning_rate' else value!r}" for key, value in given.items()]
    inside = gap.join(words) + (",\n" if "\n" in gap else "")
    return f"args = {name}({inside})\n"


def judged(
    before: dict[str, Any], after: dict[str, Any], plan: EditPlan, wanted: dict[str, Any], derived: list[str]
) -> str:
    """`exact`, or what is wrong."""
    if "error" in before:
        return f"unreadable before: {before['error']}"
    if "error" in after:
        return f"refused by the parser: {after['error']}"
    old, new = before["values"], after["values"]
    placed = {
        ("env.expandable_segments" if made.fact == "env.alloc_conf" else made.fact): made.value for made in plan.made
    }
    placed = {name: wanted.get(name, value) for name, value in placed.items()}
    if "parallel.processes_per_node" in placed:
        placed["parallel.world_size"] = placed.pop("parallel.processes_per_node")
    attested = set()
    for field in sorted({*old, *new}):
        facts, read = meaning(field)
        meant = read(new.get(field)) if field in new else None
        attested |= {fact for fact in facts if fact in placed and meant == placed[fact]}
        if old.get(field) == new.get(field) or any(fnmatch(field, one) for one in (*derived, "*logging_dir")):
            continue
        if not set(facts) & placed.keys():
            return f"changed besides: {field} from {old.get(field)!r} to {new.get(field)!r}"
        if meant is not None and not any(placed.get(fact) == meant for fact in facts):
            return f"{field} is {new.get(field)!r}, meant was {placed!r}"
    silent = {"parallel.offload", "lora.modules_to_save", "model.load_dtype", "parallel.kind"}
    missing = set(placed) - attested - silent
    return f"not attested: {sorted(missing)}" if missing else "exact"


def _unmet(name: str, facts: dict[str, Any]) -> bool:
    """Whether a remedy would never be proposed for these settings; the machine is taken to be any."""
    known = remedies().get(name)
    about = ("train.", "eval.", "model.", "quant.", "lora.")
    return known is not None and any(need.fact.startswith(about) and not need.met(facts) for need in known.needs)


class Worker:
    """The frameworks' parsers in their own interpreter."""

    def __init__(self, python: str, sources: Path) -> None:
        script = str(Path(__file__).with_name("parser_worker.py"))
        self.process = subprocess.Popen(
            [python, script, str(sources), json.dumps(RECIPES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.seen: dict[tuple[str, str], dict[str, Any]] = {}

    def read(self, parser: str, file: str, text: str) -> dict[str, Any]:
        """What a parser makes of a text."""
        assert self.process.stdin
        assert self.process.stdout
        if (parser, text) not in self.seen:
            self.process.stdin.write(json.dumps({"parser": parser, "file": file, "text": text}) + "\n")
            self.process.stdin.flush()
            self.seen[parser, text] = json.loads(self.process.stdout.readline())
        return self.seen[parser, text]


def record(name: str, worker: Worker, versions: dict[str, str]) -> tuple[dict[str, Any], Counter[str], list[str]]:
    """One framework: its fixture, the counts, the patches that are not exact."""
    recipe, chance = RECIPES[name], random.Random(name)
    log = "".join(f"{package}=={version}\n" for package, version in versions.items())
    cases: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for ending in recipe["files"]:
        for number in range(TEXTS):
            text = drawn(recipe, ending, chance)
            file = {"sh": "run.sh", "json": "ds_config.json", "py": "train.py"}.get(ending, "train.yaml")
            before = worker.read(name, file, text)
            if "error" in before:
                counts["unreadable before"] += 1
                wrong.append(f"{file} {number}: {before['error']}")
                continue
            patches = []
            facts = {fact.name: fact.value for fact in ingest_settings([parse(text, file)], log).facts}
            for remedy, wanted in wishes().items():
                if remedy in recipe.get("skip", []) or _unmet(remedy, facts):
                    continue
                plan = plan_edits(wanted, [decoded(file, text.encode(), Path(file))], log=log, repair=False)
                counts.update(f"by hand: {hand.key}" for hand in plan.by_hand)
                if not plan.files:
                    counts["none"] += 1
                    continue
                (edit,) = plan.files
                verdict = judged(before, worker.read(name, file, edit.text), plan, wanted, recipe.get("derived", []))
                counts["patches"] += 1
                counts["exact"] += verdict == "exact"
                if verdict != "exact":
                    wrong.append(f"{file} {number} {remedy}: {verdict}\n{edit.diff}")
                patches.append({"remedy": remedy, "changes": wanted, "edits": edit.splices, "verdict": verdict})
            cases.append({"file": file, "text": text, "patches": patches})
    version = versions.get(recipe["package"], versions.get("transformers", ""))
    return {"package": recipe["package"], "version": version, "log": log, "cases": cases}, counts, wrong


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("python")
    arguments.add_argument("sources", type=Path)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--only", choices=sorted(RECIPES))
    given = arguments.parse_args()
    packages = ("transformers", "trl", "llamafactory", "ms-swift", "axolotl", "accelerate", "deepspeed")
    code = f"from importlib.metadata import version\nfor name in {packages!r}:\n print(name, version(name))"
    told = subprocess.run([given.python, "-c", code], capture_output=True, text=True, check=True).stdout.split("\n")
    versions = dict(line.split() for line in told if line)
    worker = Worker(given.python, given.sources)
    given.folder.mkdir(parents=True, exist_ok=True)
    total: Counter[str] = Counter()
    print(f"{'framework':16} {'patches':>8} {'exact':>6}  by hand")
    for name in [given.only] if given.only else RECIPES:
        own = {RECIPES[name]["package"], "transformers"} & versions.keys()
        body, counts, wrong = record(name, worker, {package: versions[package] for package in sorted(own)})
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).replace('{"remedy"', '\n{"remedy"')
        (given.folder / f"{name}.json").write_text(text.replace('{"file"', '\n{"file"') + "\n", encoding="utf-8")
        hands = ", ".join(f"{key[9:]} {count}" for key, count in sorted(counts.items()) if key.startswith("by hand"))
        print(f"{name:16} {counts['patches']:8} {counts['exact']:6}  {hands}", flush=True)
        for line in wrong:
            print("   ", line.replace("\n", "\n    "))
        total += counts
    print(f"{'all':16} {total['patches']:8} {total['exact']:6}")
    return 0 if total["patches"] == total["exact"] and not total["unreadable before"] else 1


if __name__ == "__main__":
    sys.exit(main())
