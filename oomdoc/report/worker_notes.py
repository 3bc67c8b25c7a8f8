"""What a worker remarks, in the reader's language: workers speak English, and [worker_note] knows their sentences."""

import re
from functools import cache

from oomdoc.messages import Language, keys, say


def remark(note: str, language: Language) -> str:
    """The remark in a language; one that nobody knows is left as it is."""
    if language == "en":
        return note
    for key, form in _forms():
        match = form.fullmatch(note)
        if match:
            return say(language, key, **match.groupdict())
    return note


@cache
def _forms() -> tuple[tuple[str, re.Pattern[str]], ...]:
    found = sorted(key for key in keys("en") if key.startswith("worker_note."))
    return tuple((key, _form(say("en", key))) for key in found)


def _form(sentence: str) -> re.Pattern[str]:
    """A sentence's places as named groups."""
    parts = re.split(r"\{(\w+)\}", sentence)
    return re.compile("".join(f"(?P<{part}>.+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)))
