"""What is said when a requested effect has ended, and what it changes in the state."""

from oomdoc.chat.reply import Effect, Outcome, Turn
from oomdoc.chat.state import State
from oomdoc.chat.voice import saying, tell
from oomdoc.facts.units import size
from oomdoc.messages import say
from oomdoc.report.blocks_chat import SayBlock


def ended(state: State, effect: Effect, outcome: Outcome) -> Turn:
    """Blocks for the end of an effect."""
    language = state.language
    if outcome.ok is None:
        return (saying(language, "cancelled"),), ()
    if effect.kind in ("dry_run", "probe"):
        return _proven(state, outcome), ()
    if not outcome.ok:
        key = "not_applied" if effect.kind == "apply" else "failed"
        return (saying(language, key, "sorry", sentence=outcome.sentence),), ()
    if effect.kind == "apply":
        state.applied = effect.plan
        written, *by_hand = outcome.sentence.split("\n")
        state.partly = effect.plan if by_hand else None
        told = saying(language, "applied", "good", sentence=written)
        return ((told, SayBlock(tuple(by_hand), "warn")) if by_hand else (told,)), ()
    if effect.kind == "undo":
        state.applied = None
        return (saying(language, "undone", sentence=outcome.sentence),), ()
    return ((SayBlock((outcome.sentence,)),) if outcome.sentence else ()), ()


def _proven(state: State, outcome: Outcome) -> tuple[SayBlock, ...]:
    """Shown to fit, shown not to fit, or why it cannot be told: never more than the step has shown."""
    language = state.language
    first, *more = outcome.sentence.split("\n")
    if not outcome.ok or outcome.device_bytes is None or outcome.fits is None:
        return (SayBlock((say(language, "session.unverified", reason=first), *more), "sorry"),)
    capacity = outcome.capacity_bytes or state.values.get("hardware.gpu_total_bytes")
    shown = size(capacity) if isinstance(capacity, int) else "?"
    told = tell(language, "verified_fits" if outcome.fits else "verified_misses", capacity=shown)
    lead = tell(language, "verified", device=size(outcome.device_bytes), sentence=told)
    then = "run_again" if state.applied is not None else "then_by_hand" if state.by_hand else "then_apply"
    if state.partly is not None and state.partly == state.applied:
        more.append(say(language, "session.counts_by_hand"))
    rest = (*more, *((say(language, f"session.{then}"),) if outcome.fits and state.shown else ()))
    return (SayBlock((lead, *rest), "good" if outcome.fits else "warn"),)
