"""Every block at every width: nothing sticks out, nothing pasted is interpreted, everything can be copied."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tui_scripted import DIFF, chat_blocks, report_blocks

from oomdoc.report import blocks, blocks_chat
from oomdoc.report.layout import width
from oomdoc.tui.blocks.progress import Progress
from oomdoc.tui.blocks.registry import VIEWS, OtherView, view_of
from oomdoc.tui.blocks.said import Told
from oomdoc.tui.ink import content, plain, to_ascii, visible

ALL = (*report_blocks("en"), *report_blocks("zh"), *chat_blocks(), blocks_chat.SaidBlock.of("why?"),
       Told("took train.log"), Progress("reading", 0.3, 4), Progress("thinking"))  # fmt: skip


@pytest.mark.parametrize("columns", [24, 40, 72, 120, 300])
@pytest.mark.parametrize("block", ALL, ids=lambda block: type(block).__name__)
def test_no_line_is_wider_than_its_room(block: Any, columns: int) -> None:
    for language in ("en", "zh"):
        view = view_of(block, language)
        for is_open in (False, True):
            view.is_open = is_open
            drawn = view.drawn(columns)
            assert drawn
            for line in drawn:
                assert width("".join(text for text, _ in line)) <= columns, line


def test_every_block_type_of_the_core_has_a_widget() -> None:
    for union in (blocks.Block, blocks_chat.Block):
        for member in union.__args__:
            assert member in VIEWS, member


def test_a_block_nobody_knows_is_shown_by_its_fields() -> None:
    @dataclass(frozen=True)
    class Later:
        figure: str
        nothing: None = None

    view = view_of(Later("42 GiB"), "en")
    assert isinstance(view, OtherView)
    assert plain(view.lines(40)) == "figure: 42 GiB"


def test_control_sequences_and_markup_are_shown_not_interpreted() -> None:
    hostile = "[bold red]x[/] \x1b[31mred\x1b]0;title\x07 \u202etxt\u200b [@click=app.quit]y[/]"
    for block in (blocks_chat.SaidBlock.of(hostile), Told(hostile), blocks_chat.SayBlock((hostile,)),
                  blocks.NotesBlock((hostile,)),
                  blocks_chat.DiffBlock("x.sh", f"@@ -1 +1 @@\n+{hostile}\n")):  # fmt: skip
        drawn = content(view_of(block, "en").lines(200))
        assert "[bold red]x[/]" in drawn.plain
        assert "␛[31mred" in drawn.plain
        assert not any(char in drawn.plain for char in "\x1b\x07\u202e\u200b")
        assert all("click" not in str(span.style) for span in drawn.spans)


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_nothing_a_terminal_acts_on_survives(text: str) -> None:
    assert not any((ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160 for char in visible(text))


def test_a_paste_of_megabytes_keeps_only_its_beginning_on_the_screen() -> None:
    said = blocks_chat.SaidBlock.of("line of a log\n" * 800_000)
    assert said.chars == 11_200_000
    assert len(said.text) <= 20_000
    assert len(view_of(said, "en").lines(80)) < 20


def test_a_bar_gives_every_part_a_glyph_of_its_own_and_adds_up() -> None:
    bar = next(block for block in report_blocks() if isinstance(block, blocks.BarBlock))
    lines = plain(view_of(bar, "en").lines(60)).splitlines()
    assert lines[1].startswith("[")
    assert lines[1].endswith("]")
    assert width(lines[1]) == 60
    assert {"█", "▓", "░", "·"} <= set(lines[1])
    assert "requested 4.00 GiB" in "\n".join(lines)
    assert to_ascii(lines[1]).isascii()


def test_a_comparison_marks_where_the_card_ends() -> None:
    compared = next(block for block in chat_blocks() if isinstance(block, blocks_chat.CompareBlock))
    drawn = plain(view_of(compared, "en").lines(64)).splitlines()
    over, under = [line for line in drawn if "│" in line]
    assert over.index("│") == under.index("│")
    assert "does not fit" in drawn[1]
    assert "26.00 GiB" in drawn[1]
    assert "fits" in drawn[3]


def test_a_cause_opened_shows_weights_and_mechanism() -> None:
    view = view_of(next(block for block in report_blocks() if isinstance(block, blocks.CauseBlock)), "en")
    assert "[+1.4]" not in plain(view.lines(80))
    view.is_open = True
    opened = plain(view.lines(80))
    assert "[+1.4]" in opened
    assert "[-0.5]" in opened
    assert "Activations grow" in opened
    assert [place.line for place in view.places()] == [5, 3]


def test_a_diff_is_copied_as_it_is() -> None:
    diff = next(block for block in chat_blocks() if isinstance(block, blocks_chat.DiffBlock))
    assert view_of(diff, "en").copy_text() == DIFF


def test_home_folders_and_tokens_are_masked_in_what_is_shown_and_copied() -> None:
    view = view_of(Told("see /home/ana/run with hf_abcdefghijklmnopqrstuvwxyz0123456789"), "en")
    assert "ana" not in view.copy_text()
    assert "abcdefghijkl" not in view.copy_text()
