"""How a model of the catalog is built where its own code is remote: `knowledge/memory/builds.yaml`, filled in."""

import re
from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any, Literal, NamedTuple, TypeAlias

from oomdoc.memory.architecture import Architecture
from oomdoc.memory.knowledge import document
from oomdoc.memory.settings import Images
from oomdoc.memory.vision import visual
from oomdoc.probe.configs import NoConfigError, config_of, maker, text_config

How: TypeAlias = Literal["own", "port", "stand_in"]
_PLACE = re.compile(r"\{(\w+)\}")
_FREE = 1280  # merged patches of an image whose size nothing tells, at native resolution


class Build(NamedTuple):
    """One way to a model: a config.json, or parts that `composed` joins. `lora` maps names of the remote code's
    matrices to those that stand for them."""

    how: How
    config: dict[str, Any]
    lora: Mapping[str, list[str]]

    def job(self) -> dict[str, Any]:
        """As the worker reads it."""
        return {"how": self.how, "config": self.config, "lora": dict(self.lora)}


def builds_of(model: Architecture, images: Images | None = None) -> tuple[Build, ...]:
    """The ways to build a model of the catalog, best first. Raises NoConfigError where only its own file will do."""
    found = tuple(_declared(model, images or Images()))
    return found or (Build("own", config_of(model), {}),)


def _declared(model: Architecture, images: Images) -> Iterator[Build]:
    for entry in document("builds")["builds"]:
        if model.model_type not in entry["model_types"]:
            continue
        if model.family not in entry.get("families", (model.family,)):
            continue
        if entry.get("vision", model.vision is not None) != (model.vision is not None):
            continue
        if re.search(entry.get("named", ""), model.name.lower()):
            yield Build(entry["how"], _content(entry, model, images), entry.get("lora", {}))


def _content(entry: Mapping[str, Any], model: Architecture, images: Images) -> dict[str, Any]:
    if "text" in entry:
        return text_config(model, entry["text"])
    if "maker" in entry:
        return maker(entry["maker"])(model)
    figures = _figures(model, images)
    if "config" in entry:
        made: dict[str, Any] = _filled(entry["config"], figures, model)
        return made
    if model.vision is None:
        raise NoConfigError(model.name)
    parts = dict(_filled(entry["parts"], figures, model))
    parts["tower"] = _filled(document("builds")["towers"][parts["tower"]], figures, model)
    parts["text"] = text_config(model, parts["text"])
    parts["image_token_id"] = figures["last"]
    return {"model_type": "composed", "parts": parts}


def _figures(model: Architecture, images: Images) -> dict[str, Any]:
    vision = model.vision
    found: dict[str, Any] = {
        "hidden": model.hidden, "intermediate": model.intermediate, "layers": model.layers, "heads": model.heads,
        "vocab": model.vocab, "last": model.vocab - 1, "tied": model.tied, "visual_vocab": model.visual_vocab,
    }  # fmt: skip
    if vision is None:
        return found
    factor = vision.patch * vision.merge
    patches = visual(model, images).longest or _FREE * vision.merge**2
    return found | {
        "v_hidden": vision.hidden, "v_intermediate": vision.intermediate, "v_layers": vision.layers,
        "v_heads": vision.heads, "patch": vision.patch, "image": vision.image, "merge": vision.merge,
        "merged": vision.hidden * vision.merge**2, "side": factor * max(1, round(sqrt(patches) / vision.merge)),
    }  # fmt: skip


def _filled(value: Any, figures: Mapping[str, Any], model: Architecture) -> Any:
    if isinstance(value, str):
        place = _PLACE.fullmatch(value)
        return figures[place[1]] if place else value
    if isinstance(value, list):
        return [_filled(each, figures, model) for each in value]
    if isinstance(value, Mapping):
        if set(value) == {"text"}:
            return text_config(model, value["text"])
        return {key: _filled(each, figures, model) for key, each in value.items()}
    return value
