"""How a child that gave no answer ended: the values, and the sentence that is made of them."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from oomdoc.messages import Language, Said, say

_STAGES = {
    "starting": "starting", "importing torch and transformers": "importing", "joining the other ranks": "joining",
    "building the model on the device": "building", "building the model": "building", "evaluation": "eval",
    "generation": "generate", "replaying the allocator": "replaying",
}  # fmt: skip


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


def ending(found: Mapping[str, Any], language: Language) -> str:
    """How a child ended that gave no answer, in one line."""
    stage = stage_text(str(found.get("stage") or ""), language)
    kind, signal = str(found["kind"]), str(found.get("signal") or "")
    if kind == "time":
        text = say(language, "probe.time", seconds=f"{float(found.get('seconds') or 0):g}", stage=stage)
    elif kind == "others":
        text = say(language, "probe.with_others", stage=stage)
    elif signal == "SIGKILL":
        text = say(language, "probe.killed", stage=stage)
    elif signal:
        text = say(language, "probe.died_signal", signal=signal, stage=stage)
    elif found.get("said"):
        text = say(language, "probe.died_said", stage=stage, said=found["said"])
    else:
        text = say(language, "probe.died", stage=stage)
    rank = found.get("rank")
    return text if rank is None else say(language, "probe.of_rank", rank=rank, text=text)


def stage_text(stage: str, language: Language) -> str:
    """What a worker says it is doing, in the language asked for; a stage nobody knows is left as it is."""
    if stage.startswith("training step "):
        return say(language, "probe.stage_step", number=stage.rsplit(" ", 1)[-1])
    return say(language, f"probe.stage_{_STAGES[stage]}") if stage in _STAGES else stage


def ended_text(found: Mapping[str, Any]) -> Said:
    """How a child ended, in both languages."""
    return Said(ending(found, "en"), ending(found, "zh"))
