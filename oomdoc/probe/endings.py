"""How a child that gave no answer ended, as values that a sentence can be made of."""

import re
from typing import Any, NamedTuple


class Ending(NamedTuple):
    """kind: died, time, launcher, or others (ended because another rank was)."""

    kind: str
    stage: str
    signal: str = ""
    status: int | None = None
    said: str = ""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values, those that are known."""
        return {name: value for name, value in self._asdict().items() if value not in ("", None, 0.0)}


_OF_PROCESS = re.compile(r"Signal \d+ \((SIG[A-Z]+)\) received by PID (\d+)")  # torch.distributed.elastic's last table


def signal_of(log: str, process: int) -> str:
    """The signal that ended a process, as its launcher's log tells; "" where it does not."""
    return next((match[1] for match in _OF_PROCESS.finditer(log) if int(match[2]) == process), "")
