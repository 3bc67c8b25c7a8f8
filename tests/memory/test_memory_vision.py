"""Visual tokens of one image by each family's rule; the figures are worked examples of the families' own documents."""

import pytest

from oomdoc.memory.catalog import resolve
from oomdoc.memory.settings import Images
from oomdoc.memory.vision import resized, visual


@pytest.mark.parametrize(
    ("model", "images", "tokens", "patches"),
    [
        ("Qwen2.5-VL-7B-Instruct", Images(1, height=480, width=640), 391, 1564),
        ("Qwen2.5-VL-7B-Instruct", Images(1, height=1080, width=1920), 2691, 10764),
        ("Qwen2.5-VL-7B-Instruct", Images(1, height=3024, width=4032), 15552, 62208),
        ("Qwen2-VL-7B-Instruct", Images(2, height=1024, width=1024), 2738, 10952),
        ("InternVL2_5-8B", Images(1, tiles=12), 3328, 13312),
        ("Ovis2-4B", Images(1, tiles=9), 2560, 10240),
        ("glm-4v-9b", Images(1), 1600, 6400),
        ("llava-1.5-7b-hf", Images(1), 576, 576),
    ],
)
def test_tokens_and_patches_of_an_image(model: str, images: Images, tokens: int, patches: int) -> None:
    found = resolve(model)
    assert found is not None
    seen = visual(found, images)
    assert (seen.tokens, seen.patches) == (tokens, patches)


def test_a_pixel_limit_bounds_the_tokens() -> None:
    found = resolve("Qwen2.5-VL-7B-Instruct")
    assert found is not None
    assert visual(found, Images(1, height=3024, width=4032, max_pixels=1_003_520)).tokens <= 1280


def test_no_images_are_no_tokens() -> None:
    found = resolve("Qwen2.5-VL-7B-Instruct")
    assert found is not None
    assert visual(found, Images()).tokens == 0


def test_sides_are_rounded_to_the_factor_within_the_bounds() -> None:
    assert resized(1024, 1024, 28, 3136, 12_845_056) == (1036, 1036)
    tall, wide = resized(5000, 3000, 28, 3136, 1_003_520)
    assert tall % 28 == wide % 28 == 0
    assert tall * wide <= 1_003_520
