"""The largest batch or length that fits: bisection over trials, each a process of its own, begun at a prediction."""

from collections.abc import Callable


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
