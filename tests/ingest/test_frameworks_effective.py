"""The run that really happened: processes, parallel kind, global batch, LoRA's reach."""

import pytest

from oomdoc.facts.fact import TRUST, Fact, Source
from oomdoc.facts.model import Value
from oomdoc.ingest.convert import SILENT, convert
from oomdoc.ingest.frameworks import Parameter
from oomdoc.ingest.settings import ingest_settings
from oomdoc.ingest.syntax import shell
from oomdoc.ingest.towers import reached_by_count, reached_by_names
from oomdoc.ingest.version_range import RangeError, bounds, contains, parse_version, representative


def values(command: str, **known: Value) -> dict[str, Value]:
    stated = [
        Fact(name=name.replace("__", "."), value=value, source=Source(how="log")) for name, value in known.items()
    ]
    best: dict[str, Fact] = {}
    for fact in [*stated, *ingest_settings([shell.parse(command + "\n", "run.sh")], "", stated).facts]:
        held = best.get(fact.name)
        if held is None or TRUST[fact.source.how] < TRUST[held.source.how]:
            best[fact.name] = fact
    return {name: fact.value for name, fact in best.items()}


HF = "run_clm.py --per_device_train_batch_size 2 --gradient_accumulation_steps 4"


@pytest.mark.parametrize(
    ("command", "launcher", "world", "kind"),
    [
        (f"torchrun --nproc_per_node 4 {HF}", "torchrun", 4, "ddp"),
        (f"torchrun --nproc-per-node=2 --nnodes=2 {HF}", "torchrun", 4, "ddp"),
        (f"python -m torch.distributed.run --nproc_per_node 8 {HF}", "torchrun", 8, "ddp"),
        (f"torchrun --nproc_per_node 1 {HF}", "torchrun", 1, "none"),
        (f"deepspeed --num_gpus 2 {HF} --deepspeed zero3.json", "deepspeed", 2, "zero"),
        (f"deepspeed --include localhost:0,3 {HF} --deepspeed zero2.json", "deepspeed", 2, "zero"),
        (f"CUDA_VISIBLE_DEVICES=0,1,2 deepspeed {HF} --deepspeed zero2.json", "deepspeed", 3, "zero"),
        (f"accelerate launch --num_processes 4 {HF} --fsdp full_shard", "accelerate", 4, "fsdp"),
        (f"CUDA_VISIBLE_DEVICES=0 python {HF}", "python", 1, "none"),
        (f"CUDA_VISIBLE_DEVICES=0,1 python {HF}", "python", 1, "dp"),
        ("NPROC_PER_NODE=2 swift sft --model a --train_type lora", "torchrun", 2, "ddp"),
        ("CUDA_VISIBLE_DEVICES=0,1 llamafactory-cli train --stage sft --template x", "torchrun", 2, "ddp"),
    ],
)
def test_who_starts_what(command: str, launcher: str, world: int, kind: str) -> None:
    found = values(command)
    assert (found["parallel.launcher"], found["parallel.world_size"], found["parallel.kind"]) == (launcher, world, kind)


def test_unset_variables_leave_the_number_of_processes_unknown() -> None:
    found = values(f"torchrun --nproc_per_node $GPUS {HF}")
    assert found["parallel.launcher"] == "torchrun"
    assert "parallel.world_size" not in found
    assert "parallel.kind" not in found


def test_plain_python_says_nothing_while_the_cards_are_unknown() -> None:
    assert "parallel.kind" not in values(f"python {HF}")
    assert values(f"python {HF}", hardware__gpu_count=4)["parallel.kind"] == "dp"


def test_global_batch_counts_every_device() -> None:
    assert values(f"torchrun --nproc_per_node 4 {HF}")["train.global_batch_size"] == 32
    assert values(f"CUDA_VISIBLE_DEVICES=0,1 python {HF}")["train.global_batch_size"] == 16


def test_swift_fills_accumulation_up_to_sixteen_samples() -> None:
    base = "swift sft --model a --train_type lora --per_device_train_batch_size 2"
    assert values(f"NPROC_PER_NODE=2 {base}")["train.gradient_accumulation_steps"] == 4
    assert values(f"NPROC_PER_NODE=2 {base} --gradient_accumulation_steps 1")["train.gradient_accumulation_steps"] == 1


@pytest.mark.parametrize(
    ("model", "targets", "reached"),
    [
        ("Qwen2.5-VL-7B", ["q_proj", "v_proj"], False),
        ("Qwen2.5-VL-7B", ["q_proj", "down_proj"], True),
        ("Qwen2-VL-7B", ["q_proj", "down_proj"], False),
        ("glm-4v-9b", ["query_key_value"], True),
        ("glm-4v-9b", [r".*encoder\.layers.*query_key_value"], False),
        ("Qwen2.5-VL-7B", [r"^(?!.*visual).*(q_proj|gate_proj)$"], False),
        ("llava-1.5-7b", ["q_proj"], True),
        ("Qwen2.5-VL-7B", ["all-linear"], True),
        ("Llama-3-8B", ["q_proj"], None),
        ("Qwen2.5-VL-7B", ["(unclosed"], None),
    ],
)
def test_targets_match_the_tower_as_peft_matches(model: str, targets: list[str], reached: bool | None) -> None:
    assert reached_by_names(model, targets) is reached


@pytest.mark.parametrize(
    ("rank", "trainable", "reached"),
    [(8, 6_397_952, True), (4, 3_198_976, True), (None, 3_198_976, True), (8, 2_785_280, False), (8, 1_000_003, None)],
)
def test_the_printed_count_tells_whether_the_tower_trains(
    rank: int | None, trainable: int, reached: bool | None
) -> None:
    """The counts of zai-org/GLM-4 #501, #281 and #244."""
    assert reached_by_count("glm-4v-9b", ["query_key_value"], rank, trainable) is reached


