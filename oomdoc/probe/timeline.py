"""A dry run over time, as files for people: a self-contained HTML plot, and PyTorch's memory-snapshot format."""

import html
from collections.abc import Mapping
from typing import Any

from oomdoc.memory.allocator import Allocator

_COLOURS = {
    "weights": "#4e79a7", "gradients": "#f28e2b", "optimizer": "#e15759", "activations": "#76b7b2", "logits": "#59a14f",
    "kv_cache": "#edc948", "workspace": "#b07aa1", "master_weights": "#bab0ac",
    "gathered": "#ff9da7", "buckets": "#9c755f",
}  # fmt: skip
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 960, 360, 60, 40


def timeline_html(answer: Mapping[str, Any], title: str) -> str:
    """A page with one SVG: bytes by component stacked over the events of the run, reserved bytes as a line. No scripts
    from elsewhere, no network."""
    timeline = answer["timeline"]
    points = timeline["components"]
    most = max([*timeline["reserved"], 1]) * 1.05
    step = (_WIDTH - _LEFT) / max(1, len(points) - 1)

    def y(value: float) -> float:
        return float(round(_HEIGHT - _BOTTOM - value / most * (_HEIGHT - _BOTTOM - 10), 1))

    names = [name for name in _COLOURS if any(name in point for point in points)]
    base = [0.0] * len(points)
    areas = []
    for name in names:
        top = [low + point.get(name, 0) for low, point in zip(base, points, strict=True)]
        forward = [f"{_LEFT + i * step:.1f},{y(value)}" for i, value in enumerate(top)]
        back = [f"{_LEFT + i * step:.1f},{y(value)}" for i, value in reversed(list(enumerate(base)))]
        areas.append(
            f'<polygon fill="{_COLOURS[name]}" points="{" ".join(forward + back)}"><title>{name}</title></polygon>'
        )
        base = top
    line = " ".join(f"{_LEFT + i * step:.1f},{y(value)}" for i, value in enumerate(timeline["reserved"]))
    ticks = "".join(
        f'<text x="4" y="{y(most * part / 5) + 4}">{most * part / 5 / (1 << 30):.1f} GiB</text>' for part in range(6)
    )
    marks = "".join(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="10" y2="{_HEIGHT - _BOTTOM}" class="m"/>'
        f'<text class="t" transform="translate({x + 3:.1f},{_HEIGHT - 4}) rotate(-35)">'
        f"{html.escape(mark['phase'])}</text>"
        for mark in timeline["marks"]
        for x in (_LEFT + mark["at"] * step,)
    )
    legend = "".join(f'<span><i style="background:{_COLOURS[name]}"></i>{name}</span>' for name in names)
    rows = "".join(
        f"<tr><td>{each['bytes'] / (1 << 30):.3f} GiB</td><td>{html.escape(each['component'])}</td>"
        f"<td>{html.escape(str(each['shape']))} {html.escape(each['dtype'])}</td>"
        f"<td>{html.escape(each['module'] or each['name'])}</td><td>{html.escape(each['frame'])}</td></tr>"
        for each in answer.get("top_tensors", ())
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title><style>"
        "body{font:14px system-ui,sans-serif;margin:2em;max-width:1000px}svg text{font-size:11px;fill:currentColor}"
        ".m{stroke:#8888;stroke-dasharray:3}.t{font-size:10px}span{margin-right:1em}i{display:inline-block;width:.8em;height:.8em;"
        "margin-right:.3em}td{padding:.1em .8em .1em 0;font-size:12px}"
        "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}"
        f"</style><h1>{html.escape(title)}</h1><p>{legend}<span>&#9473; reserved</span></p>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="100%">{"".join(areas)}'
        f'<polyline fill="none" stroke="currentColor" points="{line}"/>{ticks}{marks}</svg>'
        f"<table>{rows}</table></html>\n"
    )


def snapshot(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The run as torch.cuda.memory._snapshot() would have it: the trace of one device and what is left at its end.

    Pickle it, and https://pytorch.org/memory_viz opens it. Addresses are those of the simulated allocator; time counts
    events, since nothing was run.
    """
    allocator = Allocator()
    live: dict[int, tuple[int, int, list[dict[str, Any]]]] = {}
    trace: list[dict[str, Any]] = []
    for moment, event in enumerate(answer.get("trace") or ()):
        if isinstance(event, int):
            address, size, frames = live.pop(-event)
            allocator.free(address)
            action = "free_completed"
        else:
            number, size, frame, module, component, op = event
            frames = _frames(frame, module, component, op)
            address = allocator.malloc(size)
            live[number] = (address, size, frames)
            action = "alloc"
        if size:
            entry = {"action": action, "addr": address, "size": size, "stream": 0, "frames": frames, "time_us": moment}
            trace.append(entry)
    return {"segments": _segments(live), "device_traces": [trace], "allocator_settings": {}, "external_annotations": []}


def _frames(frame: str, module: str, component: str, op: str) -> list[dict[str, Any]]:
    frames = []
    place, _, function = frame.partition(" in ")
    file, _, line = place.rpartition(":")
    if file:
        frames.append({"filename": file, "line": int(line), "name": function})
    frames.append({"filename": component, "line": 0, "name": f"{module or '-'} [{op}]"})
    return frames


def _segments(live: Mapping[int, tuple[int, int, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Each block that is left as a segment of its own: what the visualiser needs to draw it from the start."""
    return [
        {
            "device": 0, "address": address, "total_size": size, "allocated_size": size, "active_size": size,
            "requested_size": size, "stream": 0, "segment_type": "large" if size > 1 << 20 else "small",
            "segment_pool_id": (0, 0), "is_expandable": False, "frames": frames,
            "blocks": [{"address": address, "size": size, "requested_size": size, "state": "active_allocated",
                        "frames": frames}],
        }
        for address, size, frames in live.values() if size
    ]  # fmt: skip
