"""The GPUs of this machine as nvidia-smi shows them, which of them a probe may take, and why it may not."""

# ruff: noqa: S603
# nvidia-smi is found on the person's path

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

MIB = 1 << 20
_QUIET = 256 * MIB  # what a driver or a desktop holds on an idle card
_COLUMNS = "index,name,memory.total,memory.used,uuid"


class Card(NamedTuple):
    """One GPU as nvidia-smi shows it now; bytes."""

    number: int
    name: str
    total_bytes: int
    used_bytes: int
    uuid: str = ""

    @property
    def free_bytes(self) -> int:
        """What nobody holds."""
        return max(0, self.total_bytes - self.used_bytes)

    @property
    def is_busy(self) -> bool:
        """Whether somebody works on it: more is held than a driver or a desktop takes."""
        return self.used_bytes > _QUIET


class RefusedError(Exception):
    """The probe was not started. `reason` is a key of the sentences [probe_refused], `places` what stands in them.

    no_gpu, driver, hidden, partitioned, busy, too_large, too_few, nodes or split; `card` is the one it would have used.
    """

    def __init__(self, reason: str, card: Card | None = None, **places: Any) -> None:
        self.reason = reason
        self.card = card
        self.places = places
        super().__init__(reason)


def cards(query: Callable[[], str] | None = None) -> list[Card]:
    """The GPUs of this machine and what they hold; empty where nvidia-smi is absent or fails."""
    return _read((query or nvidia_smi)())


def _read(text: str) -> list[Card]:
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) in (4, 5) and parts[0].isdigit() and parts[2].isdigit() and parts[3].isdigit():
            uuid = parts[4] if len(parts) == 5 else ""
            found.append(Card(int(parts[0]), parts[1], int(parts[2]) * MIB, int(parts[3]) * MIB, uuid))
    return found


def usable(query: Callable[[], str] | None = None, environment: Mapping[str, str] | None = None) -> list[Card]:
    """The cards that a run started here would see. Raises RefusedError where the driver or CUDA_VISIBLE_DEVICES say no.

    nvidia-smi shows all cards whatever CUDA_VISIBLE_DEVICES says; CUDA sees those it names, up to the first it cannot
    find (CUDA programming guide, environment variables).
    """
    text = (query or nvidia_smi)()
    found = _read(text)
    if not found:
        told = next((line.strip() for line in text.splitlines() if line.strip()), "")
        raise RefusedError("driver", told=told[:200]) if told else RefusedError("no_gpu")
    stated = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if stated is None:
        return found
    seen: list[Card] = []
    for name in (part.strip() for part in stated.split(",")):
        if name.startswith("MIG-"):
            raise RefusedError("partitioned", name=name)
        card = next((each for each in found if _is_named(each, name)), None)
        if card is None or card in seen:
            break
        seen.append(card)
    if not seen:
        raise RefusedError("hidden", stated=stated or '""')
    return seen


def _is_named(card: Card, name: str) -> bool:
    return name == str(card.number) if name.isdigit() else len(name) > 4 and card.uuid.startswith(name)


def nvidia_smi(question: str = f"--query-gpu={_COLUMNS}") -> str:
    """What nvidia-smi answers; "" where it is absent or hangs, its own complaint where it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, question, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=20,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "nvidia-smi does not answer within 20 s"
    except OSError as error:
        return f"nvidia-smi cannot be started: {error.strerror}"
    return done.stdout or done.stderr


def neighbours(card: Card, query: Callable[[str], str] = nvidia_smi) -> list[str]:
    """The processes on a card as "name (pid)", as far as the driver tells; inside a container it tells none."""
    found = []
    for line in query("--query-compute-apps=gpu_uuid,pid,process_name").splitlines():
        parts = [part.strip() for part in line.split(",", 2)]
        if len(parts) == 3 and parts[0] == card.uuid and parts[1].isdigit():
            found.append(f"{parts[2].rsplit('/', 1)[-1]} ({parts[1]})")
    return found


def choose(found: list[Card], device: int | None, cap_bytes: int | None, *, yes: bool) -> Card:
    """The card to probe on: the one asked for, else the freest. Raises RefusedError."""
    return choose_several(found, 1, [] if device is None else [device], cap_bytes, yes=yes)[0]


def choose_several(
    found: Sequence[Card], count: int, devices: Sequence[int], cap_bytes: int | None, *, yes: bool
) -> list[Card]:
    """`count` cards, those asked for or else the freest, in order of their numbers. Raises RefusedError."""
    wanted = [card for card in found if not devices or card.number in devices]
    if not wanted:
        if not found:
            raise RefusedError("no_gpu")
        raise RefusedError("hidden", stated=", ".join(map(str, devices)))
    if len(wanted) < count:
        raise RefusedError("too_few", wanted[0], wanted=count, here=len(wanted))
    chosen = sorted(wanted, key=lambda each: (-each.free_bytes, each.number))[:count]
    worst = chosen[-1]
    if cap_bytes and cap_bytes > worst.free_bytes:
        raise RefusedError("too_large", worst, cap=cap_bytes)
    busy = next((card for card in chosen if card.is_busy), None)
    if busy is not None and not yes:
        raise RefusedError("busy", busy)
    return sorted(chosen)
