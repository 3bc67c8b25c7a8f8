"""What leaves the machine in a report names no person and no host: home folders, secrets, addresses are masked."""

from oomdoc.facts.lazy import lazy
from oomdoc.ingest.secrets import mask_secrets

_HOME = lazy(r"(/(?:home|Users|data/home)/|[A-Za-z]:\\Users\\)([^/\\\s'\"<>|:]+)")
# Beside C0 and C1: what turns, hides or joins text (bidirectional marks, zero-width, tags), line separators, and
# halves of surrogate pairs, which no encoding can write.
_CONTROL = lazy(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
# Library versions have four numbers too (cuRAND 10.3.2.106), so an address must be private and not follow a name.
_PRIVATE = lazy(
    r"(?<![\w./-])(?<!==)(?<!cu1[123][ =])(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}(?![\w.]\d|\w)"
)
_SERVED = lazy(r"(?<![\w.])(?!127\.|0\.0\.0\.0)\d{1,3}(?:\.\d{1,3}){3}(?=:\d{2,5}\b)")
_NAMED = lazy(r"\bip-\d{1,3}(?:-\d{1,3}){3}(?:\.[\w.-]+)?")
_MAIL = lazy(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}\b")


def visible(text: str) -> str:
    """The text with every control character, direction mark and unpaired surrogate shown as U+FFFD."""
    return text if text.isascii() and text.isprintable() else _CONTROL.sub("\ufffd", text)


def mask(text: str) -> str:
    """The text with home folders, secrets and addresses masked, and control characters made visible."""
    text = visible(text)
    if "/" in text or "\\" in text:
        text = _HOME.sub(r"\1…", text)
    if "@" in text:
        text = _MAIL.sub("…@…", text)
    if "10." in text or "192.168." in text or "172." in text or ":" in text:
        text = _SERVED.sub("…", _PRIVATE.sub("…", text))
    if "ip-" in text:
        text = _NAMED.sub("ip-…", text)
    return mask_secrets(text)
