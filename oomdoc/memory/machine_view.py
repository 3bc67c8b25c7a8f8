"""What of the settings belongs to the machine and the data: images, how the work is spread, generation and serving."""

from dataclasses import replace

from oomdoc.memory.architecture import Said
from oomdoc.memory.facts_view import FactsView
from oomdoc.memory.settings import WIDTHS, Images, Parallel, Serving, SettingsError
from oomdoc.messages import said

_SPREAD: dict[str, Said] = {
    "ddp": (
        "how the cards share the work is not stated: data parallel, a full copy on each, is assumed",
        "未说明多卡如何分工：按数据并行（每卡一份完整模型）估算",
    ),
    "device_map": (
        "how the cards share the work is not stated: one process with its layers spread over them is assumed",
        "未说明多卡如何分工：按单进程、各层分布在多卡上估算",
    ),
}

_SEES = frozenset({"vision_tower"})  # where a failure (oom.module) tells of images


class MachineView(FactsView):
    """Facts about images, processes and serving as parts of Settings."""

    def with_images(self, tokens: int, seen: int) -> int:
        """The sequence with its visual tokens: a guessed length grows to hold them, a stated one is remarked on."""
        if seen <= tokens or not seen:
            return tokens
        if self.number("train.sequence_tokens") or self.number("train.max_length"):
            self.assume(
                f"the images alone make {seen:,} tokens, more than the {tokens:,} of a sample",
                f"仅图片就有 {seen:,} token，超过样本的 {tokens:,} token",
            )
            return tokens
        self.assume(
            f"images make {seen:,} tokens; 256 of text are assumed beside them",
            f"图片共 {seen:,} token，另按 256 个文本 token 估算",
        )
        return seen + 256

    def images(self, tokens: int) -> Images:
        """What the vision tower sees of one sample; unknown sizes are taken at the limits."""
        if self.model.vision is None:
            return Images()
        found = Images(
            count=self.number("train.num_images") or 0, height=self.number("image.height") or 0,
            width=self.number("image.width") or 0, max_pixels=self.number("image.max_pixels") or 0,
            tiles=self.number("image.tiles") or 0, frames=self.number("image.frames") or 0,
            tokens=self.number("image.tokens") or 0,
        )  # fmt: skip
        sized = found.height or found.tokens or found.frames or found.tiles
        if sized or found.count:
            return replace(found, count=found.count or 1)
        if self.model.vision.image and not self.model.vision.max_tiles > 1:
            self.assume(
                "one image a sample is assumed, of the size that this model gives every image",
                "按每个样本一张图估算，该模型的图片尺寸固定",
            )
            return replace(found, count=1)
        if self.facts.get("oom.module") in _SEES:
            self.assume(
                "it failed where images are seen: one a sample is assumed, as large as its limits allow",
                "失败发生在处理图片处：按每个样本一张图、达到尺寸上限估算",
            )
            return replace(found, count=1)
        if not found.max_pixels:
            self.assume("no image is counted: neither number nor size is known", "未计入图片：数量和尺寸均未知")
            return found
        side = self.model.vision.patch * self.model.vision.merge
        most = min(found.max_pixels, tokens * side * side)  # an image does not outgrow the sample that holds it
        self.assume(
            f"one image a sample is assumed, as large as its limits allow ({most:,} pixels)",
            f"按每个样本一张图、达到上限 {most:,} 像素估算",
        )
        return replace(found, count=1, max_pixels=most)

    def parallel(self) -> Parallel:
        """How the work is spread; several cards without processes are what the framework makes of them."""
        stage, kind = self.number("parallel.zero_stage") or 0, (self.text("parallel.kind") or "").lower()
        world = self.number("parallel.world_size") or 0
        sharding = (self.text("parallel.fsdp_sharding") or "").lower()
        if "fsdp" in kind:
            kind = "ddp" if "no_shard" in sharding else "fsdp"
        if stage > 3:
            raise SettingsError(said("setting.not_meant", name="parallel.zero_stage", value=stage))
        cards = self.number("hardware.gpu_count") or 1
        if not world and cards > 1 and not kind and self.habits["several"] == "device_map" and not stage:
            world = cards
        if not world:
            world = cards if stage or kind in ("ddp", "fsdp", "zero", "dp", "device_map") else 1
        sizes = {
            name: max(1, self.number(f"parallel.{name}_parallel") or 1)
            for name in ("tensor", "pipeline", "sequence", "expert")
        }
        offload = (self.text("parallel.offload") or "none").lower()
        offload = "all" if "param" in offload or offload == "all" or (stage == 3 and "cpu" in offload) else (
            "optimizer" if offload not in ("none", "false", "no") else "none")  # fmt: skip
        if not kind:
            kind = "zero" if stage else "none"
            if world > 1 and not stage:
                kind = str(self.habits["several"])
                self.assume(*_SPREAD[kind])
        return Parallel(
            kind=kind, world=max(1, world), zero_stage=stage, offload=offload,
            bucket_elements=self.number("parallel.zero_bucket_elements") or 0,
            keeps_gathered="shard_grad_op" in sharding or "zero2" in sharding,
            **sizes,
        )  # fmt: skip

    def serving(self) -> Serving:
        """Generation and serving."""
        share = self.facts.get("inference.gpu_memory_utilization")
        kv_dtype = (self.text("inference.kv_cache_dtype") or "").lower()
        return Serving(
            prompt=self.number("inference.prompt_tokens") or 0,
            new_tokens=self.number("inference.max_new_tokens") or self.number("eval.max_new_tokens") or 0,
            batch=self.number("inference.batch_size") or 0,
            engine=self.framework if self.framework in ("vllm", "sglang") else "",
            utilization=float(share) if isinstance(share, int | float) and 0 < share <= 1 else 0.0,
            max_model_len=self.number("inference.max_model_len") or 0,
            max_num_seqs=self.number("inference.max_num_seqs") or 0, kv_bytes=WIDTHS.get(kv_dtype, 2.0),
            graphs=self.flag("inference.cuda_graphs") is not False, grad=bool(self.flag("inference.grad_enabled")),
        )  # fmt: skip
