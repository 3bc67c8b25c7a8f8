"""What of the settings belongs to the machine and the data: images, how the work is spread, generation and serving."""

from dataclasses import replace

from oomdoc.memory.facts_view import FactsView
from oomdoc.memory.settings import WIDTHS, Images, Parallel, Serving, SettingsError
from oomdoc.messages import said

_TEXT = 256  # tokens of text beside the images of a sample whose length nobody states
_SEES = frozenset({"vision_tower"})  # where a failure (oom.module) tells of images


class MachineView(FactsView):
    """Facts about images, processes and serving as parts of Settings."""

    def with_images(self, tokens: int, seen: int) -> int:
        """The sequence with its visual tokens: a guessed length grows to hold them, a stated one is remarked on."""
        if seen <= tokens or not seen:
            return tokens
        if self.number("train.sequence_tokens") or self.number("train.max_length"):
            self.assume("assumed.images_exceed", seen=seen, tokens=tokens)
            return tokens
        self.assume("assumed.text_beside_images", seen=seen, text=_TEXT)
        return seen + _TEXT

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
            self.assume("assumed.image_fixed")
            return replace(found, count=1)
        if self.facts.get("oom.module") in _SEES:
            self.assume("assumed.image_where_it_failed")
            return replace(found, count=1)
        if not found.max_pixels:
            self.assume("assumed.no_image")
            return found
        side = self.model.vision.patch * self.model.vision.merge
        most = min(found.max_pixels, tokens * side * side)  # an image does not outgrow the sample that holds it
        self.assume("assumed.image_at_limit", pixels=most)
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
                self.assume(f"assumed.spread_{kind}")
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
