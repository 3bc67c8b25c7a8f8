"""Secrets in anything that is shown: tokens, keys and passwords become `***`, everything else stays as it is."""

import re

from oomdoc.facts.lazy import lazy

MASK = "***"
NAME = (
    r"[A-Za-z0-9_.-]*(?:api[_-]?key|access[_-]?key(?:[_-]?id)?|secret(?:[_-]?(?:access)?[_-]?key)?|token|passw(?:or)?d|passwd"
    r"|credentials?|private[_-]?key|auth[_-]?key|webhook(?:[_-]?url)?)"
)
# What ends in "token(s)" and counts something else: max_new_tokens, eos_token, pad_token_id, tokenizer.
HARMLESS = lazy(
    r"(?i)(?:^|[_.-])(?:eos|bos|pad|unk|sep|cls|mask|image|video|audio|special|stop|chat|start|end|add|per|prefix|suffix|middle"
    r"|new|min|max|num|n|im|vision|context|next|prompt|skip|think|decoder|encoder|first|last|modality|split|output|input)"
    r"_?token\Z"
)
ASSIGNED = lazy(
    rf"(?i)(?<![A-Za-z0-9])(?P<name>{NAME})(?P<between>[\"']?[ \t]*(?:=|:|\s(?=[^\s=:-]))[ \t]*)"
    r"(?P<value>\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s\"',;&)}\]]+)"
)
SHAPES = lazy(
    r"\bhf_[A-Za-z0-9]{16,}|\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bxox[abprs]-[\w-]{10,}|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[\w-]{30,}|\bAIza[\w-]{30,}"
    r"|\bnvapi-[\w-]{20,}|\bms-[0-9a-f]{8}-[0-9a-f-]{20,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}"
)
HEADER = lazy(
    r"(?i)(?P<head>\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token)\s+)?)(?P<value>[^\s\"',]+)"
)
BEARER = lazy(r"(?i)(?P<head>\bbearer\s+)(?P<value>[A-Za-z0-9._~+/-]{16,}=*)")
URL = lazy(r"(?P<head>\b[a-z][a-z0-9+.-]{1,20}://)(?P<user>[^\s/@:\"']{0,200}):(?P<value>[^\s/@\"']{1,300})@")
PEM = lazy(r"(?P<head>-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]{1,20000}(?P<tail>-----END|\Z)")
VARIABLE = lazy(
    r"[\"']?(?:\$|%|\*+[\"']?\Z|<|\{\{|None\b|null\b|True\b|False\b|true\b|false\b|\d{1,9}[\"']?\Z|[\"']{2}\Z)"
)
MARKS = (
    "key token secret passw credential webhook :// authoriz bearer hf_ sk- gh akia asia xox npm_ pypi- aiza nvapi- ms-"
    " eyj glpat"
).split()


def mask_secrets(text: str) -> str:
    """The text with every secret's characters replaced by `***`; names, quotes and the rest keep their place."""
    lower = text.lower()
    if not any(mark in lower for mark in MARKS):
        return text
    text = PEM.sub(rf"\g<head>{MASK}\g<tail>", text)
    text = URL.sub(rf"\g<head>\g<user>:{MASK}@", text)
    text = HEADER.sub(rf"\g<head>{MASK}", text)
    text = BEARER.sub(rf"\g<head>{MASK}", text)
    text = SHAPES.sub(MASK, text)
    return ASSIGNED.sub(_assigned, text)


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret: `HF_TOKEN` yes, `pad_token` and `max_new_tokens` no."""
    return re.fullmatch(NAME, name, re.IGNORECASE) is not None and not HARMLESS.search(name)


def _assigned(match: re.Match[str]) -> str:
    name, between, value = match["name"], match["between"], match["value"]
    if HARMLESS.search(name) or VARIABLE.match(value) or MASK in value:
        return match[0]
    plain = value.strip("\"'")
    if not between.strip(" \t\"'") and not (
        len(plain) >= 12 and re.search(r"\d", plain) and not re.search(r"[/.]", plain)
    ):
        return match[0]  # "token abc" without = or : is prose unless it looks like a key
    if (
        between.strip(" \t\"'") == ":"
        and "_" not in name
        and name.islower()
        and not re.fullmatch(r"[\w+/=.-]{8,}", plain)
    ):
        return match[0]  # "token: the word" of a sentence
    quote = value[0] if value[0] in {'"', "'"} else ""
    return f"{name}{between}{quote}{MASK}{quote}"
