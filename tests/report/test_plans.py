"""Every report carries the plans of `oomdoc fix`, drawn from one block; figures come from the memory model."""

import json
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner

from oomdoc.api import diagnose, examine
from oomdoc.cli.diagnose import command as diagnose_command
from oomdoc.cli.fix import command as fix
from oomdoc.report.plan import plans_block
from oomdoc.report.proposal import propose
from oomdoc.report.render import render

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if (path / "train.log").exists())
FIGURES = ("saves_bytes", "peak_after_bytes", "fits")


def inputs(name):
    """The log of an example and its other files."""
    folder = EXAMPLES / name
    return str(folder / "train.log"), [str(path) for path in sorted(folder.iterdir()) if path.name != "train.log"]


def printed(command, log, configs, *more):
    arguments = [log, *(word for config in configs for word in ("-c", config)), *more]
    return CliRunner().invoke(command, arguments, standalone_mode=False).stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_report_has_the_plans_of_fix(name):
    log, configs = inputs(name)
    fixed = json.loads(printed(fix, log, configs, "--json", "--lang", "en", "--no-history"))
    report = json.loads(diagnose(log, configs=configs).model_dump_json(by_alias=True))
    for key, value in fixed.items():
        if key not in {"schema", "language"}:
            assert report["way_out"][key] == value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["text", "markdown", "github", "html"])
def test_every_format_draws_every_plan(name, language, kind):
    log, configs = inputs(name)
    diagnosis = examine([log], configs=configs)
    block = plans_block(propose(diagnosis), language)
    written = render(diagnosis, kind, language, columns=400)
    raw = unescape(written) if kind == "html" else written
    flat = raw.replace("\\", "")
    assert block.cards
    for card in block.cards:
        assert card.title in flat
        assert all(change.native.replace("\\", "") in flat for change in card.changes)
        for diff in card.diffs if kind != "text" else ():
            added = [line[1:].strip() for line in diff.text.splitlines() if line.startswith("+") and line[1:2] != "+"]
            assert added
            assert all(line in raw for line in added)


@pytest.mark.parametrize("name", NAMES)
def test_a_remedy_has_its_figures_or_the_reason_why_not(name):
    log, configs = inputs(name)
    report = diagnose(log, configs=configs)
    assert report.way_out.before is not None
    assert any(remedy.fits for remedy in report.remedies)
    for remedy in report.remedies:
        known = [getattr(remedy, figure) is not None for figure in FIGURES]
        assert all(known) or not any(known)
        assert all(known) is (remedy.reason is None)
        if all(known):
            assert remedy.saves_bytes == report.way_out.before.device_bytes - remedy.peak_after_bytes
            assert remedy.sets
            assert remedy.native or not remedy.diff
        assert remedy.diff is None or remedy.diff.startswith("--- a/")


def test_a_single_remedy_weighs_what_the_plan_of_it_alone_weighs():
    log, configs = inputs("ms-swift-ovis2")
    report = diagnose(log, configs=configs)
    plan = report.way_out.plans[0]
    remedy = next(one for one in report.remedies if one.id == plan.remedies[0])
    assert (remedy.sets, remedy.peak_after_bytes, remedy.diff) == (plan.sets, plan.after.device_bytes, plan.diff)


def test_without_a_known_model_a_remedy_says_that_nothing_can_be_predicted():
    report = diagnose(
        "Traceback (most recent call last):\n"
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
        "23.69 GiB of which 1.20 GiB is free.\n"
    )
    assert report.remedies
    assert report.way_out is None
    assert {remedy.reason for remedy in report.remedies} <= {
        "the model is not known, so its memory cannot be predicted",
        "done by hand: it changes no setting that the memory model knows",
    }


def test_settings_that_are_half_known_give_no_figures_unasked(tmp_path):
    """A name and a card alone would be a prediction made of assumptions."""
    log = tmp_path / "train.log"
    log.write_text(
        "loading Qwen/Qwen2.5-7B-Instruct\n"
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
        "23.69 GiB of which 1.20 GiB is free.\n"
    )
    report = diagnose(str(log))
    assert report.way_out is None
    assert all(remedy.saves_bytes is None and remedy.reason for remedy in report.remedies)


def test_a_file_that_leaves_the_run_open_gives_diffs_and_no_figures(tmp_path):
    """Which changes are meant is known, what they save is not."""
    log, _ = inputs("glm-4v-lora")
    script = tmp_path / "run.sh"
    script.write_text("NPROC_PER_NODE=2 swift sft --model ZhipuAI/glm-4v-9b --attn_impl sdpa\n")
    report = diagnose(log, configs=[str(script)])
    assert report.way_out is None
    assert all(remedy.saves_bytes is None and remedy.reason for remedy in report.remedies)


def test_a_run_that_did_not_fail_has_no_plans(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("step 1 loss 2.1\nstep 2 loss 2.0\n")
    assert propose(examine([str(log)], configs=[inputs("minimind")[1][0]])) is None


def test_a_log_alone_shows_plans_and_no_diff(tmp_path):
    log, _ = inputs("ms-swift-ovis2")
    report = diagnose(log)
    assert report.way_out.plans
    assert all(plan.diff == "" for plan in report.way_out.plans)
    assert all(remedy.diff is None for remedy in report.remedies)


def test_the_page_is_one_file_without_scripts():
    log, configs = inputs("llamafactory-qwen2.5-vl")
    page = printed(diagnose_command, log, configs, "--format", "html", "--no-history")
    assert "<script" not in page
    assert "http" not in page.partition("<body>")[0]
    assert page.count("<details") == sum(bool(card.diffs) for card in plans_block(
        propose(examine([log], configs=configs)), "en").cards)  # fmt: skip
