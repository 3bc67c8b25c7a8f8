"""Plots and snapshots of a finished run."""

import html.parser
import pickle
from typing import Any

from oomdoc.probe.timeline import snapshot, timeline_html
from oomdoc.report.dryrun_text import sparkline

MIB = 1 << 20
ANSWER: dict[str, Any] = {
    "timeline": {
        "allocated": [MIB, 3 * MIB, 2 * MIB],
        "reserved": [2 * MIB, 4 * MIB, 4 * MIB],
        "components": [{"weights": MIB}, {"weights": MIB, "activations": 2 * MIB}, {"weights": MIB, "gradients": MIB}],
        "marks": [{"at": 0, "phase": "load", "label": "load"}, {"at": 1, "phase": "forward", "label": "step <1>"}],
    },
    "top_tensors": [
        {
            "bytes": MIB,
            "component": "weights",
            "shape": [2, 3],
            "dtype": "float32",
            "module": "a<b>",
            "name": "",
            "frame": "",
        }
    ],
    "trace": [
        [1, MIB, "", "embed", "weights", "load"],
        [2, 2 * MIB, "model.py:7 in forward", "mlp", "activations", "aten.mm"],
        -2,
    ],
}


def test_the_page_is_self_contained_and_escapes_names() -> None:
    page = timeline_html(ANSWER, "a <title>")
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert "a&lt;b&gt;" in page
    assert "a &lt;title&gt;" in page
    assert page.count("<polygon") == 3
    html.parser.HTMLParser().feed(page)


def test_the_snapshot_has_the_events_and_what_is_left() -> None:
    found = pickle.loads(pickle.dumps(snapshot(ANSWER)))
    trace = found["device_traces"][0]
    assert [entry["action"] for entry in trace] == ["alloc", "alloc", "free_completed"]
    assert trace[1]["addr"] == trace[2]["addr"]
    assert trace[1]["frames"][0] == {"filename": "model.py", "line": 7, "name": "forward"}
    blocks = [block for segment in found["segments"] for block in segment["blocks"]]
    assert [(block["size"], block["state"]) for block in blocks] == [(MIB, "active_allocated")]
    assert found["segments"][0]["address"] == trace[0]["addr"]


def test_a_sparkline_keeps_the_highest_moment() -> None:
    line = sparkline([0, 0, 9, 0, 0, 0, 1, 0], 4)
    assert len(line) == 4
    assert line[1] == "█"
    assert set(sparkline([5, 5], 10, glyphs=False)) == {"#"}
    assert sparkline([0], 10) == "▁"
