"""The ranked list has the mean probability of the true class where it is known and has room."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run import events as ev
from glov_tui.cockpit.panes.accuracy import AccuracyPane
from glov_tui.cockpit.panes.best import BestTemplate
from glov_tui.cockpit.panes.examples import ExamplesPane
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, scored, settle

KNOWN, UNKNOWN = "a <category> with one.", "a <category> without."


def run(probability: float | None) -> list[ev.Event]:
    known = scored(KNOWN, 9, 1, candidate=1).model_copy(update={"probability": probability})
    return [*loaded(), *one_step(1, {UNKNOWN: 7}), known]


def header(pane: ExamplesPane) -> str:
    return "".join(text for text, _ in pane._header())


def line_of(pane: ExamplesPane, template: str) -> str:
    rows = {row.template.text: row for row in pane._rows()}
    return "".join(text for text, _ in pane._line(rows[template], pane._state))


@pytest.mark.parametrize("size", [(100, 30), (120, 40)])  # as a tab, and zoomed
async def test_a_wide_list_has_a_column(tmp_path: Path, size: tuple[int, int]) -> None:
    async with cockpit(HeldSession(tmp_path, *run(0.625)), size) as (pilot, app):
        pane = app.query_one(ExamplesPane)
        if size == (120, 40):
            assert "prob." not in header(pane)  # two panes side by side have no room
            await pilot.press("2", "z")
            await settle(pilot)
        at = header(pane).index("prob.")
        known, unknown = line_of(pane, KNOWN), line_of(pane, UNKNOWN)
        assert known[at : at + 5] == "62.5%" and unknown[at : at + 5] == "    -"
        assert known.index("  1") == unknown.index("  1") > 0  # what stands behind it is aligned


async def test_without_one_there_is_no_column(tmp_path: Path) -> None:
    async with cockpit(HeldSession(tmp_path, *run(None)), (100, 30)) as (_, app):
        pane = app.query_one(ExamplesPane)
        assert "prob." not in header(pane) and "95 %" in header(pane)


async def test_where_there_is_room_for_one_it_goes_before_the_interval(tmp_path: Path) -> None:
    for size, has in (((80, 24), True), ((200, 50), True), ((120, 40), False)):
        async with cockpit(HeldSession(tmp_path, *run(0.625)), size) as (_, app):
            pane = app.query_one(ExamplesPane)
            assert ("prob." in header(pane)) is has and "95 %" not in header(pane)
            known = line_of(pane, KNOWN)
            assert pane.table.line_width - known.index("a <category>") >= (36 if has else 24)


async def test_it_stands_beside_the_best_accuracy_and_those_of_the_tests(tmp_path: Path) -> None:
    measured = ev.TestMeasured(
        step=1, subject="best", templates=(KNOWN,), hits=9, n=10, seconds=1.0, probability=0.875
    )
    session = HeldSession(tmp_path, *run(0.625), measured)
    async with cockpit(session, (200, 50)) as (_, app):
        assert str(app.query_one(BestTemplate).render()).startswith("best 90.0% (P 62.5%) a <cat")
        chart = app.query_one(AccuracyPane)
        assert "best test  90.0% P 87.5%" in shown(chart)
    async with cockpit(session, (80, 24)) as (_, app):  # the accuracies stay where room is short
        assert "P 87.5%" not in shown(app.query_one(AccuracyPane))


def shown(chart: AccuracyPane) -> str:
    return "\n".join(chart.render_line(y).text for y in range(chart.size.height))
