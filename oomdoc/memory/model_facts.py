"""What the model's name says of its shape, as facts from the catalog; an unknown name gives its size at most."""

from oomdoc.facts.case import Case
from oomdoc.facts.fact import Fact, How, Source
from oomdoc.facts.model import Value
from oomdoc.memory.architecture import Architecture
from oomdoc.memory.catalog import parameters_in, resolve

_DTYPE_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "fp8": 1.0}
# Packed 4- and 8-bit weights with their scales, embeddings and head left in 16 bit (bitsandbytes nf4, GPTQ, AWQ).
_PACKED_OVERHEAD = 1.12


def model_facts(case: Case) -> list[Fact]:
    """Facts of the case's model that nobody stated; empty where no model is named."""
    found = _named(case)
    return _of_architecture(case, *found) if found else _of_size(case)


def exact_architecture(case: Case) -> Architecture | None:
    """The catalog's architecture of the model that the case names; None where none is named or the name is unknown."""
    found = _named(case)
    return found[0] if found else None


def _named(case: Case) -> tuple[Architecture, Fact] | None:
    for fact in (*case.every("model.name"), *case.every("model.path")):
        architecture = resolve(fact.value) if isinstance(fact.value, str) else None
        if architecture is not None:
            return architecture, fact
    return None


def _of_architecture(case: Case, model: Architecture, named: Fact) -> list[Fact]:
    stated: dict[str, Value] = {
        "model.name": model.name,
        "model.family": model.family,
        "model.parameters": model.counts.total,
        "model.vocab_size": model.vocab,
        "model.hidden_size": model.hidden,
        "model.layers": model.layers,
        "model.heads": model.heads,
        "model.kv_heads": model.kv_heads,
        "model.max_positions": model.max_positions,
        "model.is_moe": model.experts is not None,
        "model.is_vision_language": model.vision is not None and model.kind == "decoder",
        "model.image_input": _image_input(model),
        "model.pads_to_limit": model.pads_to_limit,
        "model.vision_window_attention": model.vision is not None and model.vision.window > 0,
        "model.is_diffusion": model.kind == "diffusion",
    }
    if model.quant_bits:
        stated["quant.bits"] = model.quant_bits
    source = Source(how=How.CATALOG, derived_from=(named.name,), note=f"{model.name}: {model.basis}")
    facts = [
        Fact(name=name, value=value, source=source)
        for name, value in stated.items()
        if case.fact(name) is None and value is not None and value != 0
    ]
    return facts + _weights(case, model.counts.total, model.quant_bits)


def _image_input(model: Architecture) -> str | None:
    """How a vision-language model takes an image: the catalog's most tiles are 0 for its own resolution, 1 for none."""
    if model.vision is None or model.kind != "decoder":
        return None
    return {0: "pixels", 1: "fixed"}.get(model.vision.max_tiles, "tiles")


def _of_size(case: Case) -> list[Fact]:
    known = case.value("model.parameters")
    if isinstance(known, int):
        return _weights(case, known, 0)
    for named in (*case.every("model.name"), *case.every("model.path")):
        size = parameters_in(str(named.value)) if named.value else None
        if size:
            source = Source(how=How.DERIVED, derived_from=(named.name,), note="the size in the model's name")
            return [Fact(name="model.parameters", value=size, source=source), *_weights(case, size, 0)]
    return []


def _weights(case: Case, parameters: int, checkpoint_bits: int) -> list[Fact]:
    """Bytes of the weights as loaded: quantised bits, else the dtype of loading or training, else 16 bit (assumed)."""
    if case.fact("model.weights_bytes") is not None:
        return []
    bits = case.value("quant.bits")
    packed = bits if isinstance(bits, int) and bits else checkpoint_bits
    how, basis = How.DERIVED, ["model.parameters"]
    if packed:
        size = parameters * packed / 8 * _PACKED_OVERHEAD
        basis.append("quant.bits")
    else:
        dtype = next((name for name in _dtypes(case) if case.value(name) in _DTYPE_BYTES), None)
        how = How.DERIVED if dtype else How.ASSUMED
        size = parameters * (_DTYPE_BYTES[str(case.value(dtype))] if dtype else 2.0)
        basis += [dtype] if dtype else []
    source = Source(how=how, derived_from=tuple(basis), note=None if how is How.DERIVED else "weights in 16 bit")
    return [Fact(name="model.weights_bytes", value=int(size), source=source)]


def _dtypes(case: Case) -> tuple[str, ...]:
    """The facts that tell the dtype on the card, the surest first; DeepSpeed casts before it gets there."""
    loaded, trained = "model.load_dtype", "train.precision"
    return (trained, loaded) if case.value("parallel.zero_stage") in (1, 2, 3) else (loaded, trained)
