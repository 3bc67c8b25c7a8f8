"""Whatever is pasted, reading settings never raises, stays cheap, and healthy text gives no complaint."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oomdoc.facts.vocabulary import term
from oomdoc.ingest.convert import SILENT, convert
from oomdoc.ingest.frameworks import Parameter, framework, raw_files
from oomdoc.ingest.settings import ingest_settings
from oomdoc.ingest.syntax import shell
from oomdoc.ingest.syntax.mixed import find_settings_in_text
from oomdoc.ingest.syntax.setting import Parsed, Setting

PARAMETERS = [one for name in sorted(raw_files()) for one in framework(name).parameters if one.fact]
WORDS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.text(max_size=30),
    st.sampled_from(
        ["zero3", "auto", "{", '{"a": 1}', "[1,2]", "0,1", "$X", "${Y}", "1e400", "9" * 400, "true", "None"]
    ),
    st.tuples(st.text(max_size=5), st.integers()),
)
TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "list": (tuple,),
}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PARAMETERS), WORDS)
def test_a_converted_value_has_the_type_of_its_fact_or_says_nothing(parameter: Parameter, value: object) -> None:
    found = convert(parameter, value)  # type: ignore[arg-type]
    if found is SILENT or found is None:
        return
    declared = term(parameter.fact or "")
    assert declared is not None
    assert isinstance(found, TYPES[declared.type])
    assert declared.type == "bool" or not isinstance(found, bool)
    assert not declared.choices or found in declared.choices


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=400))
def test_any_text_is_read_without_raising(text: str) -> None:
    found = ingest_settings([find_settings_in_text(text, "x")], text)
    assert all(term(fact.name) for fact in found.facts)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(sorted(raw_files())), st.integers(0, 500), WORDS), max_size=12))
def test_options_of_all_frameworks_mixed_are_read_without_raising(drawn: list[tuple[str, int, object]]) -> None:
    rows = []
    for line, (name, place, value) in enumerate(drawn, 1):
        names = [word for parameter in framework(name).parameters for word in parameter.names]
        if names:
            key = names[place % len(names)]
            rows.append(Setting(key, str(value), value, "x.yaml", line, (0, 1), (1, 2), "yaml"))  # type: ignore[arg-type]
    assert ingest_settings([Parsed("yaml", tuple(rows))]) is not None


@pytest.mark.parametrize(
    "text",
    [
        "swift sft --model a/b --train_type lora --max_length 2048 --torch_dtype bfloat16",
        "python train.py --epochs 10 --lr 3e-4 --max_pixel 5",
        "torchrun --nproc_per_node 2 run_clm.py --per_device_train_batch_size 2 --fp16 True",
        "docker run --gpus all -e NVIDIA_VISIBLE_DEVICES=all image",
        "pip install transformers==4.57.1 accelerate\nnvidia-smi\n",
    ],
)
def test_healthy_commands_give_no_complaint(text: str) -> None:
    assert ingest_settings([shell.parse(text + "\n", "run.sh")], text).issues == ()


def test_a_long_log_costs_little() -> None:
    text = "{'loss': 1.0, 'grad_norm': 0.3, 'epoch': 0.1}\n" * 200_000
    started = time.process_time()
    assert ingest_settings([], text).match is None
    assert time.process_time() - started < 1.0
