"""Which model a log names by the place that its code and weights came from."""

import pytest

from oomdoc.ingest.document import plain
from oomdoc.ingest.loaded import read
from oomdoc.ingest.syntax.dumps import find_dumps

MODULES = "/root/.cache/huggingface/modules/transformers_modules"
COMMIT = "01328faefe122fe605c1c127b62e6031d3ffebf7"


def named(text: str) -> dict[str, object]:
    return {fact.name: fact.value for fact in read(plain(text))}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f'  File "{MODULES}/glm-4v-9b/visual.py", line 77, in forward', "glm-4v-9b"),
        (f'  File "{MODULES}/THUDM/chatglm3-6b/{COMMIT}/modeling_chatglm.py", line 9, in f', "THUDM/chatglm3-6b"),
        (f'  File "{MODULES}/Ovis2-4B/{COMMIT}/modeling_ovis.py", line 9, in f', "Ovis2-4B"),
        (
            f'  File "{MODULES}/openbmb/MiniCPM_hyphen_V_hyphen_2_dot_6/{COMMIT}/modeling_minicpmv.py", line 9',
            "openbmb/MiniCPM-V-2.6",
        ),
        (
            r'  File "C:\Users\a\.cache\huggingface\modules\transformers_modules\Qwen\Qwen-VL\visual.py", line 9',
            "Qwen/Qwen-VL",
        ),
        (
            f"<class 'transformers_modules.Qwen.Qwen-VL-Chat.{COMMIT}.modeling_qwen.QWen'>",
            "Qwen/Qwen-VL-Chat",
        ),
        ("loading /hub/models--Qwen--Qwen2.5-0.5B/snapshots/1/model.safetensors", "Qwen/Qwen2.5-0.5B"),
    ],
)
def test_remote_code_and_hub_caches_name_the_model(path: str, name: str) -> None:
    assert named(path) == {"model.name": name}


@pytest.mark.parametrize(
    "text",
    [
        f'  File "{MODULES}/checkpoint-500/modeling_chatglm.py", line 9, in forward',
        f'  File "{MODULES}/my_merged_weights/modeling_chatglm.py", line 9, in forward',
        "/hub/models--Qwen--Qwen2.5-0.5B/a and /hub/models--openai--clip-vit-large-patch14/b",
        "/hub/datasets--tatsu-lab--alpaca/snapshots/1",
        "[INFO] loading data...",
        "loading configuration file /data/output/checkpoint-300/config.json",
    ],
)
def test_folders_of_any_name_and_several_models_name_none(text: str) -> None:
    assert named(text) == {}


@pytest.mark.parametrize(
    ("text", "fact", "value"),
    [
        ("[INFO:swift] Loading the model using model_dir: /data/hub/AIDC-AI/Ovis2-4B", "model.name", "Ovis2-4B"),
        ("[INFO|configuration_utils.py:1] loading configuration file /w/q7/config.json", "model.path", "/w/q7"),
        ("12:00:01 INFO:Loading TheBloke_zephyr-7B-alpha-GPTQ...", "model.name", "TheBloke_zephyr-7B-alpha-GPTQ"),
        ("[INFO] loading DeepFloyd IF-I-XL...", "model.name", "DeepFloyd IF-I-XL"),
        ("Initializing a V0 LLM engine (v0.7.3) with config: model='a/b-7b', dtype=x", "model.path", "a/b-7b"),
    ],
)
def test_lines_of_loading_name_the_model_or_its_folder(text: str, fact: str, value: str) -> None:
    assert named(text) == {fact: value}


def test_what_a_program_says_that_it_sets_is_a_setting() -> None:
    text = "[INFO:swift] Setting args.lazy_tokenize: True\n[INFO:swift] Setting model_type: ovis2\nSetting up: a_b\n"
    found = {item.key: (item.value, item.line) for dump in find_dumps(text) for item in dump.settings}
    assert found == {"lazy_tokenize": (True, 1), "model_type": ("ovis2", 2)}
