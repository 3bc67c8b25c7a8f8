"""Configurations that programs print about themselves, whole and cut off."""

import pytest

from oomdoc.ingest.syntax.dumps import find_dumps


def values(text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for dump in find_dumps(text, "log"):
        for setting in dump.settings:
            assert setting.value_span is not None
            assert text[slice(*setting.value_span)] == setting.raw
            assert setting.kind == "dump"
            found[setting.key] = setting.value
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[INFO] Namespace(a=1, b='x, y', c=None, d=[1, 2], e=<Enum.STEPS: 'steps'>, f=<class 'x.Y'>)",
         {"a": 1, "b": "x, y", "c": None, "d": (1, 2), "e": "steps", "f": "x.Y"}),
        ("argparse.Namespace(batch_size=4)", {"batch_size": 4}),
        ("Seq2SeqTrainingArguments(\n_n_gpu=1,\nbf16=True,\nfsdp=[],\nlr_kwargs={'num_cycles': 0.5},\nlr=1e-05,\n)\n",
         {"_n_gpu": 1, "bf16": True, "fsdp": (), "lr_kwargs": "{'num_cycles': 0.5}", "lr_kwargs.num_cycles": 0.5,
          "lr": 1e-5}),
        ("server_args=ServerArgs(model_path='m', tp_size=2, mem=0.8)", {"model_path": "m", "tp_size": 2, "mem": 0.8}),
        ("[INFO:x] args: {'model': 'm', 'bs': 4, 'shape': (1, 2)}",
         {"model": "m", "bs": 4, "shape.0": 1, "shape.1": 2, "shape": (1, 2)}),
        ('Model config LlamaConfig {\n  "hidden_size": 4096,\n  "rope": {\n    "theta": 1e6\n  }\n}\n',
         {"hidden_size": 4096, "rope.theta": 1e6}),
        ("[2024] [INFO] [config.py:1:print]   zero_stage ........ 2\n[2024] [INFO]   cfg ...... stage=2 cpu=False\n",
         {"zero_stage": 2, "cfg": "stage=2 cpu=False", "cfg.stage": 2, "cfg.cpu": False}),
        ("(Task pid=12) {'trainer': {'n_gpus': 8,\n(Task pid=12)  'nnodes': 1}}\n",
         {"trainer.n_gpus": 8, "trainer.nnodes": 1}),
        ("| Parameter | Value |\n|---|---|\n| max_length | 2048 |\n| `lora_rank` | `8` |\n",
         {"max_length": 2048, "lora_rank": 8}),
        ("│ batch_size │ 4 │\n│ lr │ 1e-4 │\n", {"batch_size": 4, "lr": 1e-4}),
        ("loader: n_ctx      = 4096\nloader: n_batch    = 512\n", {"n_ctx": 4096, "n_batch": 512}),
        ("engine/trainer: task=detect, mode=train, model=y.pt, batch=16, imgsz=[640, 480], amp=True\n",
         {"task": "detect", "mode": "train", "model": "y.pt", "batch": 16, "imgsz": (640, 480), "amp": True}),
        ('Args { model_id: "m", num_shard: Some(\n  4,\n), quantize: None, port: 80 }',
         {"model_id": "m", "num_shard": 4, "quantize": None, "port": 80}),
    ],
)  # fmt: skip
def test_printed_configurations_are_read(text: str, expected: dict[str, object]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{'loss': 2.28, 'grad_norm': 4.05, 'learning_rate': 9.9e-05, 'epoch': 0.11}",
        "args = TrainingArguments(output_dir=path, bf16=True, lr=1e-4)",
        "    model = Wrapper(net, device_ids=ids, output_device=0)",
        "(q_proj): Linear(in_features=4096, out_features=4096, bias=True)",
        "def f(self, config: Config(a=1)):",
        "Epoch: loss=0.1, acc=0.9, lr=1e-4, step=3, time=2, eta=4",
        " 13%|████▋    | 6/45 [01:21<08:46, 13.51s/it]",
        "| 0  NVIDIA A100 | 40536MiB / 81920MiB |   100%  |",
        "Waiting ........ done",
        "class Config(object):",
    ],
)
def test_code_metrics_and_progress_are_no_dumps(text: str) -> None:
    assert values(text) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Namespace(a=1, b='x', c=[1, 2", {"a": 1, "b": "x"}),
        ("cfg: Wrapper(a=1, b=2, rank={}\n[...]\n[INFO] Setting x: 3 (y)\n", {"a": 1, "b": 2, "rank": "{}"}),
        ("TrainingArguments(\na=1,\nb=2,\nc=3,\nTraceback (most recent call last):\n", {"a": 1, "b": 2}),
        ("args: {'a': 1, 'b': {'c': 2, 'd", {"a": 1, "b.c": 2}),
    ],
)
def test_a_dump_that_was_cut_gives_what_is_there(text: str, expected: dict[str, object]) -> None:
    found = values(text)
    assert {key: found.get(key) for key in expected} == expected
    assert not any(dump.complete for dump in find_dumps(text))


def test_a_dump_knows_its_name_line_and_place() -> None:
    text = "x\ny\nINFO args: SftArguments(a=1, b=2, c=3)\n"
    (dump,) = find_dumps(text)
    assert (dump.name, dump.line, text[slice(*dump.span)]) == ("SftArguments", 3, "SftArguments(a=1, b=2, c=3)")
    assert {setting.scope for setting in dump.settings} == {"SftArguments"}
