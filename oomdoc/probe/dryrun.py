"""`dry_run`: facts in, a MemoryProfile and what lies behind it out."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from oomdoc.memory.knowledge import document
from oomdoc.memory.parallel import nccl_parts
from oomdoc.memory.parts import Part
from oomdoc.memory.platform import context_part
from oomdoc.memory.profile import Component, MemoryProfile, Phase, PhaseProfile, Term
from oomdoc.messages import Sentence, sentence
from oomdoc.probe.host import Progress, Worker
from oomdoc.probe.plan import Plan, plan_of
from oomdoc.probe.remarks import remark

_GROUP_LIMIT = 24  # groups of modules listed by name; the rest is one term
_DOUBT = 0.03  # kernels' own temporaries, cuDNN workspaces: what a dry run cannot see, as a share of the step's tensors


class DryRun(NamedTuple):
    """The profile, the plan it came from, and the worker's whole answer (top tensors, modules, timeline, notes)."""

    profile: MemoryProfile
    plan: Plan
    answer: dict[str, Any]


def dry_run(
    facts: Mapping[str, Any], config: Mapping[str, Any] | None = None, *, python: str | None = None,
    timeout: float = 600.0,
    progress: Progress | None = None, trust_remote_code: bool = False, trace: bool = False,
) -> DryRun:  # fmt: skip
    """One run on fake tensors in the training environment's interpreter; no GPU, no weights, no network.

    `facts` are canonical names with their values, `config` the content of a config.json. Raises PlanError,
    ArchitectureError, SettingsError or WorkerError, each with a one-line message.
    """
    plan = plan_of(facts, config)
    job = {**plan.job, "trust_remote_code": trust_remote_code, "trace": trace}
    with Worker(python) as worker:
        answer = worker.ask(job, timeout, progress)
    return DryRun(profile_of(plan, answer), plan, answer)


def profile_of(plan: Plan, answer: Mapping[str, Any]) -> MemoryProfile:
    """The worker's answer as a MemoryProfile; the CUDA context and what lies beside it by the platform's rules."""
    settings = plan.settings
    added = {cast(Component, name): int(value) for name, value in (answer.get("gathered") or {}).items()}
    extra = sum(added.values())
    phases = tuple(_phase(each, added) for each in answer["phases"])
    worst = max(phases, key=lambda each: each.allocated_bytes)
    components: dict[Component, int] = {}
    for term in worst.terms:
        components[term.component] = components.get(term.component, 0) + term.bytes
    allocated = max(int(answer["allocated_bytes"]) + extra, worst.allocated_bytes)
    reserved = int(answer["reserved_bytes"]) + extra
    beside = [context_part(settings), *nccl_parts(settings)]
    if settings.other_processes:
        beside.append(Part("other_processes", "other processes", settings.other_processes))
    for part in beside:
        components[part.component] = components.get(part.component, 0) + part.bytes
    components["allocator_slack"] = reserved - allocated
    device = reserved + sum(part.bytes for part in beside)
    moving = sum(components.get(name, 0) for name in ("activations", "logits", "workspace"))
    doubt = int(_DOUBT * moving) + sum(part.error for part in beside) + _built_doubt(answer, moving, allocated)
    return MemoryProfile(
        method="dry_run", phases=phases, peak_phase=worst.phase, allocated_bytes=allocated, reserved_bytes=reserved,
        device_bytes=device, low_bytes=max(0, allocated + sum(part.bytes for part in beside) - doubt),
        high_bytes=device + doubt, capacity_bytes=settings.capacity or None, components=components,
        assumptions=(*stood_said(plan.model.name, answer.get("built")), *plan.assumed,
                     *map(remark, answer.get("notes") or ())),
        basis=f"{answer.get('class')} of transformers {(answer.get('versions') or {}).get('transformers', '?')}",
    )  # fmt: skip


def stood_in(name: str, built: Mapping[str, Any] | None) -> tuple[tuple[str, dict[str, str]], ...]:
    """(key of [verify], what stands in its places) where something ran in place of a model's own remote code."""
    if not built or built.get("how") in (None, "own") or "catalog" not in built:
        return ()
    places = {
        "name": name, "parameters": f"{built['parameters']:,}", "catalog": f"{built['catalog']:,}",
        "difference": f"{abs(built['difference']):.2%}",
    }  # fmt: skip
    return ((str(built["how"]), places),)


def stood_said(name: str, built: Mapping[str, Any] | None) -> tuple[Sentence, ...]:
    """The same as sentences."""
    return tuple(sentence(f"verify.{key}", **places) for key, places in stood_in(name, built))


def _built_doubt(answer: Mapping[str, Any], moving: int, allocated: int) -> int:
    """What code that was not run may do otherwise, and the share of everything by which parameters differ."""
    built = answer.get("built") or {}
    share = float(document("builds")["doubt"].get(built.get("how"), 0.0))
    return int(share * moving + abs(float(built.get("difference") or 0.0)) * allocated)


def _phase(found: Mapping[str, Any], added: Mapping[Component, int]) -> PhaseProfile:
    listed = found["terms"][:_GROUP_LIMIT]
    terms = [
        Term(component=each["component"], name=each["name"], bytes=each["bytes"], formula=f"{each['count']} tensors")
        for each in listed
    ]
    rest: dict[str, int] = {}
    for each in found["terms"][_GROUP_LIMIT:]:
        rest[each["component"]] = rest.get(each["component"], 0) + each["bytes"]
    terms += [Term(component=cast(Component, name), name="others", bytes=value) for name, value in rest.items()]
    gap = found["allocated_bytes"] - sum(term.bytes for term in terms)
    if gap:  # blocks of the large pool whose rest is too small to split
        terms.append(Term(component="allocator_slack", name="unsplit rests of blocks", bytes=gap))
    terms += [Term(component=name, name=name, bytes=value, formula="by arithmetic") for name, value in added.items()]
    return PhaseProfile(
        phase=cast(Phase, found["phase"]), terms=tuple(terms), moment=found["moment"],
        allocated_bytes=found["allocated_bytes"] + sum(added.values()),
    )  # fmt: skip
