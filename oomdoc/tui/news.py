"""What workers post to the app; values only, the threads that make them never touch a widget."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

from oomdoc.ingest.gpu import GpuReading

if TYPE_CHECKING:
    from oomdoc.facts.case import Case


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the doctor: blocks in order, and the case as it stands after them; `to_end` shows its end first."""

    blocks: tuple[Any, ...]
    case: "Case | None" = None
    took: tuple[str, ...] = ()
    effects: tuple[Any, ...] = ()
    to_end: bool = False


class Answered(Message):
    """The doctor has an answer."""

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self.turn = turn


class Failed(Message):
    """Work ended without an answer; `sentence` says why in one line."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence


class Progressed(Message):
    """Work goes on; `share` from 0 to 1, None where it cannot be told."""

    def __init__(self, what: str, share: float | None) -> None:
        super().__init__()
        self.what, self.share = what, share


class GpuRead(Message):
    """The cards, one moment."""

    def __init__(self, reading: GpuReading) -> None:
        super().__init__()
        self.reading = reading


class Followed(Message):
    """A followed log has news; see `chat.follow.News` for its fields."""

    def __init__(self, kind: str, path: str, told: str = "", since: int = 0) -> None:
        super().__init__()
        self.kind, self.path, self.told, self.since = kind, path, told, since
