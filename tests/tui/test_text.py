"""Words and figures for the screen."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui import text
from tui.text import Cell


@given(st.text(), st.integers(0, 200))
def test_fit_takes_exactly_its_cells(words: str, cells: int) -> None:
    assert cell_len(text.fit(text.clean(words), cells)) == cells


@given(st.text())
def test_clean_is_one_printable_line(words: str) -> None:
    found = text.clean(words)
    assert found == found.strip()
    assert all(c == " " or c.isprintable() for c in found)
    assert text.clean(found) == found


def test_clean_takes_escapes_and_direction_marks_out() -> None:
    assert text.clean("a\x1b[31mb\u202ec\u200bd\r\n e\x07") == "a[31mbcd e"


def test_clean_block_keeps_lines_and_indents() -> None:
    assert text.clean_block("a\n  b\x1b\r\nc\t!") == "a\n  b\nc   !"


@given(st.lists(st.text(min_size=1), max_size=6), st.integers(1, 120))
def test_row_is_exactly_as_wide_as_asked(words: list[str], width: int) -> None:
    cells = [Cell(word, None if number == 0 else 7) for number, word in enumerate(words)]
    assert text.row(width, *cells).cell_length <= width


def test_row_never_reads_markup() -> None:
    hostile = "[/foo] [bold]x[/bold] [@click=app.bell]y[/]"
    assert text.row(60, Cell(hostile)).plain.rstrip() == hostile


@given(st.text(), st.integers(2, 80))
def test_wrap_loses_nothing_but_blanks(words: str, cells: int) -> None:
    clean = text.clean(words)
    lines = text.wrap(clean, cells)
    assert all(cell_len(line) <= cells for line in lines)
    assert "".join(lines).replace(" ", "") == clean.replace(" ", "")


@pytest.mark.parametrize(
    ("done", "ticked", "total", "bar"),
    [
        (0, 0, 5, ".........."),
        (3, 0, 5, "######...."),
        (3, 1, 5, "######++.."),
        (5, 0, 5, "##########"),
        (0, 5, 5, "++++++++++"),
        (999, 0, 1000, "#########."),
        (0, 0, 0, ".........."),
    ],
)
def test_bar_is_full_only_when_all_is_through(done: int, ticked: int, total: int, bar: str) -> None:
    assert text.bar(done, ticked, total) == bar


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0:00"), (41.9, "0:41"), (724, "12:04"), (3723, "1:02:03"), (183_845, "2d 03:04:05"), (-5, "0:00")],
)
def test_duration(seconds: float, words: str) -> None:
    assert text.duration(seconds) == text.duration(timedelta(seconds=seconds)) == words


def test_figures() -> None:
    assert text.duration(None) == text.seconds(None) == ""
    assert [text.seconds(s) for s in (0.314, 11.94, 75)] == ["0.31 s", "11.9 s", "1:15"]
    assert [text.size(s) for s in (0, 1023, 1024, 14_680_064, 5 << 40)] == [
        "0 B",
        "1023 B",
        "1.0 kB",
        "14 MB",
        "5.0 TB",
    ]
    assert text.countdown(timedelta(hours=2, minutes=14, seconds=9)) == "T-02:14:09"
    assert text.countdown(timedelta(days=3, hours=1)) == "T-3d 01:00:00"
    assert text.span(timedelta(minutes=30), timedelta(hours=1)) == "30-60 min"
    assert text.span(timedelta(hours=1), timedelta(hours=2)) == "1-2 h"
    assert text.span(timedelta(minutes=30), timedelta(minutes=30)) == "30 min"
    assert [text.plural(n, "table") for n in (0, 1, 1204)] == ["0 tables", "1 table", "1,204 tables"]
    assert text.tally(4, 0, 6) == "4/6"
    assert text.tally(4, 1, 6) == "4+1/6"


def test_first_form_that_fits() -> None:
    assert text.first_that_fits(["a long form", "short"], 11) == "a long form"
    assert text.first_that_fits(["a long form", "short"], 6) == "short"
    assert text.first_that_fits(["a long form", "short"], 4) == "sho…"
