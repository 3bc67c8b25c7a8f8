"""Parameter counts by module group, from the dimensions alone; each rule equals transformers' own count where it says
so.

All figures are numbers of parameters. A tied output matrix is counted once.
"""

from typing import NamedTuple

from oomdoc.memory.architecture import Counts, Experts, Latent, Shape, Vision


class Sizes(NamedTuple):
    """The dimensions of a language model that its parameter count needs."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    max_positions: int
    tied: bool


def language_counts(sizes: Sizes, shape: Shape, experts: Experts | None = None, latent: Latent | None = None) -> Counts:
    """Parameters of a decoder by group.

    Attention is `h*(q + 2kv) + q*h` a layer (q, kv: widths of all heads), an MLP `2*h*i` or gated `3*h*i`, an expert
    the same with its own width, a router `h*E`. Source: `__init__` of the modelling files named in shapes.yaml.
    """
    groups = {
        "embedding": _embedding(sizes, shape),
        "attention": sizes.layers * _attention(sizes, shape, latent),
        "mlp": 0,
        "experts": 0,
        "norms": sizes.layers * shape.norms * norm_width(sizes.hidden, shape) + norm_width(sizes.hidden, shape),
        "lm_head": (0 if sizes.tied else sizes.vocab * sizes.hidden) + ("lm_head" in shape.bias) * sizes.vocab,
    }
    if shape.embedding_norm:
        groups["norms"] += norm_width(sizes.hidden, shape)
    routed = 0
    if experts is None:
        groups["mlp"] = sizes.layers * mlp_parameters(sizes.hidden, sizes.intermediate, shape)
    else:
        sparse = (sizes.layers - experts.dense_layers) // experts.every
        routed = sparse * experts.count * mlp_parameters(sizes.hidden, experts.intermediate, shape)
        groups["experts"] = routed
        groups["mlp"] = (sizes.layers - sparse) * mlp_parameters(sizes.hidden, sizes.intermediate, shape)
        groups["mlp"] += sparse * (sizes.hidden * experts.count + _shared(sizes.hidden, experts, shape))
    total = sum(groups.values())
    idle = routed * (experts.count - experts.active) // experts.count if experts else 0
    return Counts(total, total - idle, {name: count for name, count in groups.items() if count}, shape.exact)


def encoder_counts(sizes: Sizes, shape: Shape, positions: int, token_types: int) -> Counts:
    """Parameters of a BERT-like encoder with its pooler (`BertModel`): no output matrix, a norm on the embeddings."""
    layer = _attention(sizes, shape, None) + mlp_parameters(sizes.hidden, sizes.intermediate, shape)
    groups = {
        "embedding": (sizes.vocab + positions + token_types) * sizes.hidden,
        "attention": sizes.layers * _attention(sizes, shape, None),
        "mlp": sizes.layers * (layer - _attention(sizes, shape, None)),
        "norms": (2 * sizes.layers + 1) * norm_width(sizes.hidden, shape),
        "other": sizes.hidden * sizes.hidden + sizes.hidden,
    }
    total = sum(groups.values())
    return Counts(total, total, groups, shape.exact)


def norm_width(hidden: int, shape: Shape) -> int:
    """Parameters of one normalisation layer: RMS has a weight, LayerNorm a weight and mostly a bias."""
    return {"rms": hidden, "layer_weight": hidden, "layer": 2 * hidden, "none": 0}[shape.norm]


def mlp_parameters(hidden: int, intermediate: int, shape: Shape) -> int:
    """Parameters of one MLP: up and down, and the gate where there is one, with their biases."""
    bias = ("up" in shape.bias) * intermediate + ("down" in shape.bias) * hidden
    if shape.mlp == "plain":
        return 2 * hidden * intermediate + bias
    return 3 * hidden * intermediate + bias + ("gate" in shape.bias) * intermediate


def vision_counts(vision: Vision, out: int) -> tuple[int, int, bool]:
    """(tower, projector, exact): parameters of a vision tower whose features go to a language model of width `out`.

    The Qwen towers count their patch merger as part of the tower, as transformers does; other towers are taken as a
    plain ViT and a two-layer projector, which is near but not exact.
    """
    hidden, wide = vision.hidden, vision.intermediate
    attention = 4 * hidden * hidden + 4 * hidden
    plain = 2 * hidden * wide + wide + hidden
    merged = hidden * vision.merge**2
    if vision.kind == "qwen2_5_vl":
        block = attention + 3 * hidden * wide + 2 * wide + hidden + 2 * hidden
        merger = hidden + merged * merged + merged + merged * out + out
        return 3 * 2 * vision.patch**2 * hidden + vision.layers * block + merger, 0, True
    if vision.kind == "qwen2_vl":
        merger = 2 * hidden + merged * merged + merged + merged * out + out
        block = attention + plain + 4 * hidden
        return 3 * 2 * vision.patch**2 * hidden + vision.layers * block + merger, 0, True
    if vision.kind.startswith("qwen3"):
        linear = merged * merged + merged + merged * out + out
        mergers = 2 * hidden + linear + (3 * (2 * merged + linear) if vision.kind.startswith("qwen3_vl") else 0)
        embed = 3 * 2 * vision.patch**2 * hidden + hidden + 2304 * hidden
        return embed + vision.layers * (attention + plain + 4 * hidden) + mergers, 0, True
    patches = (vision.image // vision.patch) ** 2 + 1 if vision.image else 1024
    tower = 3 * vision.patch**2 * hidden + patches * hidden + vision.layers * (attention + plain + 4 * hidden)
    return tower, merged * out + out + out * out + out, False


def _embedding(sizes: Sizes, shape: Shape) -> int:
    table = sizes.vocab * sizes.hidden
    if shape.positions >= 0:
        table += (sizes.max_positions + shape.positions) * sizes.hidden
    return table


def _attention(sizes: Sizes, shape: Shape, latent: Latent | None) -> int:
    hidden, query, key = sizes.hidden, sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
    if latent is not None:
        return _latent_attention(hidden, sizes.heads, latent)
    count = hidden * (query + 2 * key) + query * hidden
    count += sum(width for name, width in (("q", query), ("k", key), ("v", key), ("o", hidden)) if name in shape.bias)
    if shape.qk_norm == "head":
        count += 2 * sizes.head_dim
    elif shape.qk_norm == "full":
        count += query + key
    return count


def _latent_attention(hidden: int, heads: int, latent: Latent) -> int:
    wide = heads * (latent.nope + latent.rope)
    query = hidden * latent.q_rank + latent.q_rank + latent.q_rank * wide if latent.q_rank else hidden * wide
    key = hidden * (latent.kv_rank + latent.rope) + latent.kv_rank
    return query + key + latent.kv_rank * heads * (latent.nope + latent.value) + heads * latent.value * hidden


def _shared(hidden: int, experts: Experts, shape: Shape) -> int:
    if experts.shared_intermediate:  # Qwen-MoE: one shared expert and its sigmoid gate
        return mlp_parameters(hidden, experts.shared_intermediate, shape) + hidden
    return mlp_parameters(hidden, experts.shared * experts.intermediate, shape) if experts.shared else 0
