"""What a run was doing when it failed, from frames and from the lines before."""

import pytest

from oomdoc.facts import base, vocabulary
from oomdoc.ingest import phases, tracebacks
from oomdoc.ingest.document import plain
from oomdoc.ingest.read import read_text

SITE = "/venv/lib/python3.11/site-packages"


def judged(*frames: tuple[str, str, str]) -> phases.Judgement:
    text = "Traceback (most recent call last):\n"
    for file, function, code in frames:
        text += f'  File "{file}", line 12, in {function}\n    {code}\n'
    document = plain(text + "RuntimeError: CUDA out of memory.\n")
    (found,) = tracebacks.find(document)
    return phases.judge(document, found, found.end_line)


TRAIN = (f"{SITE}/transformers/trainer.py", "_inner_training_loop", "tr_loss_step = self.training_step(model, inputs)")


@pytest.mark.parametrize(
    ("frames", "phase", "subphase", "module"),
    [
        ([(f"{SITE}/torch/_tensor.py", "backward", "torch.autograd.backward(")], "train", "backward", None),
        (
            [(f"{SITE}/torch/optim/adamw.py", "_init_group", "torch.zeros_like(p)")],
            "train",
            "optimizer_step",
            "optimizer",
        ),
        (
            [(f"{SITE}/transformers/trainer.py", "evaluation_loop", "logits = self.gather_function((logits))")],
            "eval",
            "gather",
            "gather_outputs",
        ),
        (
            [(f"{SITE}/transformers/trainer.py", "_save_checkpoint", "self.save_model(")],
            "save",
            None,
            "checkpoint_save",
        ),
        (
            [(f"{SITE}/transformers/trainer.py", "_load_optimizer_and_scheduler", "torch.load(")],
            "resume",
            None,
            "checkpoint_load",
        ),
        ([("run.py", "main", "AutoModel.from_pretrained(path)")], "load", None, "weights_load"),
        (
            [
                ("run.py", "main", "x = 1"),
                (f"{SITE}/vllm/worker/worker.py", "determine_num_available_blocks", "self.model_runner.profile_run()"),
            ],
            "init",
            None,
            "kv_cache",
        ),
        (
            [(f"{SITE}/torch/nn/parallel/distributed.py", "__init__", "self._ddp_init_helper(")],
            "init",
            None,
            "ddp_init",
        ),
        (
            [(f"{SITE}/deepspeed/runtime/zero/stage3.py", "step", "self._optimizer_step(i)")],
            "train",
            "optimizer_step",
            "optimizer",
        ),
        ([("train.py", "validate", "out = net(x)")], "eval", None, None),
    ],
)
def test_frames_tell_phase_part_and_module(
    frames: list[tuple[str, str, str]], phase: str, subphase: str | None, module: str | None
) -> None:
    found = judged(*([TRAIN] if phase in {"train", "eval", "save"} and "validate" not in str(frames) else []), *frames)
    assert (found.phase, found.subphase, found.module) == (phase, subphase, module)


def test_vision_tower_wins_over_the_attention_inside_it() -> None:
    found = judged(
        TRAIN,
        (f"{SITE}/transformers/models/q/modeling_q.py", "forward", "image_embeds = self.visual(pixel_values)"),
        (f"{SITE}/transformers/models/q/modeling_q.py", "forward", "attn_weights = torch.matmul(q, k)"),
    )
    assert (found.phase, found.module) == ("train", "vision_tower")
    assert found.function == "modeling_q.py:forward"


def test_own_names_never_outweigh_a_library() -> None:
    found = judged(("my.py", "evaluate", "go()"), (f"{SITE}/torch/_tensor.py", "backward", "torch.autograd.backward("))
    assert found.phase == "train"


def test_unknown_code_stays_unknown() -> None:
    assert judged(("a.py", "spam", "eggs()")).phase is None


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("Loading checkpoint shards:  50%|##  | 2/4 [00:10<00:10,  5.00s/it]", "load"),
        ("***** Running training *****", "train"),
        ("***** Running Evaluation *****", "eval"),
        ("Saving model checkpoint to out/checkpoint-500", "save"),
        ("INFO worker.py:267] Memory profiling takes 3.25 seconds", "init"),
    ],
)
def test_lines_before_the_message_tell_the_phase(line: str, phase: str) -> None:
    document = plain(f"hello\n{line}\nCUDA out of memory\n***** Running Prediction *****")
    found = phases.judge(document, None, 3)
    assert (found.phase, found.evidence) == (phase, (2,))


def progress(text: str) -> dict[str, object]:
    return {fact.name: fact.value for fact in phases.progress(plain(text))}


def test_steps_of_a_training_bar() -> None:
    facts = progress("***** Running training *****\n  5%|#   | 12/240 [00:10<03:00,  1.1it/s]\nCUDA out of memory")
    assert facts == {"run.step": 12, "run.total_steps": 240, "run.first_step_failed": False}


def test_nothing_done_is_a_first_step_that_failed() -> None:
    facts = progress("***** Running training *****\n  0%|    | 0/240 [00:00<?, ?it/s]\nCUDA out of memory")
    assert facts["run.first_step_failed"] is True
    assert facts["run.step"] == 0


def test_bars_of_loading_and_mapping_are_no_steps() -> None:
    text = (
        "Loading checkpoint shards: 10%|# | 1/9 [00:01<00:08, 1.0s/it]\n"
        "Map: 20%|## | 200/1000 [00:01<00:04, 200 examples/s]"
    )
    assert progress(text) == {}


def test_evaluation_bar_after_training() -> None:
    text = (
        "***** Running training *****\n 50%|##  | 100/200 [01:00<01:00, 1.6it/s]\n"
        "***** Running Evaluation *****\n 10%|#   | 7/70 [00:01<00:09, 7.0it/s]\nCUDA out of memory"
    )
    assert progress(text)["run.eval_step"] == 7


def test_every_phase_and_module_is_a_choice_of_the_vocabulary() -> None:
    logs = base.section("logs")
    allowed = {
        "phase": vocabulary.term("run.phase"),
        "subphase": vocabulary.term("run.subphase"),
        "module": vocabulary.term("oom.module"),
    }
    for entry in (*logs["frames.yaml"]["frames"], *logs["phases.yaml"]["signs"]):
        for key, term in allowed.items():
            assert term is not None
            assert entry.get(key) is None or entry[key] in term.choices, entry


def test_a_bar_before_the_training_is_announced_counts_no_steps() -> None:
    caching = (
        "caching latents...\n100%|####| 48/48 [00:00<00:00, 900.1it/s]\nrunning training\n  num examples: 48\n"
        "CUDA out of memory\n"
    )
    assert "run.step" not in {fact.name for fact in read_text(caching).facts}
