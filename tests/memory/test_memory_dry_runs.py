"""The closed form against recorded dry runs (the real model classes stepped on fake tensors), within a stated error.

Recorded with `oomdoc dryrun --facts`, torch and transformers as the fixture says: text, vision-language and
mixture-of-experts models, LoRA, QLoRA and full training, checkpointing on and off, three kinds of attention.
"""

import json
import statistics
from functools import cache
from pathlib import Path
from typing import Any

from oomdoc.memory.predict import answer

FIXTURE = Path(__file__).parent.parent / "fixtures" / "dry_runs.json"


@cache
def compared() -> tuple[tuple[float, bool, str], ...]:
    """(relative error of the allocated figure, whether the interval holds the device figure, facts) of every row."""
    rows: list[dict[str, Any]] = json.loads(FIXTURE.read_text(encoding="utf-8"))["rows"]
    found = []
    for row in rows:
        memory = answer(row["facts"])["memory"]
        held = memory["low_bytes"] <= row["device"] <= memory["high_bytes"]
        found.append((memory["allocated_bytes"] / row["allocated"] - 1, held, str(row["facts"])))
    return tuple(found)


def test_the_median_error_is_under_two_percent() -> None:
    assert len(compared()) >= 60
    assert statistics.median(abs(error) for error, _, _ in compared()) < 0.02


def test_nineteen_of_twenty_are_within_ten_percent() -> None:
    errors = sorted(abs(error) for error, _, _ in compared())
    assert errors[int(0.95 * len(errors))] < 0.10


def test_the_interval_holds_nine_of_ten_figures() -> None:
    held = [inside for _, inside, _ in compared()]
    assert sum(held) / len(held) >= 0.9


def test_no_row_is_far_off() -> None:
    assert [(round(error, 3), facts) for error, _, facts in compared() if abs(error) > 0.2] == []
