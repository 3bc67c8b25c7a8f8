"""What leaves the machine in a report names no person and no host: home folders, tokens and e-mail hosts are masked."""

import re

from oomdoc.ingest.secrets import mask_secrets

_HOME = re.compile(r"(/(?:home|Users|data/home)/|[A-Za-z]:\\Users\\)([^/\\\s'\"<>|]+)")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


def mask(text: str) -> str:
    """The text with home folders and secrets masked, and control characters made visible."""
    text = _CONTROL.sub("\ufffd", text)
    return mask_secrets(_HOME.sub(r"\1…", text))
