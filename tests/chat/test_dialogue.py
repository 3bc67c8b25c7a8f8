"""Conversations over the shipped examples: start, question, what-if, plans, diff; wishes; pastes; hostile input."""

import time
from pathlib import Path

import pytest

from oomdoc.chat import predictions
from oomdoc.chat.reply import Effect, Outcome, Reply
from oomdoc.chat.session import Dialogue
from oomdoc.chat.understand import understand
from oomdoc.facts.base import root
from oomdoc.ingest.read import read_text
from oomdoc.report import blocks
from oomdoc.report import blocks_chat as chat
from oomdoc.report.blocks_chat_text import ChatText

EXAMPLES = root() / "examples"
BARE = """Traceback (most recent call last):
  File "train.py", line 40, in <module>
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has a total capacity of 23.69 GiB \
of which 211.00 MiB is free. Including non-PyTorch memory, this process has 23.48 GiB memory in use. Of the allocated \
memory 22.61 GiB is allocated by PyTorch, and 412.00 MiB is reserved by PyTorch but unallocated.
"""
FOLDERS = ("eval-crash", "glm-4v-lora", "llamafactory-qwen2.5-vl", "minimind", "ms-swift-ovis2", "xcomposer-4khd")


def kinds(drawn: tuple[chat.Block, ...]) -> list[type]:
    return [type(block) for block in drawn]


def of(drawn: tuple[chat.Block, ...], kind: type) -> list:
    return [block for block in drawn if isinstance(block, kind)]


@pytest.fixture
def told() -> Dialogue:
    """A conversation with no log, in which a run was described."""
    dialogue = Dialogue()
    dialogue.open()
    dialogue.say("Qwen2.5-7B, lora, batch 4, max_length 4096, on a RTX 4090 24G")
    return dialogue


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_example_from_start_to_diff(folder: str, language: str) -> None:
    """The greeting names what was read and the verdict; every turn answers, and something can be changed."""
    dialogue = Dialogue(language=language, folder=EXAMPLES / folder)
    opened = dialogue.open()
    assert blocks.VerdictBlock in kinds(opened)
    assert blocks.CauseBlock in kinds(opened)
    assert of(opened, chat.SayBlock)[0].sentences[0].count("train.log") == 1
    assert len(of(opened, blocks.QuestionBlock)) <= 1
    assert of(dialogue.say("why?").blocks, chat.SumBlock)
    said = dialogue.say("what if batch 1" if language == "en" else "batch 改成 1 呢")
    assert said.intent == "what_if"
    assert said.facts == {"train.per_device_batch_size": 1}
    assert of(said.blocks, chat.CompareBlock) or of(said.blocks, chat.SayBlock)
    plans = dialogue.say("what can I do?" if language == "en" else "有什么办法")
    assert plans.intent == "plans"
    assert of(plans.blocks, chat.PlansBlock) or of(plans.blocks, blocks.StepsBlock)
    if dialogue.plans:
        shown = dialogue.say("show me the diff").blocks
        assert of(shown, chat.DiffBlock) or of(shown, chat.SayBlock)
    for drawn in (opened, said.blocks, plans.blocks):
        assert "\x1b" not in ChatText(language).render(drawn)


def test_a_sum_of_evidence_adds_up() -> None:
    """The weights that are printed are the score that ranked the cause."""
    dialogue = Dialogue(folder=EXAMPLES / "ms-swift-ovis2")
    dialogue.open()
    (shown,) = of(dialogue.say("why?").blocks, chat.SumBlock)
    assert sum(row.weight for row in shown.rows) == pytest.approx(shown.total, abs=0.02)
    assert shown.cause == dialogue.diagnosis.findings[0].rule.cause


def test_why_not_compares_with_the_leading_cause() -> None:
    """The answer names both, and the sum of the one that was asked for."""
    dialogue = Dialogue(folder=EXAMPLES / "llamafactory-qwen2.5-vl")
    dialogue.open()
    reply = dialogue.say("why not fragmentation?")
    assert reply.terms == ["fragmentation"]
    assert of(reply.blocks, chat.SumBlock)[0].cause == "fragmentation"


def test_one_question_at_a_time_and_it_moves_on() -> None:
    """ "Don't know" is accepted, the same question never comes again, and the questions end."""
    dialogue = Dialogue(read_text(BARE))
    dialogue.open()
    asked = []
    while dialogue.question is not None:
        asked.append(dialogue.question.term.name)
        dialogue.say("don't know")
        assert len(asked) < 30
    assert asked
    assert len(set(asked)) == len(asked)


