"""What workers remark, as sentences of both languages: they speak English, and [worker_note] knows what they say."""

import re
from functools import cache

from oomdoc.messages import Sentence, keys, say


def remark(note: str) -> Sentence | str:
    """The remark by its key; one that nobody knows is left as it is."""
    for key, form in _forms():
        match = form.fullmatch(note)
        if match:
            return Sentence(key, tuple(match.groupdict().items()))
    return note


@cache
def _forms() -> tuple[tuple[str, re.Pattern[str]], ...]:
    found = sorted(key for key in keys("en") if key.startswith("worker_note."))
    return tuple((key, _form(say("en", key))) for key in found)


def _form(sentence: str) -> re.Pattern[str]:
    """A sentence's places as named groups."""
    parts = re.split(r"\{(\w+)\}", sentence)
    return re.compile("".join(f"(?P<{part}>.+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)))
