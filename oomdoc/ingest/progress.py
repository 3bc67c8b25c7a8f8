"""How far the run had come: progress bars, step and epoch counters, as facts `run.*`."""

import re
from functools import cache
from typing import Any

from oomdoc.facts import base
from oomdoc.facts.fact import Fact
from oomdoc.facts.lazy import dataclass, lazy
from oomdoc.ingest.document import Document
from oomdoc.ingest.stated import stated

# tqdm: "desc:  12%|##   | 120/1000 [01:02<07:34,  1.94it/s, loss=..]"; counts with k, M or G are bytes or files.
_BAR = lazy(
    r"^(?P<label>.*?)(?:(?<!\d)\d{1,3}%)\|[^|\n]*\|\s*(?P<done>\d+)/(?P<total>\d+)\s*\[(?P<elapsed>[^<\]]*)<(?P<left>[^,\]]*),\s*"
    r"(?P<rate>[^\],]*)"
)
_EPOCH_LABEL = lazy(r"\b[Ee]poch\s*[:\[(]?\s*(\d+)(?:\s*[/|]\s*(\d+))?")
_MOST_BARS = 120
_TRAINING = (
    "Running training",
    "'loss'",
    "training",
    "Training",
    "loss=",
    "grad_norm",
    "train.py",
    "finetune",
    "trainer",
    "sft",
)
_BEGINS = ("Running training", "running training")
_TROUBLE = ("Traceback", "out of memory", "OutOfMemory", "OOM", "Killed", "Error")


@dataclass(frozen=True)
class _Bar:
    offset: int
    label: str
    done: int
    total: int
    role: str


def progress(document: Document) -> list[Fact]:
    """`run.step`, `run.total_steps`, `run.epoch`, `run.eval_step`, `run.first_step_failed`, as far as printed."""
    text = document.text
    bars = _bars(text) if "%|" in text else []
    train = next((bar for bar in reversed(bars) if bar.role == "train"), None)
    evaluation = next((bar for bar in reversed(bars) if bar.role == "eval"), None)
    facts: list[Fact] = []
    counted = _counters(text)
    if train:
        facts += _from_bar(document, train)
        failed_at = max(text.rfind(word) for word in _TROUBLE)
        if failed_at > train.offset or train.done:
            nothing_done = train.done == 0 and _is_first_epoch(train) and "step" not in counted
            facts.append(stated(document, "run.first_step_failed", nothing_done, train.offset))
    for name, fact in (("step", "run.step"), ("total", "run.total_steps"), ("epoch", "run.epoch")):
        if name in counted and not any(known.name == fact for known in facts):
            offset, value = counted[name]
            facts.append(stated(document, fact, value if name == "epoch" else int(value), offset))
    if evaluation and (train is None or evaluation.offset > train.offset):
        facts.append(stated(document, "run.eval_step", evaluation.done, evaluation.offset))
    return facts


def _is_first_epoch(bar: _Bar) -> bool:
    epoch = _EPOCH_LABEL.search(bar.label)
    return epoch is None or int(epoch[1]) <= 1


def _from_bar(document: Document, bar: _Bar) -> list[Fact]:
    epoch = _EPOCH_LABEL.search(bar.label)
    if epoch is None:
        return [
            stated(document, "run.step", bar.done, bar.offset),
            stated(document, "run.total_steps", bar.total, bar.offset),
        ]
    number = int(epoch[1])
    facts = [stated(document, "run.epoch", float(number), bar.offset)]
    if number == 0:  # later epochs may have begun with another length; counting from 1 is told apart by nothing
        facts.append(stated(document, "run.step", bar.done, bar.offset))
    return facts


def _bars(text: str) -> list[_Bar]:
    found: list[_Bar] = []
    place = text.rfind("%|")
    while place >= 0 and len(found) < _MOST_BARS:
        start = text.rfind("\n", 0, place) + 1
        end = text.find("\n", place)
        match = _BAR.match(text[start : end if end >= 0 else len(text)])
        if match:
            role = _role(text, start, match)
            found.append(_Bar(start, match["label"], int(match["done"]), int(match["total"]), role))
        place = text.rfind("%|", 0, start)
    found.reverse()
    return found


def _role(text: str, start: int, match: re.Match[str]) -> str:
    rate = match["rate"]
    if any(unit in rate for unit in ("B/s", "examples", "files", "tokens", "ex/s", "img", "KB", "MB")):
        return "other"
    label = match["label"].strip(" :|")
    for entry in _knowledge()["bars"]:
        if label and any(word in label for word in entry["words"]):
            return str(entry["role"])
    if label and not label.replace("/", "").replace(".", "").replace(" ", "").isdigit():
        return "other"
    before = text[max(start - 20_000, 0) : start]
    evaluates = max(before.rfind(sign) for sign in ("Running Evaluation", "Running Prediction", "Running evaluation"))
    trains = max(before.rfind(sign) for sign in ("Running training", "'loss'", "{'loss"))
    if evaluates > trains:
        return "eval"
    if trains < 0 and any(text.find(sign, start) >= 0 for sign in _BEGINS):
        return "other"  # latents, features, shards: what runs before the training is announced
    return "train" if trains >= 0 or any(word in text for word in _TRAINING) else "other"


@cache
def _knowledge() -> dict[str, Any]:
    return dict(base.section("logs")["phases.yaml"])


@cache
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source)


def _counters(text: str) -> dict[str, tuple[int, float]]:
    """The last printed step, total and epoch with their offsets."""
    latest: dict[str, tuple[int, float]] = {}
    for entry in _knowledge()["counters"]:
        place = text.rfind(entry["needs"])
        tries = 0
        while place >= 0 and tries < 3:
            start = text.rfind("\n", 0, place) + 1
            end = text.find("\n", place)
            matches = list(_pattern(entry["pattern"]).finditer(text[start : end if end >= 0 else len(text)]))
            if matches:
                for name, value in matches[-1].groupdict().items():
                    if value is not None and start >= latest.get(name, (-1, 0.0))[0]:
                        latest[name] = (start, float(value))
                break
            tries += 1
            place = text.rfind(entry["needs"], 0, start)
    return latest
