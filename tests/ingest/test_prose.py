"""What people tell around a log, in English and Chinese."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomdoc.facts import base, vocabulary
from oomdoc.facts.fact import How
from oomdoc.ingest import gpu_names, model_names, prose
from oomdoc.ingest.document import plain

GIB = 1 << 30


def told(text: str) -> dict[str, object]:
    return {fact.name: fact.value for fact in prose.read(plain(text)) if fact.source.how is How.TOLD}


@pytest.mark.parametrize(
    ("text", "name", "count", "gib"),
    [
        ("running on 8xA100 80G", "A100", 8, 80),
        ("两张3090 都爆了", "3090", 2, None),
        ("单机八卡80G A800", "A800", 8, 80),
        ("a V100-32GB", "V100", None, 32),
        ("my GPU is a 2070s 8g", "2070s", None, 8),
        ("8 * H20(8 * 96G)", "H20", 8, None),
        ("A100-80Gx4", "A100", 4, None),
        ("four runs on A40 (48GB) * 6", "A40", 6, 48),
        ("three RTX 4090 (24GB)", "RTX 4090", 3, 24),
        ("NVIDIA GeForce RTX 3060 Laptop GPU", "NVIDIA GeForce RTX 3060 Laptop GPU", None, None),
        ("Radeon RX 7900 XTX", "Radeon RX 7900 XTX", None, None),
        ("昇腾910B 上训练", "昇腾910B", None, None),
        ("Apple M2 Ultra", "Apple M2 Ultra", None, None),
        ("with a T4 on Colab", "T4", None, None),
        ("on one l4 gpu", "l4", 1, None),
        ("用2个4090GPU训练", "4090", 2, None),
    ],
)
def test_cards_with_count_and_memory(text: str, name: str, count: int | None, gib: int | None) -> None:
    (found,) = gpu_names.find(text)
    assert (found.name, found.how_many, found.memory_bytes) == (name, count, gib and gib * GIB)
    assert text[found.start : found.end].strip() == name


@pytest.mark.parametrize(
    "text",
    [
        "step 3090/4000",
        "Qwen3-30B-A3B",
        "port 4090 is taken",
        "fig. A10 shows",
        "/data/a100/run",
        "loss 1080",
        "L4 norm",
    ],
)
def test_false_friends_are_no_cards(text: str) -> None:
    assert gpu_names.find(text) == []


def test_a_card_is_known_by_any_spelling() -> None:
    assert gpu_names.card("4090") == gpu_names.card("NVIDIA GeForce RTX 4090")
    assert gpu_names.vendor("昇腾910B") == "ascend"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "I fine-tune with LoRA on 2 GPUs, batch size 4 and bf16.",
            {
                "train.method": "lora",
                "hardware.gpu_count": 2,
                "train.per_device_batch_size": 4,
                "train.precision": "bfloat16",
            },
        ),
        (
            "用 zero3 做全参微调，开了梯度检查点",
            {"parallel.zero_stage": 3, "train.method": "full", "train.gradient_checkpointing": True},
        ),
        ("QLoRA, not plain lora", {"train.method": "qlora"}),
        ("We run it on 3 nodes with 8 GPUs each", {"hardware.gpu_count": 24}),
        ("两台机器，每台8卡，还是爆", {"hardware.gpu_count": 16}),
        ("You used a single A100 80G, my 2080 Ti is out of memory", {"hardware.gpu_name": "2080 Ti"}),
        ("论文里是多卡，我用4090单卡爆显存", {"hardware.gpu_name": "4090", "hardware.gpu_count": 1}),
        ("OOM with a T4\nWould an A100 do better?", {"hardware.gpu_name": "T4"}),
        ("Even with batch size 1 it is out of memory", {"train.per_device_batch_size": 1}),
        ("I reduced the batch size to 1, to no avail", {"train.per_device_batch_size": 1}),
        ("提示OOM，是在RLHF阶段", {"train.stage": "ppo"}),
        ("I lowered the batchsize from 6 to 1, yet on this card it still fails", {"train.per_device_batch_size": 1}),
        ("batch_size 也改成了1，还是爆", {"train.per_device_batch_size": 1}),
        ("I am trying to fine-tune with QLoRA and batch size 4: OOM", {"train.method": "qlora"}),
        ("OOM with two cards", {"hardware.gpu_count": 2}),
        ("RuntimeError: CUDA out of memory when I train on an A40", {"hardware.gpu_name": "A40"}),
        ("batch size默认为2，还是爆显存", {"train.per_device_batch_size": 2}),
        ("卡是3090，batch为3，还是不够", {"train.per_device_batch_size": 3}),
        ("I changed the batch_size from 48 to 24. It fails later", {"train.per_device_batch_size": 24}),
        ("I lowered the batch size to 2. It fails again", {"train.per_device_batch_size": 2}),
        ("a batch size like 12 fails at once", {"train.per_device_batch_size": 12}),
        ("it also occurs when the batch size is set to 3", {"train.per_device_batch_size": 3}),
        ("training with a reduced batch size of 3 always fails", {"train.per_device_batch_size": 3}),
        ("the batch size during evaluation is 1", {"eval.per_device_batch_size": 1}),
        ("CUDA memory is used up, mine is 4G", {"hardware.gpu_total_bytes": 4 * GIB}),
        ("an NVIDIA GeForce MX130 with 2 GB video RAM", {"hardware.gpu_name": "NVIDIA GeForce MX130"}),
        ("we train without gradient checkpointing", {"train.gradient_checkpointing": False}),
        ("没有开启gradient checkpointing", {"train.gradient_checkpointing": False}),
        ("lora rank 16 and cutoff_len = 8000", {"lora.rank": 16, "train.max_length": 8000}),
        ("The context length is 32k here", {"train.max_length": 32768}),
        ("the machine has 64GB of RAM", {"hardware.host_total_bytes": 64 * GIB}),
        (
            "In training, batch_size of 8 fits. In evaluation, batch_size of 4 ends in OOM",
            {"train.per_device_batch_size": 8, "eval.per_device_batch_size": 4},
        ),
    ],
)
def test_settings_in_prose(text: str, facts: dict[str, object]) -> None:
    found = told(text)
    assert {name: found.get(name) for name in facts} == facts


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("I tried batch size 8, 4, 2 and 1", "train.per_device_batch_size"),
        ("batch size 8 fails and so does batch size 4", "train.per_device_batch_size"),
        ("lowered the batch size to 2 and it runs", "train.per_device_batch_size"),
        ("batch_size改成2就可以", "train.per_device_batch_size"),
        ("这个模型一定要8个GPU吗", "hardware.gpu_count"),
        ("with bf16 or fp16 alike", "train.precision"),
        ("no flash attention here: without flash-attn", "model.attention"),
        ("a 4090 works fine", "hardware.gpu_count"),
    ],
)
def test_values_that_were_tried_or_denied_are_no_settings(text: str, fact: str) -> None:
    assert fact not in told(text)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("memory keeps growing during training", "report.grows_over_time"),
        ("显存一直涨，最后爆了", "report.grows_over_time"),
        ("it worked before the update", "report.worked_before"),
        ("以前同样的配置可以正常训练", "report.worked_before"),
        ("it crashes at random steps", "report.random_step"),
        ("there is still plenty of free memory", "report.free_memory_claimed"),
        ("显存明明还有空闲", "report.free_memory_claimed"),
        ("only one GPU is used", "report.only_one_gpu_used"),
        ("其他卡都空闲", "report.only_one_gpu_used"),
        ("even with a batch size of 1 it fails", "report.batch_one_fails"),
        ("即使bs=1也不行", "report.batch_one_fails"),
        ("with do_eval=False it runs to the end", "report.eval_only"),
        ("关闭验证之后就正常了", "report.eval_only"),
        ("how much VRAM do I need?", "report.asks_requirement"),
        ("请问需要多大显存", "report.asks_requirement"),
        ("GPU memory increases along with every loop", "report.grows_over_time"),
        ("memory will continue to increase until OOM", "report.grows_over_time"),
        ("after each epoch it takes up a bit of memory", "report.grows_over_time"),
        ("memory suddenly jumps in a random epoch", "report.memory_jumps"),
        ("OOM as soon as I train on videos", "report.large_images"),
        ("is it because my card is too small", "report.asks_requirement"),
        ("training a Gaussian splatting scene", "report.scene_fitted"),
    ],
)
def test_complaints(text: str, fact: str) -> None:
    assert told(text).get(fact) is True


@pytest.mark.parametrize(
    ("text", "is_text"),
    [
        ("LoRA training of SDXL is out of memory with this prompt", False),
        ("LoRA training is out of memory with this prompt", True),
        ("a llama that reads SDXL captions", True),
    ],
)
def test_words_that_image_models_share_make_no_language_model(text: str, is_text: bool) -> None:
    assert ("report.text_model" in told(text)) is is_text


def test_an_ordinary_question_claims_nothing() -> None:
    assert not [name for name in told("Hello, I get this error, please help. Thanks!") if name.startswith("report.")]


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("the OOM comes during validation", "eval"),
        ("保存模型的时候爆显存", "save"),
        ("it fails when loading the model", "load"),
        ("推理时显存不够", "inference"),
        ("训练到一半就爆了", "train"),
    ],
)
def test_phase_in_a_persons_words(text: str, phase: str) -> None:
    assert told(text)["run.phase"] == phase


def test_logs_and_commands_are_not_prose() -> None:
    text = "INFO 04-27 using fp16 on 8 GPUs\npython train.py --batch_size 4 --bf16 --lora\n{'loss': 1.0, 'epoch': 1}"
    assert told(text) == {}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fine-tune Qwen2.5-VL-7B-Instruct", "Qwen2.5-VL-7B-Instruct"),
        ("meta-llama/Llama-3.1-8B-Instruct fails", "meta-llama/Llama-3.1-8B-Instruct"),
        ("微调llama3 70b", "llama3 70b"),
        ("an SDXL run", "SDXL"),
    ],
)
def test_model_names(text: str, name: str) -> None:
    assert [found for found, _, _ in model_names.find(text)] == [name]


def test_a_size_may_stand_before_the_family() -> None:
    assert [name for name, _, _ in model_names.find("a 13b Vicuna-v1.5 and 7B Llama-2-7b-hf")] == [
        "Vicuna-v1.5-13b",
        "Llama-2-7b-hf",
    ]


def test_a_family_alone_is_no_model() -> None:
    assert model_names.find("I like Llama and Qwen") == []


def test_what_a_program_prints_about_itself_is_of_the_log() -> None:
    facts = prose.read(plain("  Instantaneous batch size per device = 8\n  Gradient Accumulation steps = 4\n"))
    assert {(fact.name, fact.value, fact.source.how) for fact in facts} == {
        ("train.per_device_batch_size", 8, How.LOG),
        ("train.gradient_accumulation_steps", 4, How.LOG),
    }


def test_every_phrase_compiles_and_names_a_known_fact() -> None:
    phrases = base.section("phrases")
    for entry in (*phrases["settings.yaml"]["settings"], *phrases["printed.yaml"]["printed"]):
        re.compile(entry["pattern"])
        assert vocabulary.term(entry["fact"]) is not None, entry["fact"]
    for entry in (*phrases["reports.yaml"]["reports"], *phrases["reports.yaml"]["anywhere"]):
        assert all(re.compile(source) for source in entry["any"])
        assert vocabulary.term(entry["fact"]) is not None, entry["fact"]


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    document = plain(text)
    for fact in prose.read(document):
        assert fact.source.line is not None
        assert fact.source.line <= max(len(document.lines), 1)
