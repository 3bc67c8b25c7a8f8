"""The matrices of a decoder layer and which of them a LoRA target list reaches; trained parameters by target."""

import re
from functools import lru_cache
from typing import NamedTuple

from oomdoc.memory.architecture import Architecture
from oomdoc.memory.settings import Lora

LETTERS = ("q", "k", "v", "o", "gate", "up", "down")
_NATIVE = {
    "q": "q_proj",
    "k": "k_proj",
    "v": "v_proj",
    "o": "o_proj",
    "gate": "gate_proj",
    "up": "up_proj",
    "down": "down_proj",
}
_WORDS = {
    "attention_qv": "q v",
    "attention": "q k v o",
    "attn": "q k v",
    "qkv": "q k v",
    "self_attn": "q k v o",
    "query_key_value": "q k v",
    "c_attn": "q k v",
    "w_pack": "q k v",
    "wqkv": "q k v",
    "qkv_proj": "q k v",
    "q": "q",
    "k": "k",
    "v": "v",
    "o": "o",
    "query": "q",
    "key": "k",
    "value": "v",
    "projection": "o",
    "wo": "o",
    "mlp": "gate up down",
    "gate_up_proj": "gate up",
    "q_lin": "q",
    "v_lin": "v",
    "default": "q k v",
    "q_a_proj": "q",
    "q_b_proj": "q",
    "kv_a_proj_with_mqa": "k",
    "kv_b_proj": "v",
    "out_proj": "o",
    "dense": "o",
    "fc1": "up",
    "fc2": "down",
    "w1": "gate",
    "w2": "down",
    "w3": "up",
    "dense_h_to_4h": "gate up",
    "dense_4h_to_h": "down",
}


class Linear(NamedTuple):
    """One matrix of a layer, `width_in x width_out`; `letters` are the canonical matrices it fuses."""

    name: str
    letters: tuple[str, ...]
    width_in: int
    width_out: int


@lru_cache(maxsize=256)
def linears(model: Architecture) -> tuple[Linear, ...]:
    """The matrices of one dense decoder layer, fused as this family fuses them; experts are not among them."""
    hidden, wide = model.hidden, dense_width(model)
    widths = {
        "q": (hidden, model.query_width),
        "k": (hidden, model.kv_width),
        "v": (hidden, model.kv_width),
        "o": (model.query_width, hidden),
        "gate": (hidden, wide),
        "up": (hidden, wide),
        "down": (wide, hidden),
    }
    if model.shape.mlp == "plain":
        del widths["gate"]
    fused: dict[tuple[str, int], list[str]] = {}
    for letter, (width_in, _) in widths.items():
        name = model.shape.names.get(letter, _NATIVE[letter])
        group = "attention" if letter in "qkvo" else "mlp"
        fused.setdefault((f"{group}.{name}", width_in), []).append(letter)
    return tuple(
        Linear(name.split(".", 1)[1], tuple(letters), width_in, sum(widths[letter][1] for letter in letters))
        for (name, width_in), letters in fused.items()
    )


def dense_width(model: Architecture) -> int:
    """Width of the MLP that every token passes outside routed experts: the dense one, or the shared expert's."""
    if model.experts is None:
        return model.intermediate
    return model.experts.shared_intermediate or model.experts.shared * model.experts.intermediate or 0


@lru_cache(maxsize=1024)
def targeted(model: Architecture, targets: tuple[str, ...]) -> frozenset[str]:
    """The canonical matrices (q k v o gate up down) that a target list names, by native or general names."""
    text = ",".join(targets).lower()
    if re.search(r"all[-_]?linear|(?:^|\W)all(?:$|\W)", text) or not text:
        return frozenset(LETTERS)
    if text.startswith("default"):
        return frozenset({"q", "k", "v"})
    native: dict[str, set[str]] = {}
    for letter in LETTERS:
        native.setdefault(model.shape.names.get(letter, _NATIVE[letter]).lower(), set()).add(letter)
        native.setdefault(_NATIVE[letter], set()).add(letter)
    found: set[str] = set()
    for word in re.findall(r"\w+", re.sub(r"\([^)]*\)", "", text)):
        found |= native.get(word) or set(_WORDS.get(word, "").split())
    return frozenset(found) or frozenset({"q", "v"})


@lru_cache(maxsize=1024)
def lora_parameters(model: Architecture, lora: Lora, *, packed_experts: bool = True) -> int:
    """Parameters of the adapters: `r * (in + out)` for each matrix reached, in every layer.

    All-linear targets also reach every expert while experts are separate `nn.Linear` modules; packed expert tensors
    (transformers >= 5 and some families) get none. DoRA adds one magnitude per output row.
    """
    letters, layer = targeted(model, lora.targets), 0
    for matrix in linears(model):
        reached = letters & set(matrix.letters)
        if not reached or not matrix.width_out:
            continue
        out = matrix.width_out if len(reached) == len(matrix.letters) else _partial(model, reached)
        pairs = 1 if len(reached) == len(matrix.letters) else len(reached)
        layer += lora.rank * (matrix.width_in * pairs + out) + (out if lora.dora else 0)
    count = layer * model.layers
    if model.experts and not packed_experts and letters & {"gate", "up", "down"}:
        each = lora.rank * (model.hidden + model.experts.intermediate) * len(letters & {"gate", "up", "down"})
        count += each * model.experts.count * (model.layers - model.experts.dense_layers)
    if lora.reaches_vision and model.vision is not None:
        vision = model.vision
        mlp = (3 if vision.gated else 2) * (vision.hidden + vision.intermediate)
        count += vision.layers * lora.rank * (6 * vision.hidden + mlp)  # fused qkv, its output, the MLP
    return count


def saved_module_parameters(model: Architecture, lora: Lora) -> int:
    """Parameters of `modules_to_save`: full trained copies of the embedding and/or the output matrix."""
    matrix, text = model.vocab * model.hidden, ",".join(lora.saved_modules).lower()
    heads = sum(any(word in text for word in words) for words in (("embed", "wte", "tok_emb"), ("head", "output")))
    return heads * matrix


def _partial(model: Architecture, reached: frozenset[str] | set[str]) -> int:
    return sum(model.query_width if letter in ("q", "o") else model.kv_width for letter in reached)
