"""Models that a log names by the place their code and weights were loaded from: remote code, hub caches, folders."""

import re
from collections.abc import Iterator
from functools import cache

from oomdoc.facts import base
from oomdoc.facts.fact import Fact
from oomdoc.facts.lazy import lazy
from oomdoc.ingest.digest import digest
from oomdoc.ingest.document import Document
from oomdoc.ingest.model_names import find
from oomdoc.ingest.stated import stated

# .../transformers_modules/<owner>/<name>/<commit>/modeling_x.py; local folders have the name alone, others no commit
# (transformers/dynamic_module_utils.py, get_cached_module_file).
_REMOTE = lazy(r"transformers_modules(?P<path>(?:[/\\][^\s\"'<>:/\\]{1,100}){1,4})[/\\]\w+\.py\b")
_MODULE = lazy(r"transformers_modules\.(?P<path>[\w.-]{2,200}?)\.(?:modeling|configuration)_\w+")
_COMMIT = lazy(r"(?:[0-9a-f]{7,64}|_?[0-9a-f]{40,64})\Z")
_CACHE = lazy(r"models--(?P<owner>[\w.-]+?)--(?P<name>[\w.-]+)(?=[/\\\s\"'\])]|\Z)")
_NO_NAME = lazy(
    r"(?i)(?:checkpoint|ckpt|epoch|step|global_step|output|model|snapshot|local|merged|final|tmp)s?[-_]?\d*\Z"
)
_LATEST_SPELLING = (("_dot_", "."), ("_hyphen_", "-"))  # names as modules: a dot and a dash are no letters


def read(document: Document) -> list[Fact]:
    """`model.path` as lines of loading print it, and `model.name` of remote code and of a hub cache with one model."""
    document = digest(document)
    text = document.text
    for path, place in _lines(text):
        last = path.rpartition("/")[2]
        # A copy on this machine: the name says more than the place.
        if "/" not in path or (path.startswith("/") and find(f"local/{last}")):
            return [stated(document, "model.name", last, place)]
        facts = [stated(document, "model.path", path, place)]
        break
    else:
        facts = []
    named = dict.fromkeys(_remote(text))
    if not named:
        named = dict.fromkeys(_cached(text))
        if len({name for name, _ in named}) > 1:  # a tokenizer, a reward model, a text encoder: which is the one?
            return facts
    first: dict[str, int] = {}
    for name, place in named:
        first.setdefault(name, place)
    return facts + [stated(document, "model.name", name, place) for name, place in first.items()][:1]


def _remote(text: str) -> Iterator[tuple[str, int]]:
    if "transformers_modules" not in text:
        return
    for pattern, separators in ((_REMOTE, r"[/\\]"), (_MODULE, r"\.")):
        for match in pattern.finditer(text):
            parts = [_spelled(part) for part in re.split(separators, match["path"]) if part]
            while parts and (_COMMIT.match(parts[-1]) or parts[-1].startswith("__")):
                parts.pop()
            # A local folder has any name; only one that reads like a model's says something.
            if len(parts) > 1 or (parts and not _NO_NAME.match(parts[0]) and find(f"local/{parts[0]}")):
                yield "/".join(parts[-2:]), match.start()


def _spelled(part: str) -> str:
    for written, meant in _LATEST_SPELLING:
        part = part.replace(written, meant)
    return part


def _cached(text: str) -> Iterator[tuple[str, int]]:
    if "models--" in text:
        for match in _CACHE.finditer(text):
            yield f"{match['owner']}/{match['name']}", match.start()


def _lines(text: str) -> Iterator[tuple[str, int]]:
    for entry in base.section("phrases")["loaded.yaml"]["loaded"]:
        place = text.find(entry["needs"])
        while place >= 0:
            begin, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
            end = end if end >= 0 else len(text)
            match = _pattern(entry["pattern"]).search(text, begin, end)
            written = match[1].strip().rstrip("/") if match else ""
            known = not entry.get("shaped") or find(written) or find(f"local/{written}")
            if written and known and "models--" not in written and not _NO_NAME.match(written.rpartition("/")[2]):
                yield written, begin
            place = text.find(entry["needs"], end)


@cache
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source)
