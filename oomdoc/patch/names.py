"""Which options a program really has: by its version, by the script or class at hand, by what else stands there."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache

from oomdoc.facts.model import Value
from oomdoc.ingest.frameworks import Framework, Parameter, ancestors, framework, normal, raw_files
from oomdoc.ingest.recognise import FrameworkMatch
from oomdoc.ingest.translate import Vocabulary
from oomdoc.ingest.version_range import contains
from oomdoc.patch.spell import spelled


def options(
    vocabulary: Vocabulary, match: FrameworkMatch | None, fact: str, value: Value, keys: AbstractSet[str] = frozenset()
) -> Iterator[tuple[Framework, Parameter, str, Value, bool]]:
    """(layer, option, name, native value, is an environment variable) that could say a fact, nearest layer first.

    `keys` are the options that stand in the person's documents, which tell old names from new ones.
    """
    for layer in vocabulary.layers:
        if layer.id == "generic":
            continue  # names that scripts share: whether this one reads them is not known
        if any(p.fact == fact and not p.names and not p.env for p in layer.parameters):
            return  # the program decides it itself
        own = layer is vocabulary.main and match is not None
        for parameter in layer.parameters:
            if (
                parameter.fact != fact
                or parameter.inactive
                or parameter.scope
                or parameter.reads in {"length", "member"}
                or (own and match and not contains(parameter.versions, match.number))
            ):
                continue
            names = [(name, False) for name in existing(layer, parameter, match if own else None, keys)]
            for name, variable in [*names[:2], *((name, True) for name in parameter.env[:2])]:
                for written in list(spelled(parameter, name, value, layer.id))[:2]:
                    yield layer, parameter, name, written, variable


def existing(layer: Framework, parameter: Parameter, match: FrameworkMatch | None, keys: AbstractSet[str]) -> list[str]:
    """The names of an option that exist at the version; all of them where nothing is known of it."""
    if match is None:
        return list(parameter.names)
    groups = [(group.versions, {normal(word) for word in group.names.split()}) for group in layer.known_names]
    new = set[str]().union(*(words for versions, words in groups if versions.startswith(">")))
    old = set[str]().union(*(words for versions, words in groups if not versions.startswith(">")))
    renewed = match.assumed and not keys.isdisjoint(new - old)
    here, elsewhere = set[str](), set[str]()
    for versions, words in groups:
        gone = renewed and versions.startswith("<") and keys.isdisjoint(words - new)
        if contains(versions, match.number) and not gone:
            here |= words
        else:
            elsewhere |= words
    own = _own_names(layer.id)
    foreign = _component_names(layer.id) - own if layer.open else frozenset[str]()
    names = [name for name in parameter.names if normal(name) in own or normal(name) in here - foreign]
    names = [name for name in names if normal(name) not in elsewhere - here]
    return sorted(names, key=lambda name: normal(name) not in here)


@lru_cache(maxsize=64)
def _component_names(layer: str) -> frozenset[str]:
    """Options that come only from libraries a program uses: arguments of their calls, not of the program."""
    above = ancestors(layer)
    library = {name for name in above if raw_files()[name].get("role") == "component"}
    words = {word for name in library for word in _own_names(name)}
    return frozenset(words - {word for name in above - library for word in _own_names(name)})


@lru_cache(maxsize=64)
def _own_names(layer: str) -> frozenset[str]:
    """The options that a framework's own file describes; inherited ones may not exist in its scripts."""
    listed = raw_files()[layer].get("parameters", [])
    assert isinstance(listed, list)
    return frozenset(normal(name) for entry in listed for name in entry.get("names", ()))


@lru_cache(maxsize=256)
def kin(parents: tuple[str, ...], name: str) -> frozenset[str]:
    """Option names of the extended framework that an option comes from: where those stand, it belongs too."""
    for parent in parents:
        words = {normal(word) for parameter in framework(parent).parameters for word in parameter.names}
        words |= {normal(word) for group in framework(parent).known_names for word in group.names.split()}
        if normal(name) in words:
            return frozenset(words)
    return frozenset()
