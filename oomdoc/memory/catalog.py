"""Models by name: the catalog under `knowledge/models/`, its aliases, the nearest relative, a shape for a bare size."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from oomdoc.facts import base
from oomdoc.facts.lazy import lazy
from oomdoc.memory.architecture import Architecture, Counts, Experts, Kind, Latent, Shape, Vision
from oomdoc.memory.counts import Sizes, language_counts
from oomdoc.messages import sentence

_QUANT = lazy(
    r"[-_.](?:(awq)|(gptq)|(?:unsloth[-_])?(bnb)[-_]?4bit|(fp8)|(nvfp4|mxfp4)|(gguf)|(int[48])|([48])[-_]?bits?)"
    r"(?=$|[-_.])",
)
_USUAL_BITS = {"fp8": 8, "gguf": 0}
_TAIL = lazy(
    r"[-_](?:instruct|chat|base|hf|it|pt|sft|dpo|rl|zero|bf16|fp16|latest|preview|unsloth|hands?on|uncased|cased"
    r"|v\d+(?:\.\d+)?|\d{4}|w[48]a(?:8|16))$",
)
_SIZE = lazy(r"(?<![A-Za-z0-9.])(\d+(?:[._]\d+)?)\s?([bm])(?![a-z])", re.IGNORECASE)
_HEADLESS = lazy(
    r"(?i)embedding|embed-|[-/_]gte-|[-/_]gme-|[-/_]e5-|[-/_]bge-|reward-?model|[-_]rm\b|seq-?cls|classifier"
)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "deberta-v2", "distilbert", "modernbert"), "encoder"),
    **dict.fromkeys(("t5", "whisper"), "encoder_decoder"),
    **dict.fromkeys(("vit", "clip"), "vision"),
}


def resolve(name: str) -> Architecture | None:
    """The catalog's model of this name, or None. A path is matched by its last folder; case, quantisation and
    -Instruct/-Chat suffixes do not matter. A quantised checkpoint keeps its bits in `quant_bits`."""
    plain = normal(name)
    if not plain:
        return None
    bits, kind, bare = quantisation(plain)
    index = _index()
    for key in (*_keys(bare), *(_squeezed(key) for key in _keys(bare))):
        if key in index:
            found = _build(*index[key])
            return replace(found, quant_bits=bits, quant_type=kind) if bits else found
    return None


def find(name: str | None, parameters: int | None = None) -> Architecture | None:
    """The best answer for what a person wrote: the catalog, else a relative, else a shape of that size (assumed)."""
    if name:
        found = resolve(name) or suggest(name)
        if found is not None:
            return replace(found, headless=True) if _HEADLESS.search(name) else found
    size = parameters or (parameters_in(name) if name else None)
    return generic(size, name) if size else None


def suggest(name: str) -> Architecture | None:
    """The nearest relative in the catalog, marked as an assumption: the same family words and the nearest size.

    None where no family word agrees; a relative is a guess, and `assumed` says so.
    """
    bits, kind, bare = quantisation(normal(name))
    size = parameters_in(name)
    for pattern, target in base.section("memory")["kin.yaml"].items():
        if re.search(pattern, bare):
            found = _nearest(target, size)
            if found is not None:
                return _assumed(found, name, bits, kind)
    words = set(re.findall(r"[a-z]{3,}\d*(?:\.\d+)?", bare)) - {"instruct", "chat", "base", "the", "model"}
    best, score = None, 0
    for key, (_, record) in _index().items():
        shared = sum(len(word) for word in words if word in key)
        if shared > score and (size is None or _close(record["parameters"]["total"], size)):
            best, score = key, shared
    if best is None or score < 4 or size is None:
        return None
    return _assumed(_build(*_index()[best]), name, bits, kind)


def every() -> Iterator[Architecture]:
    """Every model of the catalog."""
    for document in base.section("models").values():
        for name in document["models"]:
            yield _cached(name)


def generic(parameters: int, name: str | None = None) -> Architecture:
    """A decoder of the usual Llama proportions with about this many parameters; everything in it is assumed.

    Depth and width follow the published ladder (Llama 1-3, Qwen2.5): h grows with the cube root of the size.
    """
    hidden = max(128, round((parameters / 6.7e9) ** (1 / 3) * 4096 / 128) * 128)
    kv_heads = max(1, hidden // 128 // 4)
    small = parameters < 2e9  # small models share the output matrix and keep a smaller vocabulary
    vocab = 32000 if parameters < 5e8 else 128256
    best = None
    for layers in range(4, 161, 2):
        sizes = Sizes(hidden, round(hidden * 3.5 / 128) * 128, layers, hidden // 128, kv_heads, 128, vocab, 8192, small)
        counts = language_counts(sizes, Shape())
        if best is None or abs(counts.total - parameters) < abs(best[1].total - parameters):
            best = (sizes, counts)
    assert best is not None
    sizes, counts = best
    shown = f"{parameters / 1e9:.3g}B"
    label = name or shown
    return Architecture(
        name=label, model_type="llama", family="", kind="decoder", hidden=hidden, intermediate=sizes.intermediate,
        layers=sizes.layers, heads=sizes.heads, kv_heads=kv_heads, head_dim=128, vocab=sizes.vocab,
        max_positions=8192, tied=small, shape=Shape(),
        counts=Counts(counts.total, counts.total, counts.groups, exact=False), basis="assumed",
        assumed=(sentence("assumed.llama_of_size", name=label, parameters=shown),),
    )  # fmt: skip


def parameters_in(text: str) -> int | None:
    """The size that a name or sentence gives ("7B", "1_8B", "350M"), in parameters; the largest where several stand."""
    sizes = [float(n.replace("_", ".")) * (1e9 if unit in "bB" else 1e6) for n, unit in _SIZE.findall(_spaced(text))]
    plausible = [int(size) for size in sizes if 1e6 <= size <= 5e12]
    return max(plausible, default=None)


def normal(name: str) -> str:
    """The last path component in lower case, spaces and underscores as hyphens ("Qwen-1_8B" is "qwen-1.8b")."""
    last = name.strip().replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()
    return re.sub(r"[\s_]+", "-", re.sub(r"(\d)_(?=\d+[bm])", r"\1.", last))


def quantisation(plain: str) -> tuple[int, str, str]:
    """(bits, type, name without it) as a checkpoint's name tells them; bits 0 where it does not."""
    kinds: list[str] = []
    digits = ""
    for match in _QUANT.finditer(plain):
        *named, integer, number = match.groups()
        kinds += [name for name in named if name]
        digits = digits or (integer[3] if integer else number or "")
    if not kinds and not digits:
        return 0, "", plain
    kind = kinds[0] if kinds else "gptq"
    return int(digits or _USUAL_BITS.get(kind, 4)), kind, _QUANT.sub("", plain)


