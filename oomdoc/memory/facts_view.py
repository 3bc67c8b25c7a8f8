"""Canonical facts behind three plain questions (text, flag, number), and what had to be assumed while asking."""

from collections.abc import Mapping
from typing import Any

from oomdoc.memory.architecture import Architecture
from oomdoc.memory.knowledge import habits, version
from oomdoc.memory.settings import SettingsError
from oomdoc.messages import Sentence, said

_LIMITS = {
    "train.per_device_batch_size": 65_536, "train.max_length": 20_000_000, "train.sequence_tokens": 20_000_000,
    "train.gradient_accumulation_steps": 1_000_000, "lora.rank": 65_536, "parallel.world_size": 100_000,
    "train.num_images": 10_000, "image.height": 100_000, "image.width": 100_000, "image.frames": 100_000,
    "image.tiles": 10_000, "eval.per_device_batch_size": 65_536, "inference.batch_size": 1_000_000,
    "inference.max_new_tokens": 20_000_000, "inference.prompt_tokens": 20_000_000, "train.num_generations": 10_000,
    "parallel.tensor_parallel": 1024, "parallel.pipeline_parallel": 1024, "parallel.sequence_parallel": 1024,
    "parallel.expert_parallel": 1024,
}  # fmt: skip


class FactsView:
    """The facts of one run beside its model and the habits of its framework."""

    def __init__(self, facts: Mapping[str, Any], architecture: Architecture) -> None:
        self.facts = facts
        self.model = architecture
        self.said: list[Sentence] = []
        self.framework = self.text("framework.name")
        self.habits = habits(self.framework, version(self.text("framework.version")))

    def text(self, name: str) -> str | None:
        """A fact as text, None where it is unknown or unset."""
        value = self.facts.get(name)
        return str(value) if value is not None and value != "" else None

    def flag(self, name: str) -> bool | None:
        """A fact as true or false, None where it is neither."""
        value = self.facts.get(name)
        return value if isinstance(value, bool) else None

    def number(self, name: str) -> int | None:
        """A fact as a whole number, None where unknown; SettingsError where it cannot be meant."""
        value = self.facts.get(name)
        if value is None or isinstance(value, bool):
            return None
        try:
            count = int(float(value))
        except (TypeError, ValueError, OverflowError):
            raise SettingsError(said("setting.number", name=name, value=repr(value))) from None
        if count < 0 or count > _LIMITS.get(name, 1 << 60):
            raise SettingsError(said("setting.not_meant", name=name, value=f"{count:,}"))
        return count

    def assume(self, key: str, **places: object) -> None:
        """Note one assumption."""
        self.said.append(Sentence(key, tuple(places.items())))


def names(value: Any) -> tuple[str, ...]:
    """A list of names, whether written as a list or as one comma-separated text."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.strip("[]").split(",") if part.strip())
    return tuple(str(part) for part in value) if isinstance(value, list | tuple) else ()
