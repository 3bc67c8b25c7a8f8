"""A reading of the cards as text or JSON."""

import json
from dataclasses import asdict

from oomdoc.facts.units import size
from oomdoc.ingest.gpu import Gpu, GpuReading
from oomdoc.messages import Language, say
from oomdoc.report.layout import shares
from oomdoc.report.mask import mask

_BAR = 40


def as_json(reading: GpuReading) -> str:
    """The reading as one JSON object."""
    return json.dumps(asdict(reading), ensure_ascii=False, indent=1) + "\n"


def as_text(reading: GpuReading, language: Language) -> str:
    """One block a card: a bar, then the processes, largest first."""
    lines = [f"{say(language, 'gpus.driver')} {reading.driver}"] if reading.driver else []
    for gpu in reading.gpus:
        lines += _card(gpu, language)
    return "\n".join(lines) + "\n"


def _card(gpu: Gpu, language: Language) -> list[str]:
    used, _ = shares([gpu.used_bytes, gpu.free_bytes], gpu.total_bytes, _BAR)
    busy = f"  {gpu.utilization} %" if gpu.utilization is not None else ""
    split = f"  {say(language, 'gpus.partitioned')}" if gpu.is_partitioned else ""
    lines = [
        f"GPU {gpu.index}  {gpu.name}{split}",
        f"  [{'█' * used}{'·' * (_BAR - used)}] {size(gpu.used_bytes)} / {size(gpu.total_bytes)}{busy}",
    ]
    for process in gpu.processes:
        held = size(process.bytes) if process.bytes is not None else say(language, "gpus.not_told")
        name = mask(process.name) if process.name else say(language, "gpus.not_seen")
        owner = f"  {process.owner}" if process.owner else ""
        lines.append(f"  {process.pid:>8}  {held:>10}  {name}{owner}")
    return lines
