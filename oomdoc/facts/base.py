"""The knowledge base on disk: YAML under rules/ and knowledge/, read once and kept as JSON beside a stamp.

Parsing half a megabyte of YAML takes longer than a whole diagnosis, so each section is compiled: at build time in a
wheel (`oomdoc/_base/compiled`), in the user's cache folder in a checkout, where the stamp follows the files.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any


class BaseError(Exception):
    """A file of the knowledge base cannot be read; the message names file and line."""


@cache
def root() -> Path:
    """The folder that holds `rules/` and `knowledge/`: inside the package in a wheel, above it in a checkout."""
    packed = Path(__file__).parent.parent / "_base"
    return packed if packed.is_dir() else Path(__file__).parent.parent.parent


def sections() -> list[str]:
    """The names of all sections: the rules, and every folder or file of knowledge/."""
    return ["rules", *sorted(path.stem for path in (root() / "knowledge").iterdir() if not path.name.startswith("."))]


def section_path(section: str) -> Path:
    """Folder (or `<name>.yaml`) of one section."""
    if section == "rules":
        return root() / "rules"
    folder = root() / "knowledge" / section
    return folder if folder.is_dir() else folder.with_suffix(".yaml")


def documents(section: str) -> list[tuple[str, Path]]:
    """Every YAML document of a section as (name relative to the section, path), tests left out, sorted."""
    top = section_path(section)
    if top.is_file():
        return [(top.name, top)]
    found = []
    for folder, _, files in os.walk(top):
        for file in files:
            if file.endswith(".yaml") and not file.endswith(".test.yaml"):
                path = Path(folder, file)
                found.append((path.relative_to(top).as_posix(), path))
    return sorted(found)


@cache
def section(name: str) -> dict[str, Any]:
    """All documents of a section by relative name, as plain JSON values."""
    packed = f"{root()}/compiled/{name}.json"
    with suppress(FileNotFoundError, NotADirectoryError), open(packed, "rb") as file:  # noqa: PTH123 (a path costs more)
        return dict(json.loads(file.read()))
    cached = _cache_folder() / f"{name}-{_stamp(name)}.json"
    with suppress(OSError, ValueError):
        return dict(json.loads(cached.read_bytes()))
    compiled = compile_section(name)
    with suppress(OSError):
        _write_atomically(cached, json.dumps(compiled, ensure_ascii=False))
    return compiled


def compile_section(name: str) -> dict[str, Any]:
    """Parse every YAML document of a section; raises BaseError naming file and line."""
    return {relative: read_document(path) for relative, path in documents(name)}


def read_document(path: Path) -> Any:
    """One YAML document; duplicate keys and syntax errors raise BaseError with file and line."""
    import yaml  # imported here: 12 ms, and only a changed base needs it

    class Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key, _ in node.value:
                if key.value in seen:
                    raise BaseError(f"{path}:{key.start_mark.line + 1}: key {key.value!r} stands twice")
                seen.add(key.value)
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise BaseError(f"{path}:{mark.line + 1 if mark else 1}: {error.problem}") from None


def _stamp(name: str) -> str:
    from zlib import crc32  # hashlib takes 5 ms to import, and the stamp guards against nobody

    top = str(section_path(name))
    written = ""
    with suppress(FileNotFoundError):
        written = _state(os.stat(top), top) if top.endswith(".yaml") else "".join(sorted(_states(top)))  # noqa: PTH116
    said = f"{top}|{sys.version_info[:2]}|{written}".encode()
    return f"{crc32(said):08x}{crc32(said[::-1]):08x}{len(said):x}"


def _states(folder: str) -> Iterator[str]:
    """Name, time and size of every document below a folder, by one scan of each directory."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _states(entry.path)
            elif entry.name.endswith(".yaml") and not entry.name.endswith(".test.yaml"):
                yield _state(entry.stat(), entry.path)


def _state(stat: os.stat_result, path: str) -> str:
    return f"{path}|{stat.st_mtime_ns}|{stat.st_size}\n"


def _cache_folder() -> Path:
    top = os.environ.get("XDG_CACHE_HOME")
    return (Path(top) if top else Path.home() / ".cache") / "oomdoc"


def _write_atomically(path: Path, text: str) -> None:
    import tempfile  # imported here: costs 4 ms, and only a changed base is written

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(temporary, path)  # noqa: PTH105 (atomic on POSIX, the point here)
    for old in path.parent.glob(f"{path.stem.rsplit('-', 1)[0]}-*.json"):
        if old != path:
            old.unlink(missing_ok=True)
