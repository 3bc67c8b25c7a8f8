"""`probe`: the step for real on one or several GPUs, in children of the training interpreter, capped and cleaned up."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from oomdoc.memory.profile import Component, MemoryProfile, Phase, PhaseProfile, Term
from oomdoc.messages import sentence
from oomdoc.probe.arrange import Arrangement, arrange, job_of
from oomdoc.probe.cards import Card, RefusedError, cards, choose, choose_several, usable
from oomdoc.probe.dryrun import stood_said
from oomdoc.probe.endings import ended_text
from oomdoc.probe.host import Progress, Worker, WorkerError, interpreter
from oomdoc.probe.plan import Plan, plan_of
from oomdoc.probe.ranks import Rank, Ranks

__all__ = ["Card", "Probe", "RefusedError", "cards", "choose", "ended", "probe", "profile_of"]


class Probe(NamedTuple):
    """What a probe measured. Where several ranks ran, `answer` is that of the worst and holds all of them (`ranks`)."""

    profile: MemoryProfile
    plan: Plan
    answer: dict[str, Any]

    @property
    def oom(self) -> dict[str, Any] | None:
        """Where it ran out of memory, None where it fitted."""
        return self.answer.get("oom")


def probe(
    facts: Mapping[str, Any], config: Mapping[str, Any] | None = None, *, python: str | None = None,
    device: int | Sequence[int] | None = None,
    cap_bytes: int | None = None, timeout: float = 600.0, yes: bool = False, progress: Progress | None = None,
    trust_remote_code: bool = False, snapshot: str | None = None, found: list[Card] | None = None,
    deepspeed: Mapping[str, Any] | None = None, launch_config: str | None = None,
) -> Probe:  # fmt: skip
    """Run the step of these facts on as many GPUs as the run used. `cap_bytes` lets large cards play small ones.

    `deepspeed` is the run's own configuration, `launch_config` the file that it gave to accelerate. Running out of
    memory, a hang and a death are results. Raises RefusedError, PlanError, ArchitectureError, SettingsError, or
    WorkerError where the environment or the model does not let it run.
    """
    plan = plan_of(facts, config)
    here = usable() if found is None else found
    devices = [device] if isinstance(device, int) else list(device or ())
    free = [card for card in here if not devices or card.number in devices] or here
    arrangement = arrange(plan, facts, free, yes=yes) if here else Arrangement(1, 1, "none")
    chosen = choose_several(here, arrangement.ranks, devices, cap_bytes, yes=yes)
    caps = [min(cap_bytes or card.free_bytes, card.free_bytes) for card in chosen]
    job = {**plan.job, "device": "cuda", "steps": 3, "trust_remote_code": trust_remote_code, "snapshot": snapshot,
           "ranks": job_of(plan, facts, arrangement, deepspeed) or None, "caps": caps, "cap_bytes": caps[0],
           "used": [card.used_bytes for card in chosen], "used_before_bytes": chosen[0].used_bytes}  # fmt: skip
    environment = {"CUDA_VISIBLE_DEVICES": ",".join(str(card.number) for card in chosen),
                   "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # fmt: skip
    if plan.job["alloc_conf"]:
        environment |= {"PYTORCH_CUDA_ALLOC_CONF": plan.job["alloc_conf"], "PYTORCH_ALLOC_CONF": plan.job["alloc_conf"]}
    if arrangement.kind == "none":
        answer = _alone(job, python, environment, timeout, progress)
    else:
        answer = run_ranks(
            job, arrangement.ranks, python=python, launcher=str(facts.get("parallel.launcher") or ""),
            config=launch_config, cards=[card.number for card in chosen], environment=environment, timeout=timeout,
            progress=progress,
        )  # fmt: skip
    answer["said"] = [[each.en, each.zh] for each in arrangement.said] + answer.get("said", [])
    return Probe(profile_of(plan, answer, min(caps)), plan, answer)


def _alone(
    job: Mapping[str, Any], python: str | None, environment: Mapping[str, str], timeout: float,
    progress: Progress | None,
) -> dict[str, Any]:  # fmt: skip
    with Worker(python, "probe_worker", environment) as worker:
        try:
            return worker.ask(job, timeout, progress)
        except WorkerError as error:
            if error.kind == "no_gpu":
                raise RefusedError("no_gpu") from None
            if error.kind not in ("died", "time"):
                raise
            return ended(error)


def run_ranks(
    job: Mapping[str, Any], count: int, *, python: str | None = None, launcher: str = "", config: str | None = None,
    cards: Sequence[int] = (), environment: Mapping[str, str] | None = None, timeout: float = 600.0,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run a plan on so many ranks and merge what they answer. Raises WorkerError, or RefusedError without a GPU."""
    try:
        with Ranks(
            interpreter(python), job, count, launcher=launcher, config=config, cards=cards, environment=environment,
            timeout=timeout,
        ) as ranks:  # fmt: skip
            return merged(ranks.results(progress), ranks)
    except WorkerError as error:
        if error.kind == "no_gpu":
            raise RefusedError("no_gpu") from None
        raise


