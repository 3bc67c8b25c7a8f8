"""`probe`: one step for real on a GPU, in a child of the training interpreter that is capped and cleaned up."""

# ruff: noqa: S603
# nvidia-smi is found on the person's path

import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from oomdoc.memory.profile import Component, MemoryProfile, Phase, PhaseProfile, Term
from oomdoc.probe.host import Progress, Worker, WorkerError
from oomdoc.probe.plan import Plan, plan_of

MIB = 1 << 20
_QUIET = 256 * MIB  # what a driver or a desktop holds on an idle card


class Card(NamedTuple):
    """One GPU as nvidia-smi shows it now; bytes."""

    number: int
    name: str
    total_bytes: int
    used_bytes: int

    @property
    def free_bytes(self) -> int:
        """What nobody holds."""
        return self.total_bytes - self.used_bytes


class RefusedError(Exception):
    """The probe was not started: `reason` is no_gpu, busy or too_large; `card` is the one it would have used."""

    def __init__(self, reason: str, card: Card | None = None) -> None:
        self.reason = reason
        self.card = card
        super().__init__(reason)


class Probe(NamedTuple):
    """What a probe measured. `oom` holds phase, message and place where it ran out of memory."""

    profile: MemoryProfile
    plan: Plan
    answer: dict[str, Any]

    @property
    def oom(self) -> dict[str, Any] | None:
        """Where it ran out of memory, None where it fitted."""
        return self.answer.get("oom")


def cards(query: Callable[[], str] | None = None) -> list[Card]:
    """The GPUs of this machine and what they hold; empty where nvidia-smi is absent or fails."""
    text = (query or _nvidia_smi)()
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 4 and parts[0].isdigit() and parts[2].isdigit() and parts[3].isdigit():
            found.append(Card(int(parts[0]), parts[1], int(parts[2]) * MIB, int(parts[3]) * MIB))
    return found


def _nvidia_smi() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    arguments = [program, "--query-gpu=index,name,memory.total,memory.used", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def choose(found: list[Card], device: int | None, cap_bytes: int | None, *, yes: bool) -> Card:
    """The card to probe on: the one asked for, else the freest. Raises RefusedError."""
    wanted = [card for card in found if device is None or card.number == device]
    if not wanted:
        raise RefusedError("no_gpu")
    card = max(wanted, key=lambda each: each.free_bytes)
    if cap_bytes and cap_bytes > card.free_bytes:
        raise RefusedError("too_large", card)
    if card.used_bytes > _QUIET and not yes:
        raise RefusedError("busy", card)
    return card


def probe(
    facts: Mapping[str, Any], config: Mapping[str, Any] | None = None, *, python: str | None = None,
    device: int | None = None,
    cap_bytes: int | None = None, timeout: float = 600.0, yes: bool = False, progress: Progress | None = None,
    trust_remote_code: bool = False, snapshot: str | None = None, found: list[Card] | None = None,
) -> Probe:  # fmt: skip
    """Run the step of these facts on a GPU. `cap_bytes` lets a large card play a small one.

    Running out of memory, a hang and a death are results. Raises RefusedError, PlanError, ArchitectureError,
    SettingsError, or WorkerError where the environment or the model does not let it run.
    """
    plan = plan_of(facts, config)
    card = choose(cards() if found is None else found, device, cap_bytes, yes=yes)
    cap = min(cap_bytes or card.free_bytes, card.free_bytes)
    job = {**plan.job, "device": "cuda", "cap_bytes": cap, "used_before_bytes": card.used_bytes, "steps": 3,
           "trust_remote_code": trust_remote_code, "snapshot": snapshot}  # fmt: skip
    environment = {"CUDA_VISIBLE_DEVICES": str(card.number)}
    if plan.job["alloc_conf"]:
        environment |= {"PYTORCH_CUDA_ALLOC_CONF": plan.job["alloc_conf"], "PYTORCH_ALLOC_CONF": plan.job["alloc_conf"]}
    with Worker(python, "probe_worker", environment) as worker:
        try:
            answer = worker.ask(job, timeout, progress)
        except WorkerError as error:
            if error.kind == "no_gpu":
                raise RefusedError("no_gpu") from None
            if error.kind not in ("died", "time"):
                raise
            answer = ended(error)
    return Probe(profile_of(plan, answer, cap), plan, answer)


def ended(error: WorkerError) -> dict[str, Any]:
    """A hang or a death as a result: nothing was measured, and why."""
    return {"error": None, "oom": None, "ended": str(error), "phases": [], "allocated_bytes": 0, "reserved_bytes": 0,
            "device_bytes": 0, "notes": [str(error)]}  # fmt: skip


def profile_of(plan: Plan, answer: Mapping[str, Any], cap_bytes: int) -> MemoryProfile:
    """Measured figures as a MemoryProfile: one term a phase, since a device does not say whose bytes they are."""
    best: dict[str, dict[str, Any]] = {}
    for each in answer["phases"]:
        if each["phase"] not in best or each["allocated_bytes"] > best[each["phase"]]["allocated_bytes"]:
            best[each["phase"]] = each
    phases = tuple(
        PhaseProfile(
            phase=cast(Phase, name), allocated_bytes=each["allocated_bytes"], moment=each["moment"],
            terms=(Term(component="activations", name="measured", bytes=each["allocated_bytes"],
                        formula="max_memory_allocated"),),
        )
        for name, each in best.items()
    )  # fmt: skip
    allocated, reserved = int(answer["allocated_bytes"]), int(answer["reserved_bytes"])
    device = max(int(answer["device_bytes"]), reserved)
    worst = max(phases, key=lambda each: each.allocated_bytes).phase if phases else "load"
    components: dict[Component, int] = {
        "activations": allocated,
        "allocator_slack": reserved - allocated,
        "context": device - reserved,
    }
    return MemoryProfile(
        method="probe", phases=phases, peak_phase=worst, allocated_bytes=allocated, reserved_bytes=reserved,
        device_bytes=device, low_bytes=device, high_bytes=device, capacity_bytes=cap_bytes, components=components,
        assumed=tuple(en for en, _ in plan.assumed), basis=str((answer.get("gpu") or {}).get("name") or "no GPU"),
    )  # fmt: skip


def largest(fits: Callable[[int], bool], guess: int, most: int, trials: int = 10) -> int:
    """The largest value for which `fits` holds, at most `most`; 0 where none does. Begins at `guess`, then halves.

    Each call of `fits` is a process of its own; at most `trials` are made, so the answer may be lower than the truth by
    a sixteenth at large values.
    """
    low, high = 0, most + 1
    value = max(1, min(guess, most))
    while high - low > max(1, low // 16) and trials > 0:
        trials -= 1
        if fits(value):
            low = value
            value = min(most, value * 2) if high > most else (low + high) // 2
            if low == most:
                break
        else:
            high = value
            value = max(1, (low + high) // 2)
    return low