def option(**fields: object) -> Parameter:
    return Parameter.model_validate(fields)


@pytest.mark.parametrize(
    ("parameter", "written", "canonical"),
    [
        (option(fact="train.max_length", unset=[-1]), -1, None),
        (option(fact="train.max_length"), "$LENGTH", SILENT),
        (option(fact="train.max_length"), "long", SILENT),
        (option(fact="image.max_pixels"), "1280*28*28", 1_003_520),
        (option(fact="image.max_pixels", scale=1024), 4096, 4_194_304),
        (option(fact="image.max_pixels", reads="square"), 512, 262_144),
        (option(fact="train.gradient_checkpointing", invert=True), True, False),
        (option(fact="train.precision", reads="dtype"), "torch.bfloat16", "bfloat16"),
        (option(fact="train.precision", reads="dtype"), "int3", SILENT),
        (option(fact="parallel.zero_stage", reads="zero-stage"), "examples/deepspeed/ds_z3_offload_config.json", 3),
        (option(fact="parallel.zero_stage", reads="zero-stage"), "scripts/zero2.json", 2),
        (option(fact="parallel.zero_stage", reads="zero-stage"), "my_config.json", SILENT),
        (option(fact="parallel.zero_stage", reads="zero-stage"), None, None),
        (option(fact="parallel.offload", reads="zero-offload"), "zero2_offload", "optimizer"),
        (option(fact="parallel.offload", reads="zero-offload"), "zero3", "none"),
        (option(fact="lora.target_modules"), "q_proj,v_proj", ("q_proj", "v_proj")),
        (option(fact="lora.target_modules"), r"^(?!.*visual).*q_proj$", (r"^(?!.*visual).*q_proj$",)),
        (option(fact="hardware.gpu_count", reads="length"), "0,1,2", 3),
        (option(fact="image.resolution", reads="first-number"), "1024,768", 1024),
        (option(fact="image.max_pixels", reads="member", member="max_pixels"), '{"max_pixels": 7}', 7),
        (option(fact="image.max_pixels", reads="member", member="max_pixels"), "{broken", SILENT),
        (option(fact="train.stage", reads="stem"), "something-else", SILENT),
    ],
)
def test_values_become_canonical_or_silent(parameter: Parameter, written: Value, canonical: object) -> None:
    found = convert(parameter, written)
    assert found is canonical or found == canonical


@pytest.mark.parametrize(
    ("versions", "version", "inside"),
    [
        ("", "1.0", True),
        (">=3.0", "3.0.0", True),
        (">=3.0,<4", "4.0", False),
        ("<0.9.1", "0.9.0.dev0+cu121", True),
        (">4.44.2", "4.44.2", False),
        ("==2.0", "2", True),
    ],
)
def test_ranges(versions: str, version: str, inside: bool) -> None:
    assert contains(versions, parse_version(version)) is inside


def test_a_range_without_the_preferred_version_gives_the_newest_it_allows() -> None:
    found = representative("<3.0", parse_version("3.8"))
    assert found is not None
    assert contains("<3.0,>2.6", found)
    assert representative("<1,>2", parse_version("3")) is None
    with pytest.raises(RangeError):
        bounds("newer than 3")


@pytest.mark.parametrize(("stage", "kind"), [(3, "zero"), (None, "ddp")])
def test_the_processes_that_a_log_printed_make_the_parallel_kind_where_no_command_is_seen(
    stage: int | None, kind: str
) -> None:
    stated = [
        Fact(name=name, value=value, source=Source(how="log"))
        for name, value in {"parallel.world_size": 4, "parallel.zero_stage": stage}.items()
    ]
    found = {fact.name: fact.value for fact in ingest_settings([], "", stated).facts}
    assert found["parallel.kind"] == kind


def test_of_two_commands_the_one_before_the_crash_counts() -> None:
    text = "swift sft --model a/works-4B --train_type lora\n\nswift sft --model b/fails-4B --train_type lora\n"
    parsed = shell.parse(text, "x")
    for line, model in ((4, "b/fails-4B"), (2, "a/works-4B")):
        crash = Fact(name="oom.gpu_index", value=0, source=Source(how="log", file="x", line=line))
        facts = ingest_settings([parsed], "", [crash]).facts
        assert next(fact.value for fact in facts if fact.name == "model.path") == model


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
        ("/data/models/Qwen2.5-7B-Instruct/", "Qwen2.5-7B-Instruct"),
        ("./Wan2.1-T2V-1.3B", "Wan2.1-T2V-1.3B"),
        ("output/my-run/checkpoint-500", None),
    ],
)
def test_a_path_names_the_model_where_it_reads_like_one(path: str, name: str | None) -> None:
    assert values(f"torchrun --nproc_per_node 1 {HF} --model_name_or_path {path}").get("model.name") == name


def test_the_model_that_was_launched_beats_what_a_person_calls_it() -> None:
    said = Fact(name="model.name", value="Qwen-13B-chat", source=Source(how="told"))
    parsed = shell.parse(f"torchrun --nproc_per_node 1 {HF} --model_name_or_path /home/Qwen1.5-14B-Chat/\n", "run.sh")
    names = [fact for fact in [said, *ingest_settings([parsed], "", [said]).facts] if fact.name == "model.name"]
    assert min(names, key=lambda fact: TRUST[fact.source.how]).value == "Qwen1.5-14B-Chat"
