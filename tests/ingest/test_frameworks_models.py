"""Which model a script or a configuration names, and what only looks like one."""

import pytest

from oomdoc.ingest.settings import ingest_settings
from oomdoc.ingest.syntax.detect import parse


def models(text: str, name: str) -> list[object]:
    found = ingest_settings([parse(text, name)], "")
    return list(dict.fromkeys(fact.value for fact in found.facts if fact.name == "model.path"))


@pytest.mark.parametrize(
    "text",
    [
        "MODEL = 'acme/Qwen2.5-7B-tuned'\nmodel = AutoModelForCausalLM.from_pretrained(MODEL)\n",
        "model_id = 'acme/Qwen2.5-7B-tuned'\nload(model_id)\n",
        "model = 'acme/Qwen2.5-7B-tuned'\npipe = pipeline(model, backend_config=cfg)\n",
        "llm = LLM(model='acme/Qwen2.5-7B-tuned', tensor_parallel_size=2)\n",
        "path = 'acme/Qwen2.5-7B-tuned'\npipe = DiffusionPipeline.from_pretrained(path)\n",
        "pipe = pipeline('text-generation', model='acme/Qwen2.5-7B-tuned')\n",
        "class Config:\n    MODEL_NAME = 'acme/Qwen2.5-7B-tuned'\n",
        "def load(model_name='acme/Qwen2.5-7B-tuned'):\n    return AutoModel.from_pretrained(model_name)\n",
    ],
)
def test_code_names_its_model(text: str) -> None:
    assert models(text, "train.py") == ["acme/Qwen2.5-7B-tuned"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("model = '/mnt/x/InternVL2-40B'\n", "/mnt/x/InternVL2-40B"),
        ("checkpoint = '../weights/llama-3-8b'\n", "../weights/llama-3-8b"),
    ],
)
def test_a_local_path_with_a_models_name_in_it_is_the_model(text: str, value: str) -> None:
    assert models(text, "train.py") == [value]


@pytest.mark.parametrize(
    "text",
    [
        "model = args.model\nllm = LLM(model=args.model)\n",
        "model = 'my nice model of the year 2024'\n",
        "checkpoint = 'output/checkpoint-500'\n",
        "model = 'configs/llama.yaml'\n",
        "pretrained = True\nmodel = resnet50(pretrained=True)\n",
        "tokenizer = AutoTokenizer.from_pretrained('acme/Qwen2.5-7B-tuned')\n",
        "dataset = load_dataset('acme/alpaca-7b-answers')\n",
        "pipe = pipeline('text-generation')\n",
    ],
)
def test_what_is_no_model_names_none(text: str) -> None:
    assert models(text, "train.py") == []


def test_code_that_computes_a_list_is_no_list() -> None:
    parsed = parse("config = LoraConfig(r=8, target_modules=find_linear_names(model))\n", "train.py")
    names = {fact.name for fact in ingest_settings([parsed], "").facts}
    assert "lora.rank" in names
    assert "lora.target_modules" not in names
