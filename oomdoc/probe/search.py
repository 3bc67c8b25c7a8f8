"""The largest batch or length that fits: where to begin, told by cheap predictions, and the bisection over trials."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

SEARCHED: Final = {"train.per_device_batch_size": 4096, "train.max_length": 1 << 20}  # facts and the most that is tried
_PATIENCE = 20.0  # seconds that dry runs may take to refine the first guess


class Guess(NamedTuple):
    """Where a search begins, and who said so: estimate or dryrun."""

    value: int
    by: str


def with_value(facts: Mapping[str, Any], name: str, value: int) -> dict[str, Any]:
    """The facts with one value changed; samples are taken to be as long as the limit."""
    return {**facts, name: value} | ({"train.sequence_tokens": value} if name == "train.max_length" else {})


def first_guess(
    facts: Mapping[str, Any], name: str, room: int, *, python: str | None = None, trust_remote_code: bool = False,
    patience: float = _PATIENCE, progress: Callable[[str, float], None] | None = None,
) -> Guess:  # fmt: skip
    """The largest value that is predicted to fit `room` bytes: by the closed form, then by quick dry runs."""
    from oomdoc.memory.predict import predict

    def fits(value: int) -> bool:
        return predict(with_value(facts, name, value)).device_bytes <= room

    estimated = max(1, largest(fits, 1, SEARCHED[name], trials=40))
    refined = _by_dry_runs(facts, name, room, estimated, python, trust_remote_code, patience, progress)
    return Guess(estimated, "estimate") if refined is None else Guess(refined, "dryrun")


def _by_dry_runs(
    facts: Mapping[str, Any], name: str, room: int, guess: int, python: str | None, trust: bool, patience: float,
    progress: Callable[[str, float], None] | None,
) -> int | None:  # fmt: skip
    """None where the environment or the model does not let it run, or the first takes too long."""
    from oomdoc.probe.dryrun import profile_of
    from oomdoc.probe.host import Worker, WorkerError
    from oomdoc.probe.plan import PlanError, plan_of

    end = time.monotonic() + patience
    try:
        with Worker(python) as worker:

            def needs(value: int) -> int:
                plan = plan_of(with_value(facts, name, value))
                answer = worker.ask(
                    {**plan.job, "trust_remote_code": trust}, max(0.5, end - time.monotonic()), progress
                )
                return profile_of(plan, answer).device_bytes

            return refine(needs, guess, room, SEARCHED[name], lambda: time.monotonic() < end)
    except (WorkerError, PlanError):
        return None


def refine(
    needs: Callable[[int], int], guess: int, room: int, most: int, goes_on: Callable[[], bool], rounds: int = 5
) -> int:
    """The largest value whose need is `room`, by secants through the last two points, since need grows about linearly.

    A measurement that raises after the first ends the search with what is known.
    """
    known: dict[int, int] = {guess: needs(guess)}
    value = guess
    for _ in range(rounds - 1):
        value = _secant(known, room, most)
        if value in known or not goes_on():
            break
        try:
            known[value] = needs(value)
        except Exception:  # the first answer stands; a later one that does not come is only less precise
            break
    fitting = [each for each, need in known.items() if need <= room]
    return max(fitting) if fitting else max(1, min(value, *known))


def _secant(known: Mapping[int, int], room: int, most: int) -> int:
    below = max((each for each in known if known[each] <= room), default=None)
    above = min((each for each in known if known[each] > room), default=None)
    if below is not None and above is not None:
        share = (room - known[below]) / max(1, known[above] - known[below])
        return max(below, min(above - 1, below + int(share * (above - below))))
    points = sorted(known)
    if len(points) == 1:
        only = points[0]
        return min(most, only * 2) if below is not None else max(1, only // 2)
    first, second = (points[-2], points[-1]) if below is not None else (points[0], points[1])
    slope = (known[second] - known[first]) / (second - first)
    wanted = first + int((room - known[first]) / slope) if slope > 0 else most
    return max(1, min(most, wanted))


def largest(fits: Callable[[int], bool], guess: int, most: int, trials: int = 10) -> int:
    """The largest value for which `fits` holds, at most `most`; 0 where none does.

    Begins at `guess`, goes up or down in steps that double until the limit lies between two trials, then halves. Each
    call of `fits` is a process of its own; at most `trials` are made, so the answer may be lower than the truth by a
    sixteenth at large values.
    """
    low, high = 0, most + 1
    value = max(1, min(guess, most))
    step = max(1, value // 8)
    while high - low > max(1, low // 16) and trials > 0:
        trials -= 1
        if fits(value):
            low = value
        else:
            high = value
        if low == most:
            break
        if high > most:
            value, step = min(most, low + step), 2 * step
        elif low == 0:
            value, step = max(1, high - step), 2 * step
        else:
            value = (low + high) // 2
    return low