def test_an_answer_is_taken_for_the_question_that_waits() -> None:
    """A bare number or yes answers what was asked, and nothing else."""
    dialogue = Dialogue(read_text(BARE))
    dialogue.open()
    while dialogue.question is not None and dialogue.question.term.unit not in ("count", "tokens"):
        dialogue.say("don't know")
    assert dialogue.question is not None
    asked = dialogue.question.term.name
    reply = dialogue.say("2")
    assert reply.intent == "answer"
    assert reply.facts == {asked: 2}
    assert dialogue.case.value(asked) == 2


def test_a_what_if_leaves_the_case_alone(told: Dialogue) -> None:
    """Only answers and corrections change facts."""
    before = told.case.value("train.per_device_batch_size")
    reply = told.say("what if batch 1")
    (compared,) = of(reply.blocks, chat.CompareBlock)
    assert len(compared.rows) == 2
    assert compared.rows[1].device_bytes < compared.rows[0].device_bytes
    assert all(sum(part.bytes for part in row.segments) == row.device_bytes for row in compared.rows)
    assert told.case.value("train.per_device_batch_size") == before == 4


def test_a_correction_replaces_an_earlier_word(told: Dialogue) -> None:
    """The last word counts, and undo takes it back."""
    told.say("no, batch is 2")
    assert told.case.value("train.per_device_batch_size") == 2
    told.say("undo")
    assert told.case.value("train.per_device_batch_size") == 4


def test_the_largest_that_fits_is_really_the_largest(told: Dialogue) -> None:
    """What the capacity answer names fits; one step more does not surely fit."""
    assert told.say("no, the card is an A100 80G, and gradient checkpointing is on").intent == "correct"
    reply = told.say("what is the largest batch that fits?")
    (compared,) = of(reply.blocks, chat.CompareBlock)
    row = compared.rows[1]
    assert row.fits is True
    best = int(row.label.split()[-1].replace(",", ""))
    more = of(told.say(f"what if batch {best + 1}").blocks, chat.CompareBlock)[0].rows[1]
    assert more.fits is not True


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_plan_and_the_same_what_if_agree(folder: str) -> None:
    """The bar of a what-if is the figure of the plan that sets the same facts, within a tenth."""
    dialogue = Dialogue(folder=EXAMPLES / folder)
    dialogue.open()
    dialogue.say("what can I do?")
    state = dialogue._state
    for plan in dialogue.plans:
        shown = predictions.compare(state.run, dict(plan.sets), "plan", "en", state.measure).rows[-1]
        assert shown.device_bytes == pytest.approx(plan.device_bytes, rel=0.1)
        assert sum(part.bytes for part in shown.segments) == shown.device_bytes


def test_wishes_bind_the_plans(told: Dialogue) -> None:
    """What is kept or ruled out is changed by no plan."""
    told.say("keep 4096")
    told.say("I can't quantize")
    told.say("don't touch the batch")
    told.say("no, the model is Qwen2.5-32B")
    told.say("what can I do?")
    assert told.plans
    touched = {name for plan in told.plans for name in plan.sets}
    assert not touched & {"train.max_length", "quant.bits", "train.per_device_batch_size"}


def test_the_diff_comes_before_anything_is_written(tmp_path: Path) -> None:
    """ "apply" without a look shows the diff first; the file is untouched by the dialogue in any case."""
    for file in (EXAMPLES / "minimind").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    before = (tmp_path / "train.sh").read_bytes()
    dialogue = Dialogue(folder=tmp_path)
    dialogue.open()
    first = dialogue.say("apply")
    assert not first.effects
    assert of(first.blocks, chat.DiffBlock)
    second = dialogue.say("apply")
    assert [effect.kind for effect in second.effects] == ["apply"]
    assert (tmp_path / "train.sh").read_bytes() == before
    told = dialogue.done(second.effects[0], Outcome(True, "train.sh"))
    assert "train.sh" in of(told.blocks, chat.SayBlock)[0].sentences[0]
    assert [effect.kind for effect in dialogue.say("undo").effects] == ["undo"]


def test_verify_asks_for_a_dry_run_with_the_plan_in_force() -> None:
    """The facts of the effect hold the plan's values."""
    dialogue = Dialogue(folder=EXAMPLES / "minimind")
    dialogue.open()
    dialogue.say("show me the diff")
    (effect,) = dialogue.say("verify").effects
    assert effect.kind == "dry_run"
    assert all(effect.facts[name] == value for name, value in dialogue.plans[0].sets.items())


