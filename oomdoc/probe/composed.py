"""A vision-language model joined from native parts: a tower, a projector and a language model of stated sizes.

It stands in for a model whose own code is remote (knowledge/memory/builds.yaml). Needs torch 2.1+, Python 3.9+.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from oomdoc.probe.extra import Branch, Twin, seeing

functional = torch.nn.functional


class Settings(dict):  # type: ignore[type-arg]
    """A configuration whose keys are attributes, as transformers' are; PEFT asks it like a dict."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class Composed(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """Features of the tower take the places of the image's tokens, then the language model runs."""

    base_model_prefix = ""  # PEFT asks transformers about any model whose configuration has a model_type

    def __init__(self, parts: dict[str, Any], tower: Any, language: Any) -> None:
        super().__init__()
        self.parts = parts
        self.vision_tower = tower
        self.projector = Projector(parts["projector"])
        self.language_model = language
        self.config = Settings(
            model_type="composed", text_config=language.config, vision_config=tower.config,
            image_token_id=int(parts["image_token_id"]), use_cache=False, tie_word_embeddings=False,
        )  # fmt: skip
        _extend(language, parts)

    def forward(
        self, input_ids: Any, attention_mask: Any = None, pixel_values: Any = None, labels: Any = None,
        past_key_values: Any = None, use_cache: bool | None = None, **others: Any,
    ) -> Any:  # fmt: skip
        """As the language model's own, with `pixel_values` of shape (tiles, channels, side, side)."""
        embeds = self.get_input_embeddings()(input_ids)
        places = None
        if pixel_values is not None:
            places = input_ids == self.config.image_token_id
            features = self.features(pixel_values)
            wanted, found = int(places.sum()), features.shape[0] * features.shape[1]
            if wanted != found:
                raise ValueError(f"image tokens and features differ: tokens: {wanted}, features: {found}")
            embeds = embeds.masked_scatter(places.unsqueeze(-1).expand_as(embeds), features.to(embeds.dtype))
        with seeing(places):
            return self.language_model(
                inputs_embeds=embeds, attention_mask=attention_mask, labels=labels, past_key_values=past_key_values,
                use_cache=use_cache, **others,
            )  # fmt: skip

    def features(self, pixels: Any) -> Any:
        """What the projector makes of the tower's patches, (tiles, tokens, hidden of the language model)."""
        weight = next(self.vision_tower.parameters())
        seen = self.vision_tower(pixels.to(weight.dtype))
        patches = seen[0] if not hasattr(seen, "last_hidden_state") else seen.last_hidden_state
        patches = patches[:, int(self.parts["tower"].get("skip") or 0) :]
        return self.projector(_merged(patches, int(self.parts.get("merge") or 1)))

    def tokens_of(self, side: int, patch: int) -> int:
        """Tokens that one tile becomes."""
        steps = self.parts["projector"]
        if "resampler" in steps[0]:
            return int(steps[0]["resampler"][2])
        return int(math.ceil((side // patch) / int(self.parts.get("merge") or 1)) ** 2)

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: Any = None) -> None:
        """Of the language model's layers; remote code rarely checkpoints its tower."""
        self.language_model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=gradient_checkpointing_kwargs)

    def enable_input_require_grads(self) -> None:
        """On the words' embeddings alone."""
        self.get_input_embeddings().register_forward_hook(lambda _, __, out: out.requires_grad_(True))

    def get_input_embeddings(self) -> Any:
        """The words' embeddings."""
        return self.language_model.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        """The output layer."""
        return self.language_model.get_output_embeddings()

    def tie_weights(self) -> None:
        """As the language model ties its own."""
        self.language_model.tie_weights()

    def can_generate(self) -> bool:
        """What PEFT and transformers ask before they generate."""
        return True

    def prepare_inputs_for_generation(self, *args: Any, **kwargs: Any) -> Any:
        """The language model's own."""
        return self.language_model.prepare_inputs_for_generation(*args, **kwargs)


class Projector(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """The steps of builds.yaml in order, each on (tiles, tokens, width)."""

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        super().__init__()
        self.steps = torch.nn.ModuleList([_step(kind, value) for step in steps for kind, value in step.items()])

    def forward(self, x: Any) -> Any:
        """One step after another."""
        for step in self.steps:
            x = step(x)
        return x


def _step(kind: str, value: Any) -> Any:
    if kind == "linear":
        return torch.nn.Linear(int(value[0]), int(value[1]))
    if kind == "gelu":
        return torch.nn.GELU()
    if kind == "norm":
        return torch.nn.LayerNorm(int(value))
    return {"gated": Gated, "vocabulary": Vocabulary, "resampler": Resampler}[kind](*(int(each) for each in value))


class Gated(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """A gated MLP back to its own width."""

    def __init__(self, width: int, wide: int) -> None:
        super().__init__()
        self.gate = torch.nn.Linear(width, wide, bias=False)
        self.up = torch.nn.Linear(width, wide, bias=False)
        self.down = torch.nn.Linear(wide, width, bias=False)

    def forward(self, x: Any) -> Any:
        """silu(gate) * up, then down."""
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Vocabulary(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """A distribution over a table of visual words for each token (Ovis)."""

    def __init__(self, width: int, size: int, out: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(width, size, bias=False)
        self.norm = torch.nn.LayerNorm(size)
        self.table = torch.nn.Linear(size, out, bias=False)

    def forward(self, x: Any) -> Any:
        """The mean of the table's rows under each token's distribution."""
        return self.table(functional.softmax(self.norm(self.head(x)), dim=-1))


class Resampler(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """One layer of cross attention from a fixed number of learned queries (Qwen-VL, MiniCPM-V)."""

    def __init__(self, width: int, out: int, queries: int) -> None:
        super().__init__()
        self.query = torch.nn.Parameter(torch.empty(queries, out))
        self.enter = torch.nn.Linear(width, out, bias=False)
        self.norms = torch.nn.ModuleList([torch.nn.LayerNorm(out) for _ in range(3)])
        self.attention = torch.nn.MultiheadAttention(out, max(1, out // 128), batch_first=True)
        self.leave = torch.nn.Parameter(torch.empty(out, out))

    def forward(self, x: Any) -> Any:
        """(tiles, patches, width) to (tiles, queries, out)."""
        keys = self.norms[0](self.enter(x))
        query = self.norms[1](self.query).unsqueeze(0).expand(x.shape[0], -1, -1)
        return self.norms[2](self.attention(query, keys, keys, need_weights=False)[0]) @ self.leave


def _merged(patches: Any, merge: int) -> Any:
    """Squares of merge x merge patches as one token each; an odd side is padded."""
    if merge == 1:
        return patches
    tiles, count, width = patches.shape
    side = math.isqrt(count)
    more = -side % merge
    square = patches.reshape(tiles, side, side, width)
    if more:
        square = functional.pad(square, (0, 0, 0, more, 0, more))
    half = (side + more) // merge
    square = square.reshape(tiles, half, merge, half, merge, width).permute(0, 1, 3, 2, 4, 5)
    return square.reshape(tiles, half * half, merge * merge * width)


def _extend(language: Any, parts: dict[str, Any]) -> None:
    """Second matrices and low-rank branches for image tokens, on the layers of the language model."""
    twins, branches = parts.get("twins") or (), parts.get("branches") or {}
    wanted = (*twins, *(branches.get("targets") or ()))
    for module in list(language.modules()):
        for name, child in list(module.named_children()):
            if name in wanted and isinstance(child, torch.nn.Linear):
                made = Twin(child) if name in twins else Branch(child, int(branches["rank"]), branches.get("dropout"))
                setattr(module, name, made)
