"""The cards of this machine, live: memory as a bar and over time, who holds it; one plain line where there are none."""

from collections import deque
from typing import ClassVar

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from oomdoc.ingest.gpu import Gpu, GpuProcess, GpuReading
from oomdoc.messages import Language, say
from oomdoc.report.layout import clip, width
from oomdoc.tui.figures import size
from oomdoc.tui.ink import Line, content, one_line, prose

_LEVELS = "▁▂▃▄▅▆▇█"
_REMEMBERED = 120
_PROCESSES = 4


class GpuPanel(Widget):
    """Draws immutable readings; it asks nobody."""

    HELP: ClassVar[str] = "help.gpu"

    def __init__(self, language: Language, *, ascii_only: bool = False) -> None:
        super().__init__(id="gpu", classes="panel")
        self.language = language
        self._ascii_only = ascii_only
        self._reading: GpuReading | None = None
        self._past: dict[int, deque[float]] = {}
        self._lost = False
        self.border_title = say(language, "tui.gpus")

    def show(self, reading: GpuReading) -> None:
        """Draw the next moment."""
        self._lost = bool(self._reading and self._reading.gpus and not reading.gpus)
        self._reading = reading
        for gpu in reading.gpus:
            past = self._past.setdefault(gpu.index, deque(maxlen=_REMEMBERED))
            past.append(gpu.used_bytes / max(gpu.total_bytes, 1))
        self.refresh(layout=True)

    def speak(self, language: Language) -> None:
        """Another language from here on."""
        self.language = language
        self.border_title = say(language, "tui.gpus")
        self.refresh(layout=True)

    def lines(self, columns: int) -> list[Line]:
        """The panel in a number of columns."""
        reading = self._reading
        if reading is None:
            return [((say(self.language, "tui.gpu_reading"), "dim"),)]
        if not reading.gpus:
            told = say(self.language, "tui.gpu_lost" if self._lost else "tui.gpu_none")
            drawn = list(prose(told, columns, role="warn" if self._lost else ""))
            return drawn + (list(prose(reading.problem, columns, role="dim")) if reading.problem else [])
        return [line for gpu in reading.gpus for line in self._card(gpu, columns)]

    def _card(self, gpu: Gpu, columns: int) -> list[Line]:
        busy = f" {gpu.utilization} %" if gpu.utilization is not None else ""
        name = clip(one_line(f"{gpu.index} {gpu.name}"), max(columns - len(busy), 4))
        held = f" {size(gpu.used_bytes)} / {size(gpu.total_bytes)}"
        room = max(columns - width(held) - 2, 4)
        share = gpu.used_bytes / max(gpu.total_bytes, 1)
        cells = min(round(share * room), room)
        role = "bad" if share > 0.97 else "warn" if share > 0.85 else ""
        drawn: list[Line] = [
            ((name, "bold"), (busy, "dim")),
            (("[", "dim"), ("█" * cells + "·" * (room - cells), role), ("]", "dim"), (held, role)),
        ]
        past = list(self._past.get(gpu.index, ()))[-columns:]
        if len(past) > 1:
            drawn.append((("".join(_LEVELS[min(int(v * len(_LEVELS)), len(_LEVELS) - 1)] for v in past), "dim"),))
        drawn += [self._process(process, columns) for process in gpu.processes[:_PROCESSES]]
        rest = len(gpu.processes) - _PROCESSES
        if rest > 0:
            drawn.append(((f"  … {say(self.language, 'tui.more', count=rest)}", "dim"),))
        return drawn

    def _process(self, process: GpuProcess, columns: int) -> Line:
        held = size(process.bytes) if process.bytes is not None else say(self.language, "gpus.not_told")
        name = process.name or say(self.language, "gpus.not_seen")
        owner = f" {process.owner}" if process.owner else ""
        told = clip(one_line(f"{process.pid} {name}{owner}"), max(columns - width(held) - 3, 4))
        gap = " " * max(columns - width(told) - width(held) - 2, 1)
        return ((f"  {told}{gap}", "dim"), (held, ""))

    def render(self) -> Content:
        """The lines at the current width."""
        return content(self.lines(self.content_size.width or 36), self._ascii_only)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As high as what it says."""
        del container, viewport
        return len(self.lines(max(width, 8)))