def test_an_unknown_utterance_gets_three_offers_that_are_understood() -> None:
    """What is offered is understood when it is said."""
    dialogue = Dialogue()
    reply = dialogue.say("我想吃火锅")
    assert reply.intent == "unknown"
    (offer,) = of(reply.blocks, chat.OfferBlock)
    assert len(offer.utterances) == 3
    assert all(dialogue.say(utterance).intent != "unknown" for utterance in offer.utterances)


def test_a_pasted_log_and_config_join_the_case() -> None:
    """Paste by paste the case grows, and the verdict follows."""
    dialogue = Dialogue()
    dialogue.open()
    log = (EXAMPLES / "minimind" / "train.log").read_text("utf-8")
    reply = dialogue.say(log)
    assert reply.intent == "paste"
    assert "oom.tried_to_allocate_bytes" in reply.facts
    assert dialogue.diagnosis.verdict.outcome == "oom"
    reply = dialogue.say((EXAMPLES / "minimind" / "train.sh").read_text("utf-8"))
    assert reply.facts["train.per_device_batch_size"] == 32
    assert dialogue.diagnosis.verdict.outcome == "oom"


def test_a_path_is_read_by_the_caller() -> None:
    """The dialogue asks; it does not block on a file."""
    reply = Dialogue().say("./train.log")
    assert reply.effects == (Effect("read", ("./train.log",)),)


def test_ten_megabytes_pasted_at_once() -> None:
    """Read within seconds, and the message in it is found."""
    line = "{'loss': 1.7342, 'grad_norm': 18.21, 'learning_rate': 6.17e-08, 'epoch': 0.0}\n"
    message = (EXAMPLES / "minimind" / "train.log").read_text("utf-8")
    dialogue = Dialogue()
    started = time.process_time()
    reply = dialogue.say(line * (10 * 1024 * 1024 // len(line)) + message)
    assert time.process_time() - started < 20
    assert reply.intent == "paste"
    assert dialogue.diagnosis.verdict.outcome == "oom"


def test_control_sequences_are_shown_and_never_passed_on() -> None:
    """Escapes and direction marks in what was said or pasted do not reach the terminal."""
    dialogue = Dialogue()
    hostile = (
        "\x1b]0;owned\x07\x1b[2J\u202etorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n[b]x"
    )
    for said in (hostile, "what is \x1b[31mzero3", "batch \x1b[2J is 4", "/history"):
        drawn = ChatText("en").render(dialogue.say(said).blocks)
        assert not any(char in drawn for char in "\x1b\x07\u202e")


def test_nothing_said_raises() -> None:
    """Odd input is answered, not crashed on."""
    dialogue = Dialogue()
    dialogue.open()
    for said in (
        "",
        " ",
        "\n",
        "/",
        "/x",
        "?" * 500,
        "(" * 400,
        "batch " * 90,
        "9" * 590,
        "的" * 500,
        "\x00",
        "a|b\\[",
        "第" * 99,
    ):
        assert dialogue.say(said).intent


def test_a_thousand_turns_stay_small(told: Dialogue) -> None:
    """The history in memory is bounded."""
    for number in range(400):
        told.say(f"what if batch {number % 7 + 1}")
    assert len(told.turns) <= 200


def test_changes_count_from_what_is_set_now(told: Dialogue) -> None:
    """Halves, doubles and additions start from the value of the case."""
    told.say("batch is 4, accumulation 8, on 2 gpus")
    assert told.say("two more cards").facts == {"hardware.gpu_count": 4}
    assert told.say("少一张卡呢").facts == {"hardware.gpu_count": 1}
    changed = told.say("batch 减半，累积翻倍")
    assert changed.facts == {"train.per_device_batch_size": 2, "train.gradient_accumulation_steps": 16}
    told.say("batch is 1")
    refused = told.say("halve the batch")
    assert refused.facts == {}
    assert "cannot go below" in text_of(refused)


def test_what_is_taken_back_no_longer_counts(told: Dialogue) -> None:
    """A figure by the person's word goes; what a file says stands again."""
    told.say("lora rank is 64")
    assert told.case.fact("lora.rank") is not None
    told.say("scratch the lora rank, I have to look it up")
    after = told.case.fact("lora.rank")
    assert after is None or after.value != 64


def text_of(reply: Reply) -> str:
    """A reply as plain text."""
    return ChatText("en", ascii_only=True).render(reply.blocks)


@pytest.mark.parametrize(
    ("said", "plan"),
    [
        ("就用第二个方案", 2),
        ("take the second one", 2),
        ("plan two please", 2),
        ("方案三", 3),
        ("just do that one", None),
    ],
)
def test_the_plan_that_is_meant(said: str, plan: int | None) -> None:
    """A place in the list, however it is said; "that one" names none."""
    assert understand(said).plan == plan
