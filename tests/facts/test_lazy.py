"""Patterns and data classes made at first use behave as the standard library's own."""

import copy
import pickle
from dataclasses import FrozenInstanceError, field, fields, replace
from threading import Thread

import pytest

from oomdoc.facts.lazy import dataclass, lazy


@dataclass(frozen=True, slots=True)
class Point:
    """A value with a default and one made anew for each instance."""

    x: int
    y: int = 2
    more: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Named(Point):
    """A value that inherits."""

    name: str = "a"


def test_a_data_class_is_made_at_its_first_instance() -> None:
    """Fields, equality, repr and immutability are all there."""
    point = Point(1)
    assert point == Point(1, 2, [])
    assert repr(point).endswith("Point(x=1, y=2, more=[])")
    assert [one.name for one in fields(point)] == ["x", "y", "more"]
    assert replace(point, x=5).x == 5
    with pytest.raises(FrozenInstanceError):
        point.x = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point


def test_a_class_that_inherits_is_made_with_its_base() -> None:
    """Whichever is instantiated first."""

    @dataclass(frozen=True)
    class Base:
        a: int

    @dataclass(frozen=True)
    class Child(Base):
        b: int = 1

    assert Child(1) == Child(a=1, b=1)
    assert Base(3).a == 3
    assert Named(1).name == "a"


def test_two_threads_make_it_once() -> None:
    """The chat's workers may meet here."""

    @dataclass(frozen=True)
    class Shared:
        a: int

    made: list[int] = []
    threads = [Thread(target=lambda: made.append(Shared(1).a)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1] * 8


def test_a_pattern_is_compiled_at_its_first_use() -> None:
    """Its methods and attributes are the pattern's."""
    pattern = lazy(r"(?P<a>\d+)")
    found = pattern.search("x12")
    assert found is not None
    assert found["a"] == "12"
    assert pattern.sub("n", "1 2") == "n n"
    assert pattern.groupindex == {"a": 1}
    assert pattern.pattern == r"(?P<a>\d+)"