def merged(ranks: Sequence[Rank], how: Ranks | None = None) -> dict[str, Any]:
    """One answer of all ranks: the worst rank's own figures, and `ranks`, the worst first.

    A rank that ran out of memory or ended is worse than one that did not; of the others the one with most allocated.
    """
    rows = sorted((_row(rank) for rank in ranks), key=_badness, reverse=True)
    worst = rows[0]
    full = next((rank.answer for rank in ranks if rank.number == worst["rank"] and rank.answer), None)
    answer = dict(full or {"error": None, "oom": None, "notes": [], "device_bytes": 0})
    answer |= {name: worst[name] for name in ("phases", "allocated_bytes", "reserved_bytes")}
    answer["device_bytes"] = max((row["device_bytes"] for row in rows), default=0)
    answer["gpu"] = answer.get("gpu") or next(
        (r.answer.get("gpu") for r in ranks if r.answer and r.answer.get("gpu")), None
    )
    notes = [note for rank in ranks for note in (rank.answer or {}).get("notes") or ()]
    answer["notes"] = list(dict.fromkeys(notes))
    answer["rank"] = worst["rank"]
    answer["ranks"] = rows
    if worst["ending"]:
        answer["ending"] = {**worst["ending"], "rank": worst["rank"]}
        answer["ended"] = ended_text(answer["ending"])
    if how is not None:
        answer["launcher"] = how.launch.name
        if how.launch.name != how.launch.wanted:
            replaced = sentence("probe.by_torchrun", launcher=how.launch.wanted)
            answer["said"] = [[replaced.en, replaced.zh]]
    return answer


def _row(rank: Rank) -> dict[str, Any]:
    answer = rank.answer or {}
    phases = answer.get("phases") or rank.phases
    peak = max(phases, key=lambda each: each["allocated_bytes"], default=None)
    return {
        "rank": rank.number, "allocated_bytes": max((each["allocated_bytes"] for each in phases), default=0),
        "reserved_bytes": max((each["reserved_bytes"] for each in phases), default=0),
        "device_bytes": int(answer.get("device_bytes") or 0), "peak_phase": peak["phase"] if peak else None,
        "moment": peak["moment"] if peak else None, "oom": answer.get("oom"),
        "ending": rank.ending.as_json() if rank.ending else None, "phases": list(phases),
        "seconds": answer.get("seconds"),
    }  # fmt: skip


def _badness(row: Mapping[str, Any]) -> tuple[int, int, int]:
    cause = 3 if row["oom"] else 2 if row["ending"] and row["ending"]["kind"] != "others" else 0
    return (cause, int(row["allocated_bytes"]), -int(row["rank"]))


def ended(error: WorkerError) -> dict[str, Any]:
    """A hang or a death as a result: nothing was measured, and why."""
    how = {"kind": error.kind, **error.places}
    return {"error": None, "oom": None, "ended": ended_text(how), "ending": how, "phases": [], "allocated_bytes": 0,
            "reserved_bytes": 0, "device_bytes": 0, "notes": []}  # fmt: skip


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
        assumptions=(*stood_said(plan.model.name, answer.get("built")), *plan.assumed),
        basis=str((answer.get("gpu") or {}).get("name") or "no GPU"),
    )  # fmt: skip
