"""The arithmetic as a witness: which tensor a failed allocation was, and whether what was allocated fits the settings.

PyTorch's message prints the segment it asked the driver for: 2 MiB for requests up to 1 MiB, 20 MiB up to 10 MiB, else
the size rounded up to 2 MiB. So a tensor behind "tried to allocate A" lies in (A - 2 MiB, A], widened by the rounding
of the printed figure; the two fixed segments say nothing.
"""

from collections.abc import Iterator
from math import sqrt
from typing import Any, NamedTuple

from oomdoc.facts.case import Case
from oomdoc.facts.units import MIB, size
from oomdoc.memory.activations import kernel_of
from oomdoc.memory.architecture import Architecture
from oomdoc.memory.closed_form import peak
from oomdoc.memory.counterfactual import without
from oomdoc.memory.knowledge import constants, document
from oomdoc.memory.settings import Settings
from oomdoc.memory.vision import visual
from oomdoc.memory.weights import trained

_SEGMENTS = (2 * MIB, 20 * MIB)
_EXACT, _SOLVED, _ABOVE, _BEYOND, _VARIANT = 2.5, 1.2, 1.5, 0.8, 1.0
_UNSITED = 0.4  # without a place in the traceback a match may be chance
_FAR = 1.8  # allocated over predicted: from here on the settings are not those of the run


_CLASS_TOKEN = frozenset({"clip_vision_model", "eva2_clip_e", "intern_vit_300m", "intern_vit_6b"})  # one beside patches


class Testimony(NamedTuple):
    """What one figure says: the term it matched, the cause it speaks for (None: only a warning), its weight in
    log-odds, and the facts it solved for (train.sequence_tokens)."""

    term: str
    sentence_en: str
    sentence_zh: str
    cause: str | None
    weight: float
    facts: dict[str, int]


class Tensor(NamedTuple):
    """A tensor the run would allocate: `base + per_token*S + per_square*S*S` bytes, S the tokens of a sequence."""

    term: str
    shape: str
    base: float = 0.0
    per_token: float = 0.0
    per_square: float = 0.0

    def bytes(self, tokens: float) -> float:
        """Its size at a sequence length."""
        return self.base + self.per_token * tokens + self.per_square * tokens * tokens


def witness(case: Case, model: Architecture, settings: Settings) -> list[Testimony]:
    """What the figures of the first fatal event say about this model and these settings, the weightiest first."""
    found: list[Testimony] = []
    tried, slack = _figure(case, "oom.tried_to_allocate_bytes")
    if tried:
        found.extend(_allocation(case, model, settings, tried, slack))
    allocated, _ = _figure(case, "oom.allocated_bytes")
    if allocated and settings.method != "load" and _stated(case):
        found.extend(_allocated(model, settings, allocated + tried))
    return sorted(found, key=lambda each: -each.weight)


