"""Text of a log is untrusted: whatever it holds, no renderer passes it on as control, markup or markdown."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oomdoc.api import diagnose
from oomdoc.engine.diagnosis import diagnose_case
from oomdoc.ingest.read import read_text
from oomdoc.report import blocks, html, markdown
from oomdoc.report.blocks_plan import Change, Diff, Peak, PlanCard, PlansBlock
from oomdoc.report.mask import mask, visible
from oomdoc.report.render import render
from oomdoc.report.text import TextReport

NASTY = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            list("`*_{}[]()<>#|~!&@\\\"'=-+.:/\n\r\t\x00\x07\x08\x1b\x7f\x9b\u202e\u2066\u200b\u2028\ufeff")
        ),
        st.characters(codec=None),
    ),
    max_size=60,
)
INJECTIONS = (
    "\x1b]0;title\x07\x1b[2J\x1b[31m",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\u202egnp.exe",
    "](javascript:alert(1)) ![x](http://e/x.png) @everyone",
    "``` \n# heading\n| a | b |",
    '" onload="x',
    "\nCause: something invented [other] (confirmed, 100 %)",
    "\ud800",
)
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def plans_of(text: str) -> PlansBlock:
    """Two plans, one of them by hand; a diff has a line for each of its signs."""
    line = " ".join(text.split())
    peak = Peak(10, 9, 30, 20, 5, "close", 1.5)
    card = PlanCard(
        1, text, "by-hand", (Change(text, text), Change(text, "", text)), peak, (text,), (text,),
        (Diff(text, f"--- a/{line}\n@@ -1 +1 @@\n-{line}\n+{line}\n {line}\n"),), (line,),
    )  # fmt: skip
    other = PlanCard(2, text, "same-result", (), None, (), (), (), (line,))
    return PlansBlock((text, text), (card, other), (text,), False, (text,))


def report_of(text: str) -> tuple[blocks.Block, ...]:
    """Every kind of block, each text of it untrusted."""
    place = blocks.Place(text, 3, text)
    reason = blocks.Reason(text, 1.0, "train.max_length", place)
    return (
        blocks.VerdictBlock("oom", text, text, place),
        blocks.BarBlock(text, 100, (blocks.Segment("allocated", text, 60), blocks.Segment("free", text, 40)), 50),
        blocks.CauseBlock("a-cause", "a/rule", text, "likely", 0.9, (reason, reason), (reason,), text, text),
        blocks.CauseBlock("b-cause", "a/rule", text, "possible", 0.1, (reason,), (), text),
        blocks.StepsBlock((blocks.Step("x", "y", text, text, text, "by-hand", text),)),
        plans_of(text),
        blocks.UntoldBlock((text,)),
        blocks.PredictionBlock(text, (text,)),
        blocks.QuestionBlock("train.max_length", text, text),
        blocks.NotesBlock((text,)),
        blocks.FactsBlock((blocks.FactRow("train.max_length", text, text, place),)),
    )


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


@given(NASTY)
@example("".join(INJECTIONS))
def test_the_terminal_gets_no_control_characters(text: str) -> None:
    """Only line breaks are left, and none of them comes from the text."""
    drawn = TextReport("en").render(report_of(text))
    assert not FORBIDDEN.search(drawn)
    harmless = TextReport("en", columns=100_000).render(report_of("x"))
    assert TextReport("en", columns=100_000).render(report_of(text)).count("\n") <= harmless.count("\n")


@given(NASTY)
@example("".join(INJECTIONS))
def test_html_has_the_tags_of_the_harmless_page_only(text: str) -> None:
    """No tag and no attribute is added."""
    page = html.render(report_of(text), "en")
    assert not FORBIDDEN.search(page.replace("\n", ""))
    allowed = set(Tags(html.render(report_of("x"), "en")).seen)
    assert set(Tags(page).seen) <= allowed


def unfenced(written: str) -> Iterator[str]:
    """The lines outside of code blocks, which end only where a line has the fence that they began with."""
    fence = ""
    for line in written.splitlines():
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = "`" * (len(line) - len(line.lstrip("`")))
        else:
            yield line
    assert not fence


@given(NASTY)
@example("".join(INJECTIONS))
@example("a``b```c`")
@example("````")
def test_markdown_has_the_lines_of_the_harmless_report_and_no_live_marks(text: str) -> None:
    """Outside code spans every special character is escaped; no line is added."""
    for github in (False, True):
        written = markdown.render(report_of(text), "en", github=github)
        assert not FORBIDDEN.search(written.replace("\n", ""))
        assert written.count("\n") <= markdown.render(report_of("x"), "en", github=github).count("\n")
        for line in unfenced(written):
            if line.startswith(("<details>", "</details>", "| --- ", "| ---: ")):
                continue
            ours = line.replace("<br>", "")  # between the parts of a cell
            bare = re.sub(r"\\.", "", re.sub(r"(?<![`\\])(`+)(?!`)(?:.*?)(?<!`)\1(?!`)", "", ours))
            assert "<" not in bare
            assert "](" not in bare
            assert "@" not in bare.replace("@\u200b", "")


def test_code_spans_hold_any_back_quotes() -> None:
    """The fence is longer than every run inside."""
    assert markdown.code("a") == "`a`"
    assert markdown.code("a`b") == "`` a`b ``"
    assert markdown.code("a``b```c`") == "```` a``b```c` ````"


@pytest.mark.parametrize("injection", INJECTIONS)
@pytest.mark.parametrize("kind", ["text", "json", "markdown", "github", "html"])
def test_a_log_injects_nothing_into_a_report(injection: str, kind: str) -> None:
    """From the log to the output, through every reader."""
    log = (
        f"model_name_or_path: {injection}\n--model {injection} --output_dir {injection}\n"
        f'  File "/x/{injection}.py", line 3, in {injection}\n'
        f"torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB {injection}\n"
    )
    written = render(diagnose_case(read_text(log)), kind, "en", with_facts=True, columns=80)
    assert not FORBIDDEN.search(written.replace("\n", ""))
    assert not re.search(r"^Cause: something invented", written, re.MULTILINE)
    if kind in ("html", "markdown", "github"):
        assert not re.search(r"(?<!\\)<script", re.sub(r"(`+).*?\1", "", written))


@given(NASTY)
def test_mask_is_stable(text: str) -> None:
    """Masking twice is masking once."""
    assert mask(mask(text)) == mask(text)
    assert not FORBIDDEN.search(visible(text))


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        ("/home/alice/run/train.py", "alice"),
        ("C:\\Users\\Bob\\run", "Bob"),
        ("/Users/carol/x", "carol"),
        ("token=hf_abcdefghijklmnopqrstuvwx", "hf_abc"),
        ("connect to 10.12.7.33:29500 failed", "10.12.7.33"),
        ("listening on 8.8.4.4:8000", "8.8.4.4"),
        ("MASTER_ADDR=192.168.3.4", "192.168"),
        ("node ip-10-1-2-3.ec2.internal", "10-1-2-3"),
        ("mail dave@example.org", "example.org"),
    ],
)
def test_persons_and_hosts_are_masked(shown: str, hidden: str) -> None:
    """No report names them."""
    assert hidden not in mask(shown)


@pytest.mark.parametrize(
    "kept",
    [
        "nvidia-curand-cu12 10.3.2.106",
        "nvidia-curand-cu12==10.3.2.106",
        "driver 535.104.05, torch 2.1.0+cu118",
        "127.0.0.1:29500",
        "0.0.0.0:8000",
        "10.24 GiB free",
        "/data/models/Qwen2.5-7B",
        "pad_token: <pad>, max_new_tokens=512",
    ],
)
def test_versions_and_figures_are_not(kept: str) -> None:
    """What only looks like an address stays."""
    assert mask(kept) == kept


def test_python_reports_are_masked_too() -> None:
    """The contract names no person either."""
    report = diagnose('  File "/home/alice/t.py", line 3, in f\nRuntimeError: CUDA out of memory. at /home/alice/x\n')
    assert "alice" not in report.model_dump_json()
