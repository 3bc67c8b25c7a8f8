"""Plans as plain JSON values: schema `oomdoc.fix/1`, which only grows, and the same inside a report."""

from typing import Any

from oomdoc.messages import Language
from oomdoc.patch.way_out import Offer, WayOut
from oomdoc.remedies.weigh import Weight
from oomdoc.report.mask import mask
from oomdoc.report.plan import promise_of, remedies_of, title_of


def plans_json(way: WayOut, language: Language) -> dict[str, Any]:
    """Everything that `oomdoc fix` knows of a way out."""
    solution = way.advice.solution
    return {
        "blind": way.advice.blind,
        "capacity_bytes": solution.capacity if solution else None,
        "before": _weight(solution.before if solution else None),
        "raised": bool(solution and solution.raised),
        "assumed": dict(way.advice.solved or {}),
        "assumptions": [each.told(language) for each in (solution.assumed if solution else ())],
        "plans": [offer_json(offer, way, language) for offer in way.offers],
        "by_hand": [
            {"id": step.remedy.id, "cause": step.cause, "title": step.remedy.title.told(language),
             "how": step.remedy.how.told(language) if step.remedy.how else None}
            for step in way.advice.steps if not step.changes
        ],
        "remarks": [
            {"id": remark.remedy.id, "reason": remark.reason, "why": remark.told(language),
             "saves_bytes": remark.saves, "missing_bytes": remark.missing}
            for remark in (solution.remarks if solution else ())
        ],
        "cards": [card.name for card in (solution.cards if solution else ())],
        "lean_cards": [card.name for card in (solution.lean_cards if solution else ())],
    }  # fmt: skip


def offer_json(offer: Offer, way: WayOut, language: Language) -> dict[str, Any]:
    """One plan."""
    plan, solution, edits = offer.plan, way.advice.solution, offer.edits
    remedies = remedies_of(offer)
    return {
        "number": offer.number,
        "remedies": [remedy.id for remedy in remedies],
        "title": title_of(offer, language),
        "promise": promise_of(offer),
        "sets": {name: list(value) if isinstance(value, tuple) else value for name, value in offer.changes.items()},
        "after": _weight(plan.weight if plan else None),
        "saves_bytes": plan.saved if plan else None,
        "slower": round(plan.slower, 3) if plan else None,
        "fits": plan.weight.device <= solution.capacity if plan and solution else None,
        "fits_at_worst": plan.weight.high <= solution.capacity if plan and solution else None,
        "least_single": way.single == offer.number,
        "cost": [remedy.cost.told(language) for remedy in remedies if remedy.cost],
        "made": [{"fact": made.fact, "native": mask(made.native), "file": mask(made.file), "line": made.line}
                 for made in edits.made],
        "by_hand": [{"fact": hand.fact, "native": mask(hand.native) if hand.native else None,
                     "why": mask(hand.why(language))} for hand in edits.by_hand],
        "words": list(offer.words),
        "diff": mask(edits.diff),
        "commands": [mask(command) for command in edits.commands],
    }  # fmt: skip


def _weight(weight: Weight | None) -> dict[str, int] | None:
    if weight is None:
        return None
    return {"device_bytes": weight.device, "low_bytes": weight.low, "high_bytes": weight.high}
