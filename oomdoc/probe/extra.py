"""Matrices that image tokens alone pass: a second one (CogVLM's visual experts), a low-rank branch (XComposer's PLoRA).

Needs torch 2.1+, Python 3.9+.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

_SEEN: list[Any] = [None]  # where image tokens stand, (batch, tokens); None where the model sees none


@contextlib.contextmanager
def seeing(places: Any) -> Iterator[None]:
    """Tell the layers which tokens are an image's; stays told, since checkpointed layers run again in backward."""
    _SEEN[0] = places
    yield


def _places(x: Any) -> Any:
    places = _SEEN[0]
    return places if places is not None and tuple(places.shape) == tuple(x.shape[:2]) else None


class Twin(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """Two matrices of one shape: `second` for image tokens, `first` for the rest."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.first = layer
        self.second = torch.nn.Linear(
            layer.in_features, layer.out_features, layer.bias is not None, layer.weight.device, layer.weight.dtype
        )

    def forward(self, x: Any) -> Any:
        """Both parts computed apart and put back in place."""
        places = _places(x)
        if places is None:
            return self.first(x)
        out = x.new_empty((*x.shape[:-1], self.first.out_features))
        out[places] = self.second(x[places])
        out[~places] = self.first(x[~places])
        return out


class Branch(torch.nn.Linear):  # type: ignore[misc,unused-ignore]
    """A matrix with a low-rank branch that image tokens alone pass."""

    def __init__(self, layer: Any, rank: int, dropout: float | None) -> None:
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        where = {"bias": False, "device": layer.weight.device, "dtype": layer.weight.dtype}
        self.dropout = torch.nn.Dropout(dropout or 0.0)
        self.down = torch.nn.Linear(layer.in_features, rank, **where)
        self.up = torch.nn.Linear(rank, layer.out_features, **where)

    def forward(self, x: Any) -> Any:
        """The product, with the branch added where images are."""
        out = super().forward(x)
        places = _places(x)
        if places is not None:
            out[places] += self.up(self.down(self.dropout(x[places]))).to(out.dtype)
        return out