@cache
def _index() -> dict[str, tuple[str, dict[str, Any]]]:
    index: dict[str, tuple[str, dict[str, Any]]] = {}
    for document in base.section("models").values():
        for name, record in document["models"].items():
            entry = (name, {"family": document["family"], **record})
            for alias in (name, *record.get("aliases", ())):
                plain = normal(alias)
                index.setdefault(plain, entry)
                index.setdefault(quantisation(plain)[2], entry)
    for key, entry in list(index.items()):
        for shorter in _keys(key):
            index.setdefault(shorter, entry)
            index.setdefault(_squeezed(shorter), entry)
    return index


def _keys(plain: str) -> list[str]:
    keys = [plain]
    while (shorter := _TAIL.sub("", keys[-1])) != keys[-1]:
        keys.append(shorter)
    return keys


def _squeezed(plain: str) -> str:
    return "=" + re.sub(r"[^a-z0-9]", "", plain)


@cache
def shapes() -> dict[str, Shape]:
    """Layer shapes by model_type."""
    return {kind: Shape(**{**entry, "bias": tuple(entry.get("bias", ()))}) for kind, entry in _shape_records().items()}


def _shape_records() -> dict[str, dict[str, Any]]:
    return {kind: entry or {} for kind, entry in base.section("memory")["shapes.yaml"].items()}


