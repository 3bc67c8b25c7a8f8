"""What people claim about a failure becomes a fact of its own, in both languages, and its opposite does not."""

import pytest

from oomdoc.facts.case import Case
from oomdoc.facts.derive import derive
from oomdoc.ingest.read import read_text

CLAIMS = [
    ("report.fails_late", "It trains well until the fourth epoch, then it goes out of memory"),
    ("report.fails_late", "训练了三个小时之后显存溢出"),
    ("report.grows_over_time", "more and more GPU memory is used in every epoch"),
    ("report.grows_over_time", "The tensors of each batch are never freed"),
    ("report.large_images", "With 1920*1080 frames it runs out of memory"),
    ("report.large_images", "分辨率更高的图片就会爆显存"),
    ("report.fails_at_second", "the demo runs out of memory at the second image"),
    ("report.uneven_gpus", "第一张卡的显存爆了，其他卡还有很多显存"),
    ("report.all_on_first_gpu", "所有权重仍然被加载到了第一张显卡"),
    ("report.only_one_gpu_used", "只有GPU0显存一直在涨"),
    ("report.wants_splitting", "Is it possible to load the model on multiple GPUs?"),
    ("report.eval_only", "Training works with large batches, but the validation fails with out of memory"),
    ("report.worked_on_other_version", "Since I upgraded diffusers from 0.16 to 0.17 I get out of memory"),
    ("report.long_input_triggers", "it runs out of memory whenever the audio is long"),
    ("report.asks_requirement", "请问训练用的什么型号的显卡"),
    ("report.flash_missing", "I run it without flash attention and get OOM"),
    ("report.gpu_busy", "每张卡上跑了其他模型"),
    ("report.smaller_works", "6G显存只能batchsize=2"),
]


@pytest.mark.parametrize(("name", "text"), CLAIMS)
def test_a_claim_is_read(name: str, text: str) -> None:
    assert read_text(text).value(name) is True


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("report.large_images", "图片不算大，还是爆显存"),
        ("report.images_in", "![image](https://example.org/a.png)"),
        ("report.fails_at_second", "I run it on the second GPU"),
        ("report.grows_over_time", "there is no memory leak, it fails at once"),
    ],
)
def test_what_only_looks_like_a_claim_is_none(name: str, text: str) -> None:
    assert read_text(text).fact(name) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CUDA out of memory while fine-tuning on my data", "train"),
        ("微调的时候爆显存", "train"),
        ('out of memory\nFile "tools/train.py", line 3, in <module>', "train"),
        ("How much memory does inference need?", "inference"),
        ("推理一张图片就显存不足", "inference"),
        ("CUDA out of memory\nvllm serve some/model --max-model-len 4096", "serve"),
    ],
)
def test_what_the_run_was_for(text: str, kind: str) -> None:
    assert read_text(text).value("run.kind") == kind


def test_training_and_inference_in_one_breath_say_nothing() -> None:
    assert (
        read_text("after training, inference and demo: out of memory while training or testing").fact("run.kind")
        is None
    )


def test_a_run_fails_in_what_it_is_for_where_nothing_else_is_said() -> None:
    case: Case = derive(read_text("I get OOM when I do inference with the 7b model"))
    assert case.value("run.phase") == "inference"


def test_of_several_values_the_one_beside_the_failure_counts() -> None:
    case = read_text("batch_size=16 gives out of memory on my card.\nThe author has batch_size=40.")
    assert case.value("train.per_device_batch_size") == 16


def test_of_several_cards_the_person_s_own_counts() -> None:
    case = read_text("My GPU is A800 and it runs out of memory.\nThe paper needs a single A100 with 80 GB.")
    assert case.value("hardware.gpu_name") == "A800"


@pytest.mark.parametrize(
    ("text", "gigabytes"),
    [
        ("我的显卡只有8G显存", 8),
        ("6G显存训练就溢出", 6),
        ("I only have 12GB of VRAM", 12),
        ("on my 24GB GPU it fails", 24),
    ],
)
def test_the_size_of_a_card_in_prose(text: str, gigabytes: int) -> None:
    assert read_text(text).value("hardware.gpu_total_bytes") == gigabytes << 30


def test_memory_in_use_is_not_the_size_of_the_card() -> None:
    assert read_text("训练时占用20G显存左右").fact("hardware.gpu_total_bytes") is None


def test_the_side_of_an_image_in_the_tensor_that_failed() -> None:
    case = derive(read_text("ResourceExhaustedError: OOM when allocating tensor with shape[1,5095,3729,3]"))
    assert case.value("oom.tensor_side") == 3729
