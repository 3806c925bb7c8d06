"""The dot-and-whisker plot, and numbers as they are printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from glov_tui.terminal.printing import percent, probability
from glov_tui.widgets.whiskers import Whisker, draw_whiskers

ROWS = [
    Whisker("1 mode=off", 0.70, 0.60, 0.80, (0.65, 0.75)),
    Whisker("2 mode=last-token", 0.90, 0.90, 0.90),
]


PLOT = [
    "1 mode=off          |-----======o======------|",
    "2 mode=last-token                                        o",
    "                  --+------------------------+--------------",
    "                   60%                      80%",
]


def test_a_plot_in_ascii() -> None:
    assert draw_whiskers(ROWS, 60, plain=True) == PLOT


def test_marks_are_where_the_values_are() -> None:
    first, second, axis, labels = draw_whiskers(ROWS, 100)
    assert first.index("├") < first.index("━") < first.index("●") < first.index("┤")
    assert second.endswith("●") and "├" not in second
    assert second.index("●") > first.index("┤")
    assert axis.count("┴") >= 4 and "70%" in labels
    at = labels.index("70%") + 1
    assert abs(at - first.index("●")) <= 1


shares = st.floats(0, 1)


@given(
    st.lists(st.tuples(st.text(max_size=70), st.tuples(shares, shares, shares)), max_size=5),
    st.integers(20, 130),
    st.booleans(),
)
def test_lines_never_exceed_the_width(rows: list, width: int, plain: bool) -> None:
    whiskers = []
    for label, values in rows:
        low, mean, high = sorted(values)
        label = "".join(c for c in label if c.isprintable())
        whiskers.append(Whisker(label, mean, low, high, (low, high)))
    lines = draw_whiskers(whiskers, width, plain)
    assert len(lines) == (len(rows) + 2 if rows else 0)
    assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (None, False, "-"),
        (0.8125, False, "81.2"),
        (0.01, True, "+1.0"),
        (-0.0001, True, "0.0"),
        (0.0001, True, "0.0"),
        (-0.102, True, "-10.2"),
    ],
)
def test_shares_as_percent(value: float | None, signed: bool, text: str) -> None:
    assert percent(value, signed) == text


def test_probabilities() -> None:
    assert probability(0.03125) == "0.0312"
    assert probability(0.00001) == "<0.0001"