@cache
def _cached(name: str) -> Architecture:
    record = next(record for found, record in _index().values() if found == name)
    shape, dimensions, parameters = shapes().get(record["model_type"], Shape()), record["shape"], record["parameters"]
    moe, vision = record.get("moe"), record.get("vision")
    kind: Kind = "diffusion" if record.get("diffusion") else _KINDS.get(record["model_type"], "decoder")
    traits = base.section("memory")["families.yaml"]
    trait = {**(traits.get(record["model_type"]) or {}), **(traits.get(record["family"]) or {})}
    experts = None
    if moe:
        every = trait.get("expert_every", {}).get(name.rsplit("/", 1)[-1], 1) if "expert_every" in trait else 1
        experts = Experts(
            moe["experts"], moe["active"], moe["intermediate"], moe.get("shared") or 0,
            moe.get("shared_intermediate") or 0, moe.get("dense_layers") or 0, every,
        )  # fmt: skip
    latent = record.get("mla")
    sizes = Sizes(
        dimensions.get("hidden", 0), dimensions.get("intermediate", 0), dimensions.get("layers", 0),
        dimensions.get("heads", 0), dimensions.get("kv_heads", 0), dimensions.get("head_dim", 0),
        dimensions.get("vocab", 0), dimensions.get("positions", 0), bool(dimensions.get("tied")),
    )  # fmt: skip
    mla = Latent(latent.get("q_lora_rank") or 0, latent["kv_lora_rank"], latent["qk_nope_head_dim"],
                 latent["qk_rope_head_dim"], latent["v_head_dim"]) if latent else None  # fmt: skip
    return Architecture(
        name=name, model_type=record["model_type"], family=record["family"], kind=kind, hidden=sizes.hidden,
        intermediate=sizes.intermediate, layers=sizes.layers, heads=sizes.heads, kv_heads=sizes.kv_heads,
        head_dim=sizes.head_dim, vocab=sizes.vocab, max_positions=sizes.max_positions, tied=sizes.tied, shape=shape,
        counts=_counts(sizes, shape, experts, mla, parameters), basis="catalog", experts=experts, latent=mla,
        vision=_vision(vision) if vision and vision.get("layers") else None,
        visual_vocab=trait.get("visual_vocab", 0), cross_attention_every=trait.get("cross_attention_every", 0),
        pads_to_limit=trait.get("pads_to_limit", False), dtype=record["dtype"],
    )  # fmt: skip


def _build(name: str, _: dict[str, Any]) -> Architecture:
    return _cached(name)


def _vision(record: dict[str, Any]) -> Vision:
    kind = record.get("kind") or ""
    return Vision(
        kind=kind, hidden=record["hidden"], layers=record["layers"], intermediate=record["intermediate"],
        heads=record["heads"], patch=record["patch"], image=record.get("image") or 0, merge=record.get("merge") or 1,
        window=record.get("window") or 0, full_blocks=tuple(record.get("full_blocks") or ()),
        min_pixels=record.get("min_pixels") or 0, max_pixels=record.get("max_pixels") or 0,
        max_tiles=record.get("max_tiles") or 0, gated=kind == "qwen2_5_vl",
    )  # fmt: skip


def _counts(
    sizes: Sizes, shape: Shape, experts: Experts | None, latent: Latent | None, known: dict[str, int]
) -> Counts:
    """The catalog's own total, split into groups by the counting rule; what the rule misses stands under `other`."""
    seen, projector = known.get("vision", 0), known.get("projector", 0)
    language = known["total"] - seen - projector
    groups = dict(language_counts(sizes, shape, experts, latent).groups) if sizes.hidden and sizes.layers else {}
    if "experts" in known:
        groups["experts"] = known["experts"]
    rest = language - sum(groups.values())
    if rest < -0.02 * language:  # the rule does not fit this model: keep only what cannot be wrong
        groups = {"embedding": sizes.vocab * sizes.hidden} if sizes.vocab * sizes.hidden < language else {}
        rest = language - sum(groups.values())
    if rest > 0:
        groups["other"] = groups.get("other", 0) + rest
    elif rest < 0:
        groups["attention"] += rest
    if seen:
        groups["vision"] = seen
    if projector:
        groups["projector"] = projector
    return Counts(known["total"], known.get("active", known["total"]), groups)


def _nearest(target: str, size: int | None) -> Architecture | None:
    members = {name: record for name, record in _index().values() if record["family"].lower() == target.lower()}
    if not members:
        return resolve(target)
    fitting = {
        n: r["parameters"]["total"]
        for n, r in members.items()
        if size is None or _close(r["parameters"]["total"], size)
    }
    if not fitting or size is None:
        return None
    return _cached(min(fitting, key=lambda name: abs(fitting[name] - size)))


def _close(total: int, size: int) -> bool:
    return abs(total - size) <= 0.3 * size


def _assumed(found: Architecture, name: str, bits: int, kind: str) -> Architecture:
    assumed = (*found.assumed, sentence("assumed.relative", name=name, relative=found.name))
    return replace(found, name=name, basis="assumed", assumed=assumed, quant_bits=bits, quant_type=kind)


def _spaced(text: str) -> str:
    return re.sub(r"[-/]", " ", text)