def tensors(model: Architecture, settings: Settings) -> Iterator[Tensor]:
    """The large tensors that one step allocates, by the shape they have."""
    b, h, i, v = settings.samples, model.hidden, model.intermediate, model.vocab
    if v:
        yield Tensor("logits_float", f"{b} x S x {v:,} x 4 B", per_token=b * v * 4.0)
        yield Tensor("logits_half", f"{b} x S x {v:,} x 2 B", per_token=b * v * 2.0)
    if model.heads:
        yield Tensor("scores_float", f"{b} x {model.heads} x S x S x 4 B", per_square=b * model.heads * 4.0)
        yield Tensor("scores_half", f"{b} x {model.heads} x S x S x 2 B", per_square=b * model.heads * 2.0)
        yield Tensor("mask", f"{b} x S x S x 2 B", per_square=b * 2.0)
    seen = visual(model, settings.images)
    if model.vision is not None and seen.longest:
        scores = model.vision.heads * seen.longest**2
        shape = f"{model.vision.heads} x {seen.longest:,} x {seen.longest:,}"
        yield Tensor("vision_scores_float", f"{shape} x 4 B", base=scores * 4.0)
        yield Tensor("vision_scores_half", f"{shape} x 2 B", base=scores * 2.0)
        whole = b * (seen.patches + seen.patches // seen.longest * (model.vision.kind in _CLASS_TOKEN))
        wide = model.vision.intermediate
        yield Tensor("vision_mlp", f"{whole:,} x {wide:,} x 2 B", base=whole * wide * 2.0)
    if h:
        yield Tensor("mlp", f"{b} x S x {i:,} x 2 B", per_token=b * i * 2.0)
        yield Tensor("hidden_float", f"{b} x S x {h:,} x 4 B", per_token=b * h * 4.0)
        yield Tensor("output_matrix", f"{v:,} x {h:,} x 2 B", base=v * h * 2.0)
        yield Tensor("output_matrix_float", f"{v:,} x {h:,} x 4 B", base=v * h * 4.0)
        yield Tensor("mlp_matrix", f"{h:,} x {i:,} x 2 B", base=h * i * 2.0)
        yield Tensor("mlp_matrix_float", f"{h:,} x {i:,} x 4 B", base=h * i * 4.0)
        yield Tensor(
            "cache_layer", f"{b} x {model.kv_heads} x S x {model.head_dim} x 2 B", per_token=b * model.kv_width * 2.0
        )
    if model.experts is not None:
        wide = model.experts.count * 2 * model.experts.intermediate
        yield Tensor("experts_matrix", f"{wide:,} x {h:,} x 2 B", base=wide * h * 2.0)
    yield from _sharded(model, settings)


def _sharded(model: Architecture, settings: Settings) -> Iterator[Tensor]:
    way = settings.parallel
    if not way.zero_stage or not settings.trains:
        return
    mine = -(-trained(model, settings).total // way.shards)
    yield Tensor("flat_float", f"{mine:,} x 4 B", base=mine * 4.0)
    yield Tensor("flat_half", f"{mine:,} x 2 B", base=mine * 2.0)
    elements = way.bucket_elements or constants()["zero"]["bucket_elements"]
    yield Tensor("bucket", f"{elements:,} x 2 B", base=elements * 2.0)


def _allocation(case: Case, model: Architecture, settings: Settings, tried: int, slack: int) -> Iterator[Testimony]:
    texts = document("witness")
    if any(abs(tried - segment) <= MIB // 100 for segment in _SEGMENTS):
        yield _said("segment", "segment", None, 0.0, {}, size=size(tried))
        return
    low, high = tried - 2 * MIB - slack, tried + slack
    allowed = _allowed(case)
    known = case.fact("train.sequence_tokens") is not None or case.fact("train.max_length") is not None
    limit = settings.tokens
    for tensor in tensors(model, settings):
        if allowed is not None and tensor.term not in allowed:
            continue
        sure = 1.0 if allowed is not None else _UNSITED
        entry = texts["terms"][tensor.term]
        if tensor.term.startswith("vision_scores") and not _near(tensor, low, high):
            yield from _patches(tensor, entry, model, tried, (low, high))
            continue
        if not tensor.per_token and not tensor.per_square:
            if low < tensor.base <= high:
                yield _matched("exact", tensor, entry, _EXACT * sure, {}, size=size(tried))
            continue
        tokens = _solve(tensor, low, high, limit)
        if tokens is None or tokens < 16:
            continue
        if low < tensor.bytes(limit) <= high:
            yield _matched(
                "exact", tensor, entry, _EXACT * sure, {"train.sequence_tokens": limit}, tokens=limit, size=size(tried)
            )
        elif allowed is None:  # some length makes almost any size; without a place in the traceback that is chance
            continue
        elif tokens > 1.5 * limit and known and tokens <= 4 * max(model.max_positions, limit):
            yield _matched("above", tensor, entry, _ABOVE * sure, {"train.sequence_tokens": tokens}, tokens=tokens,
                           size=size(tried), believed=f"{limit:,}")  # fmt: skip
        elif tokens <= max(model.max_positions, limit):
            yield _matched(
                "solved", tensor, entry, _SOLVED, {"train.sequence_tokens": tokens}, tokens=tokens, size=size(tried)
            )


def _near(tensor: Tensor, low: float, high: float) -> bool:
    return low < tensor.base <= high


def _patches(
    tensor: Tensor, entry: dict[str, Any], model: Architecture, tried: int, bounds: tuple[float, float]
) -> Iterator[Testimony]:
    """The image whose scores these are, at native resolution: `heads*P*P*4` bytes, P whole merged squares."""
    vision, width = model.vision, 4.0  # the math kernel computes in float32
    if vision is None or vision.image or not tensor.term.endswith("float"):
        return
    step = vision.merge**2
    first, last = (int(sqrt(max(0.0, bound) / (vision.heads * width))) for bound in bounds)
    found = [patches for patches in range(first + 1, last + 1) if patches % step == 0]
    most = (vision.max_pixels or 1 << 24) // vision.patch**2
    if len(found) != 1 or not 256 <= found[0] <= most:
        return
    solved = _with_patches(tensor, vision.heads, found[0], width)
    facts = {"image.tokens": found[0] // step}
    yield _matched("exact", solved, entry, _SOLVED, facts, size=size(tried))


def _with_patches(tensor: Tensor, heads: int, patches: int, width: float) -> Tensor:
    """The scores of a tower over so many patches."""
    return tensor._replace(shape=f"{heads} x {patches:,} x {patches:,} x {width:.0f} B")


def _solve(tensor: Tensor, low: float, high: float, near: int) -> int | None:
    """The whole number of tokens at which the tensor lies within the range; the one nearest to `near` of several."""

    def root(target: float) -> float:
        if tensor.per_square:
            return float((max(0.0, target - tensor.base) / tensor.per_square) ** 0.5)
        return (target - tensor.base) / tensor.per_token

    first, last = int(root(max(low, 0.0))) + 1, int(root(high))
    return None if first > last else min(max(near, first), last)


def _allocated(model: Architecture, settings: Settings, observed: int) -> Iterator[Testimony]:
    predicted = peak(model, settings)
    if observed < _FAR * predicted.allocated:
        return
    yield _said("beyond", "beyond", None, _BEYOND, {}, observed=size(observed), predicted=size(predicted.allocated))
    variants = document("witness")["variants"]
    for cause, changed in without(model, settings, kernel_of(model, settings)):
        other = peak(model, changed)
        if abs(other.allocated - observed) <= 0.2 * observed:
            what, texts = variants[cause], document("witness")["sentences"]["variant"]
            shown = {"predicted": size(other.allocated), "observed": size(observed)}
            said = (texts["en"].format(what=what["en"], **shown), texts["zh"].format(what=what["zh"], **shown))
            yield Testimony("variant", *said, cause, _VARIANT, {})


def _stated(case: Case) -> bool:
    """Whether the run's batch and length are known; against assumed ones an allocated figure proves nothing."""
    lengths = (case.fact(name) for name in ("train.sequence_tokens", "train.max_length"))
    return case.fact("train.per_device_batch_size") is not None and any(fact and fact.value for fact in lengths)


def _allowed(case: Case) -> frozenset[str] | None:
    """The terms that can be allocated where the traceback ends; None where it names no known place."""
    event = next((each for each in case.events if each.kind == "oom" and each.fatal and each.frames), None)
    if event is None:
        return None
    places = [f"{frame.file} {frame.function} {frame.code or ''}".lower() for frame in event.frames[-4:]]
    tower = case.value("oom.module") == "vision_tower"
    for place in reversed(places):
        for site in document("witness")["sites"]:
            if any(word.lower() in place for word in site["words"]):
                return frozenset(term for term in site["terms"] if not tower or term.startswith("vision_"))
    return frozenset({"vision_mlp", "vision_scores_float", "vision_scores_half"}) if tower else None


def _figure(case: Case, name: str) -> tuple[int, int]:
    fact = case.fact(name)
    if fact is None or not isinstance(fact.value, int | float) or isinstance(fact.value, bool):
        return 0, 0
    return int(fact.value), fact.tolerance or 0


def _matched(
    kind: str,
    tensor: Tensor,
    entry: dict[str, Any],
    weight: float,
    facts: dict[str, int],
    *,
    tokens: int = 0,
    **shown: str,
) -> Testimony:
    shape = tensor.shape.replace(" S ", f" {tokens:,} ") if tokens else tensor.shape
    texts = document("witness")["sentences"][kind]
    places = {**shown, "tokens": f"{tokens:,}"}
    return Testimony(
        tensor.term, texts["en"].format(what=entry["en"].format(shape=shape), **places),
        texts["zh"].format(what=entry["zh"].format(shape=shape), **places), entry["cause"], round(weight, 2), facts,
    )  # fmt: skip


def _said(term: str, kind: str, cause: str | None, weight: float, facts: dict[str, int], **shown: str) -> Testimony:
    texts = document("witness")["sentences"][kind]
    return Testimony(term, texts["en"].format(**shown), texts["zh"].format(**shown), cause, weight, facts)
