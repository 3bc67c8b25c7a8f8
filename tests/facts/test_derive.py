"""Facts that follow from others: whether a language model runs."""

import pytest

from oomdoc.facts.case import Case
from oomdoc.facts.derive import derive
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.model import Value


def derived(name: str, stated: dict[str, Value]) -> object:
    case = Case(facts=tuple(Fact(name=key, value=value, source=Source(how=How.TOLD)) for key, value in stated.items()))
    fact = derive(case).fact(name)
    return None if fact is None else fact.value


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"report.images_in": True}, False),
        ({"report.images_in": True, "report.text_model": True}, True),
        ({"report.images_in": True, "model.is_vision_language": True}, True),
        ({"report.images_in": True, "train.max_length": 2048}, None),
        ({"report.images_in": True, "model.family": "CLIP"}, None),
        ({"model.vocab_size": 32000}, True),
        ({"model.vocab_size": 1000}, None),
        ({}, None),
    ],
)
def test_a_language_model_is_known_by_its_text_and_no_other_by_images_alone(
    stated: dict[str, Value], expected: object
) -> None:
    assert derived("model.is_language_model", stated) == expected
