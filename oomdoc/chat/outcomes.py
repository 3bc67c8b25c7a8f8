"""What is said when a requested effect has ended, and what it changes in the state."""

from oomdoc.chat.reply import Effect, Outcome, Turn
from oomdoc.chat.state import State
from oomdoc.chat.voice import saying, tell
from oomdoc.facts.units import size
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
        return (saying(language, "applied", "good", sentence=outcome.sentence),), ()
    if effect.kind == "undo":
        state.applied = None
        return (saying(language, "undone", sentence=outcome.sentence),), ()
    return ((SayBlock((outcome.sentence,)),) if outcome.sentence else ()), ()


def _proven(state: State, outcome: Outcome) -> tuple[SayBlock, ...]:
    language = state.language
    if not outcome.ok or outcome.device_bytes is None:
        return (saying(language, "failed", "sorry", sentence=outcome.sentence),)
    capacity = outcome.capacity_bytes or state.values.get("hardware.gpu_total_bytes")
    sentence = outcome.sentence
    tone: str = "plain"
    if isinstance(capacity, int) and capacity:
        fits = outcome.device_bytes <= capacity
        tone = "good" if fits else "warn"
        sentence = tell(language, "verified_fits" if fits else "verified_misses", capacity=size(capacity))
    return (saying(language, "verified", tone, device=size(outcome.device_bytes), sentence=sentence),)  # type: ignore[arg-type]
