"""A synthetic batch of the stated shapes: token ids and labels for real, pixels and audio without data.

How many placeholder tokens an image takes follows the family's rule; where that guess is off, the model says so itself
and the batch is made again with its figure (`with_image_tokens`).
"""

# ruff: noqa: ARG001, SLF001
# the families' makers share one signature and the batch's own helpers

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import torch

_MISMATCH = re.compile(r"tokens:?\s*(\d+).{0,40}?features:?\s*\(?(?:\[)?(\d+)", re.IGNORECASE | re.DOTALL)


class Batch:
    """What the model is called with, and the plan it was made from."""

    def __init__(self, model: Any, plan: dict[str, Any], image_tokens: int | None = None) -> None:
        self.model = model
        self.plan = plan
        self.config = model.config
        self.image_tokens = image_tokens
        self.rows = int(plan.get("batch") or 1)
        self.device = torch.device(plan.get("device") or "meta")
        self.floats = torch.float32
        self.frames = int(plan.get("frames") or 0)
        # Families without an input for video take each frame as an image.
        self.video = self.frames > 0 and "pixel_values_videos" in _parameters(model) and _token(self.config, _VIDEO)
        self.groups = max(1, int(plan.get("images") or 0))  # runs of placeholders in a sample

    def inputs(self, tokens: int | None = None, *, labels: bool = True) -> dict[str, Any]:
        """Keyword arguments of one forward pass; `tokens` overrides the plan's length."""
        kind = str(getattr(self.config, "model_type", ""))
        if kind in ("whisper", "speech_to_text"):
            return self._speech()
        if kind in _IMAGE_ONLY or not _text_config(self.config):
            return self._pictures()
        length = int(tokens or self.plan.get("tokens") or 512)
        out: dict[str, Any] = {}
        images = int(self.plan.get("images") or 0) * self.rows
        count, token = 0, _token(self.config, _VIDEO if self.video else _IMAGE)
        if images and token is not None:
            visual, count = self._images(kind, images)
            out.update(visual)
            count = self.image_tokens if self.image_tokens is not None else count
        out["input_ids"] = self._ids(length, count // max(1, self.rows), token)
        length = int(out["input_ids"].shape[1])
        out["attention_mask"] = torch.ones_like(out["input_ids"])
        if self.plan.get("padded") and self.rows > 1:
            out["attention_mask"][1:, -max(1, length // 8) :] = 0
        if labels:
            out["labels"] = self._labels(out["input_ids"], length)
        if images and "mm_token_type_ids" in _parameters(self.model):
            out["mm_token_type_ids"] = (out["input_ids"] == token).long() * (2 if self.video else 1)
        elif images and kind.startswith(("gemma3", "paligemma")):
            out["token_type_ids"] = (out["input_ids"] == token).long()
        return {key: self._placed(value) for key, value in out.items()}

    def _placed(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and self.device.type == "cuda":
            return value.to(self.device)
        return value

    def _float(self, *shape: int) -> torch.Tensor:
        return torch.zeros(shape, dtype=self.floats, device=self.device)

    def _ids(self, length: int, visual: int, token: int | None) -> torch.Tensor:
        """Ordinary ids with the placeholders in front; a sample is never shorter than its images."""
        vocab = int(getattr(_text_config(self.config), "vocab_size", 32000))
        special = {token, *(getattr(self.config, name, None) for name in _SPECIAL)}
        plain = next(number for number in range(min(100, vocab - 1), vocab) if number not in special)
        groups = self.groups
        if visual + 2 * groups > length:
            length = visual + 2 * groups + 6
        ids = torch.full((self.rows, length), plain, dtype=torch.long)
        start = getattr(self.config, "vision_start_token_id", None)
        if visual and token is not None:
            place = 0
            for number in range(groups):  # text stands between images: neighbours would count as one
                tokens = visual // groups + (number < visual % groups)
                if start is not None:
                    ids[:, place] = start
                ids[:, place + 1 : place + 1 + tokens] = token
                place += tokens + 2
        return ids

    def _labels(self, ids: torch.Tensor, length: int) -> torch.Tensor:
        name = type(self.model).__name__
        inner = getattr(self.model, "get_base_model", None)
        if inner is not None:
            name = type(inner()).__name__
        if "SequenceClassification" in name:
            return torch.zeros(self.rows, dtype=torch.long)
        if getattr(self.config, "is_encoder_decoder", False):
            return torch.full((self.rows, int(self.plan.get("target_tokens") or length)), 5, dtype=torch.long)
        return ids.clone()

    def _speech(self) -> dict[str, Any]:
        frames = 2 * int(getattr(self.config, "max_source_positions", 1500))
        bins = int(getattr(self.config, "num_mel_bins", 80))
        target = min(int(self.plan.get("tokens") or 448), int(getattr(self.config, "max_target_positions", 448)))
        labels = torch.full((self.rows, target), 5, dtype=torch.long)
        return {"input_features": self._float(self.rows, bins, frames), "labels": self._placed(labels)}

    def _pictures(self) -> dict[str, Any]:
        size = getattr(self.config, "image_size", 224)
        height, width = size if isinstance(size, (list, tuple)) else (size, size)
        pixels = self._float(self.rows, int(getattr(self.config, "num_channels", 3)), height, width)
        out: dict[str, Any] = {"pixel_values": pixels}
        if "labels" in _parameters(self.model):
            out["labels"] = self._placed(torch.zeros(self.rows, dtype=torch.long))
        return out

    def _images(self, kind: str, images: int) -> tuple[dict[str, Any], int]:
        """Visual inputs of all images of the batch, and how many placeholders they take together."""
        vision = getattr(self.config, "vision_config", None)
        height, width = int(self.plan.get("height") or 448), int(self.plan.get("width") or 448)
        if getattr(vision, "spatial_merge_size", None) and getattr(vision, "temporal_patch_size", None):
            return self._native(vision, images, height, width)
        side = getattr(vision, "image_size", None) or 336
        side = side[0] if isinstance(side, (list, tuple)) else int(side)
        patch = getattr(vision, "patch_size", 14)
        patch = patch[0] if isinstance(patch, (list, tuple)) else int(patch)
        tiles = int(self.plan.get("tiles") or 0)
        if self.frames and not self.video:
            images, tiles = images * self.frames, 0
            self.groups = max(1, images // self.rows)
        maker: Callable[..., tuple[dict[str, Any], int]] = _FAMILIES.get(kind, _fixed)
        if self.video:
            maker = _VIDEOS.get(kind, _clip)
        return maker(self, images, side, patch, tiles, height, width)

    def _native(self, vision: Any, images: int, height: int, width: int) -> tuple[dict[str, Any], int]:
        """Qwen-VL and GLM-4V: sides in whole merged patches, inside the pixel limits; video frames in pairs."""
        patch, merge = int(vision.patch_size), int(vision.spatial_merge_size)
        factor = patch * merge
        low, high = int(self.plan.get("min_pixels") or 0), int(self.plan.get("max_pixels") or 0)
        height, width = smart_resize(height, width, factor, low, high)
        times = int(vision.temporal_patch_size)
        if self.frames and not self.video:
            images *= self.frames
            self.groups = max(1, images // self.rows)
        frames = self.frames if self.video else 0
        steps = -(-frames // times) if frames else 1
        if getattr(vision, "deepstack_visual_indexes", None) is not None:  # Qwen3-VL writes a time before each frame
            self.groups = max(1, images // self.rows) * steps
        rows = (height // patch) * (width // patch) * steps
        values = (
            int(getattr(vision, "in_channels", None) or getattr(vision, "in_chans", 3) or 3) * times * patch * patch
        )
        grid = torch.tensor([[steps, height // patch, width // patch]] * images, dtype=torch.long)
        names = ("pixel_values_videos", "video_grid_thw") if frames else ("pixel_values", "image_grid_thw")
        return {names[0]: self._float(rows * images, values), names[1]: grid}, rows * images // (merge * merge)


def smart_resize(height: int, width: int, factor: int, low: int = 0, high: int = 0) -> tuple[int, int]:
    """Sides rounded to whole factors, scaled into [low, high] pixels (transformers, qwen2_vl image processor)."""
    new_height, new_width = max(factor, round(height / factor) * factor), max(factor, round(width / factor) * factor)
    if high and new_height * new_width > high:
        scale = math.sqrt(height * width / high)
        return tuple(max(factor, math.floor(side / scale / factor) * factor) for side in (height, width))  # type: ignore[return-value]
    if low and new_height * new_width < low:
        scale = math.sqrt(low / (height * width))
        return tuple(math.ceil(side * scale / factor) * factor for side in (height, width))  # type: ignore[return-value]
    return new_height, new_width


def mismatch(error: BaseException) -> int | None:
    """The number of image features that a model found, from its complaint about the number of placeholders."""
    found = _MISMATCH.search(str(error))
    return int(found.group(2)) if found else None


def _fixed(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    tokens = int(
        getattr(batch.config, "mm_tokens_per_image", 0)
        or getattr(batch.config, "image_seq_length", 0)
        or (side // patch) ** 2
    )
    return {"pixel_values": batch._float(images, 3, side, side)}, tokens * images


def _composed(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    count = images * ((tiles + 1) if tiles > 1 else 1)
    inner = getattr(batch.model, "get_base_model", lambda: batch.model)()
    return {"pixel_values": batch._float(count, 3, side, side)}, inner.tokens_of(side, patch) * count


def _ovis(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    count = images * ((tiles + 1) if tiles > 1 else 1)
    stride = int(getattr(batch.config.vision_config, "hidden_stride", 1))
    return {"pixel_values": batch._float(count, 3, side, side)}, count * (-(-(side // patch) // stride)) ** 2


def _clip(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    """LLaVA-NeXT-Video: frames of the tower's own side, pooled by two in both directions."""
    tokens = ((side // patch) // int(getattr(batch.config, "spatial_pool_stride", 2))) ** 2
    return {"pixel_values_videos": batch._float(images, batch.frames, 3, side, side)}, images * batch.frames * tokens


def _onevision(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    """LLaVA-OneVision: frames are scaled to half their patches in both directions; one token ends the video."""
    tokens = (-(-(side // patch) // 2)) ** 2
    pixels = batch._float(images, batch.frames, 3, side, side)
    return {"pixel_values_videos": pixels}, images * (batch.frames * tokens + 1)


def _internvl(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    count = images * ((tiles + 1) if tiles > 1 else 1)
    tokens = int((side // patch * float(getattr(batch.config, "downsample_ratio", 0.5))) ** 2)
    return {"pixel_values": batch._float(count, 3, side, side)}, tokens * count


def _next(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches

    pinpoints = batch.config.image_grid_pinpoints
    count = int(image_size_to_num_patches((height, width), pinpoints, side))
    sizes = torch.tensor([[height, width]] * images, dtype=torch.long)
    visual = {"pixel_values": batch._float(images, count, 3, side, side), "image_sizes": sizes}
    return visual, images * count * (side // patch) ** 2


def _idefics(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    count = ((tiles + 1) if tiles > 1 else 1) * images // batch.rows
    tokens = (side // patch) ** 2 // int(getattr(batch.config, "scale_factor", 2)) ** 2
    return {"pixel_values": batch._float(batch.rows, count, 3, side, side)}, tokens * count * batch.rows


def _mllama(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    most = int(getattr(batch.config.vision_config, "max_num_tiles", 4))
    each = images // batch.rows
    length = int(batch.plan.get("tokens") or 512)
    ids = torch.ones((batch.rows, each), dtype=torch.long)
    mask = torch.zeros((batch.rows, each, most), dtype=torch.long)
    used = min(most, tiles or most)
    mask[..., :used] = 1
    cross = torch.ones((batch.rows, length, each, most), dtype=torch.long)
    visual = {
        "pixel_values": batch._float(batch.rows, each, most, 3, side, side), "aspect_ratio_ids": ids,
        "aspect_ratio_mask": mask, "cross_attention_mask": cross,
    }  # fmt: skip
    return visual, 0


def _pixtral(
    batch: Batch, images: int, side: int, patch: int, tiles: int, height: int, width: int
) -> tuple[dict[str, Any], int]:
    merge = int(getattr(batch.config, "spatial_merge_size", 1) or 1)
    factor = patch * merge
    height, width = max(factor, height // factor * factor), max(factor, width // factor * factor)
    sizes = torch.tensor([[height, width]] * images, dtype=torch.long)
    tokens = height // factor * (width // factor)
    return {"pixel_values": batch._float(images, 3, height, width), "image_sizes": sizes}, tokens * images


_FAMILIES: dict[str, Any] = {
    "internvl": _internvl, "llava_next": _next, "llava_onevision": _next, "idefics3": _idefics, "smolvlm": _idefics,
    "idefics2": _idefics, "mllama": _mllama, "mistral3": _pixtral, "composed": _composed, "ovis2": _ovis,
}  # fmt: skip
_VIDEOS: dict[str, Any] = {"llava_onevision": _onevision}
_IMAGE = ("image_token_id", "image_token_index", "img_context_token_id")
_VIDEO = ("video_token_id", "video_token_index")
_IMAGE_ONLY = (
    "vit",
    "deit",
    "beit",
    "swin",
    "convnext",
    "dinov2",
    "resnet",
    "siglip_vision_model",
    "clip_vision_model",
)
_SPECIAL = (
    "image_token_id", "image_token_index", "video_token_id", "video_token_index", "vision_start_token_id",
    "vision_end_token_id", "pad_token_id", "bos_token_id", "eos_token_id", "audio_token_id",
    "boi_token_index", "eoi_token_index",
)  # fmt: skip


def _token(config: Any, names: tuple[str, ...]) -> int | None:
    return next((value for name in names if isinstance(value := getattr(config, name, None), int)), None)


def _text_config(config: Any) -> Any:
    text = getattr(config, "text_config", None)
    if text is not None:
        return text
    return config if getattr(config, "vocab_size", None) else None


def _parameters(model: Any) -> list[str]:
    import inspect

    inner = getattr(model, "get_base_model", None)
    forward = (inner() if inner is not None else model).forward
    return list(inspect.signature(forward).parameters)
