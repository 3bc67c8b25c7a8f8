"""A dry run or a probe for the dialogue, judged as `fix --verify` judges it."""

from typing import TYPE_CHECKING, Any, cast

from oomdoc.chat.reply import Effect, Outcome

if TYPE_CHECKING:
    from oomdoc.chat.session import Dialogue
    from oomdoc.probe.verify import Method


def prove(dialogue: "Dialogue", effect: Effect, stage: Any = None, python: str | None = None) -> Outcome:
    """One step of the run as it would be; what cannot be run or lies within the error is said, never guessed."""
    from oomdoc.messages import say
    from oomdoc.probe.verify import verify_plan
    from oomdoc.remedies.advise import capacity_of
    from oomdoc.report.verification import said

    language = dialogue.language
    facts = dict(effect.facts)
    capacity = capacity_of(facts)
    if not capacity:
        return Outcome(False, say(language, "verify.no_capacity"))
    check = verify_plan(facts, capacity, method=cast("Method", effect.kind), python=python, progress=stage)
    sentence = "\n".join(said(reason, language) for reason in check.reasons)
    if check.outcome == "unclear" or check.profile is None:
        return Outcome(False, sentence)
    return Outcome(True, sentence, check.profile.device_bytes, capacity, fits=check.outcome == "confirmed")
