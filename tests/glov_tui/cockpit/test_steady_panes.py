"""What is written on the screen stays where it is: replies while they grow, the meta-prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.color import Color

from engine.run import events as ev
from glov_tui.cockpit.notices import said_at_the_end
from glov_tui.cockpit.panes.best import BestTemplate
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.log import LogPane
from glov_tui.cockpit.panes.meta_prompt import MetaPromptPane
from glov_tui.cockpit.panes.registry import PANES, screen_tabs
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.widgets.key_bar import KeyBar
from tests.support.patience import until
from tests.support.sessions import BEST, HeldSession, cockpit, loaded, one_step, settle

LONG = "a <category> " + "seen in a very long sentence " * 4
SYSTEM = "\n".join(f"System line {n}." for n in range(40))


def _started(step: int) -> list[ev.Event]:
    ask = f"Improve on these.\n\nBest:\n1. {BEST} -> 70\nOne template, please."
    messages = ({"role": "system", "content": SYSTEM}, {"role": "user", "content": ask})
    composed = ev.MetaPromptComposed(
        step=step, attempt=1, messages=messages, best=(BEST.rstrip("."),), worst=()
    )
    return [ev.StepStarted(step=step), composed]


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    return HeldSession(tmp_path, *loaded(), *one_step(1, {BEST: 7}, BEST), *_started(2))


def _place(pane: CandidatesPane, text: str) -> tuple[int, int]:
    rows = ["".join(part for part, _ in row) for row in pane._wrapped]
    y = next(y for y, row in enumerate(rows) if text in row)
    return y, rows[y].index(text)


async def test_a_reply_stays_where_it_was_written(session: HeldSession) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        pane = app.query_one(CandidatesPane)
        session.apply(ev.TokensStreamed(step=2, attempt=1, texts=(LONG, "a small <category>")))
        await settle(pilot)
        place = _place(pane, "a small")
        assert place[0] >= 3  # behind all rows of the first
        session.apply(*one_step(2, {LONG: 3, "a small <category>": 8})[2:])
        await settle(pilot)
        assert _place(pane, "a small") == place
        session.apply(*_started(3))
        session.apply(ev.TokensStreamed(step=3, attempt=1, texts=("a", "a small")))
        await settle(pilot)
        assert _place(pane, "a small") == place


async def test_where_rows_do_not_fit_none_is_lost(session: HeldSession) -> None:
    async with cockpit(session, (80, 24)) as (pilot, app):
        await pilot.press("4")
        pane = app.query_one(CandidatesPane)
        session.apply(ev.TokensStreamed(step=2, attempt=1, texts=(LONG, *["a"] * 8)))
        await settle(pilot)
        assert len([line for line in pane._lines if line]) == 9
        assert len(pane._wrapped) - len(pane._lines) >= 3  # no empty rows beside the long one
        assert all(pane._lines)


async def test_accuracy_over_the_best_before_is_marked(session: HeldSession) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        pane = app.query_one(CandidatesPane)
        session.apply(*one_step(2, {"x <category>": 9, "y <category>": 6, "z <category>": 2})[2:])
        await settle(pilot)
        assert [line[2][1] for line in pane._lines if line] == ["good", "strong", ""]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_meta_prompt_opens_at_the_templates(
    session: HeldSession, size: tuple[int, int]
) -> None:
    async with cockpit(session, size) as (pilot, app):
        await pilot.press("1")
        pane = app.query_one(MetaPromptPane)
        await settle(pilot)

        def rows() -> list[str]:
            wrapped = ["".join(part for part, _ in row) for row in pane._wrapped]
            top = pane.scroll_offset.y
            return wrapped[top : top + pane.scrollable_content_region.height]

        def is_open() -> bool:
            return all(any(text in row for row in rows()) for text in ("Best:", BEST))

        assert is_open()
        for larger in ((200, 120), size):  # where all of it fits, it begins at its beginning
            await pilot.resize_terminal(*larger)
            await settle(pilot)
            assert is_open()
        await pilot.press("home")
        session.apply(*one_step(2, {"x <category>": 5})[2:], *_started(3))
        await settle(pilot)
        assert "system" in rows()[0]  # where the reader went


async def test_a_pane_is_zoomed_by_keys_that_come_in_one_read(session: HeldSession) -> None:
    async with cockpit(session, (80, 24)) as (pilot, app):

        def shown() -> list[str]:
            return [name for name in PANES if app.query_one(f"#{name}").display]

        for key in ("4", "z"):
            app.simulate_key(key)
        await until(lambda: shown() == ["candidates"], "one pane alone")
        await pilot.press("z", "tab", "tab", "z")  # what has the focus is zoomed
        await pilot.pause()
        (name,) = shown()
        assert app.focused is not None and app.query_one(f"#{name}") in (
            app.focused.ancestors_with_self
        )


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_border_says_which_pane_has_the_focus(
    session: HeldSession, size: tuple[int, int]
) -> None:
    async with cockpit(session, size) as (pilot, app):
        accent = Color.parse(app.get_css_variables()["accent"])

        def marked() -> list[str]:
            panes = [app.query_one(f"#{name}") for name in PANES]
            return [pane.id for pane in panes if pane.styles.border_top[1] == accent]

        assert marked() == ["examples"]
        for key, name in enumerate(PANES, 1):
            await pilot.press(str(key))
            assert marked() == [name]
        await pilot.press("tab")  # the log was the last
        assert marked() == [pane.id for pane in app.focused.ancestors_with_self if pane.id in PANES]
        await pilot.click("#accuracy")
        assert marked() == ["accuracy"]
        await pilot.press("question_mark")
        await pilot.press("escape")
        assert marked() == ["accuracy"]
        app.app_focus = False  # another window has the keys
        await pilot.pause()
        assert not marked()
        app.app_focus = True
        await pilot.pause()
        assert marked() == ["accuracy"]


async def test_the_log_has_a_row_for_each_fact_and_enter_unfolds_it(session: HeldSession) -> None:
    session.apply(*one_step(2, {LONG: 9}, LONG)[2:], ev.Warned(message="careful " * 30))
    async with cockpit(session, (80, 24)) as (pilot, app):
        await pilot.press("6", "z")
        await settle(pilot)
        log = app.query_one(LogPane)

        def rows() -> list[str]:
            return ["".join(text for text, _ in row) for row in log._wrapped]

        facts = len(session.state.log)
        folded = [row for row in rows() if row.endswith("…")]
        assert len(folded) == 2 and "a <category> seen in" in folded[-1]
        assert len(rows()) > facts  # the warning is whole
        assert rows()[-1].endswith("careful ") and "a row each" not in log.border_subtitle
        before = len(rows())
        await pilot.press("enter")
        await settle(pilot)
        assert len(rows()) > before and not any(row.endswith("…") for row in rows())
        assert "a row each" in log.border_subtitle
        await pilot.press("enter")
        assert len(rows()) == before


@pytest.mark.parametrize("letters", [44, 45, 47, 48])  # "seed 50.0% " and these in 58 cells
async def test_the_best_template_has_the_rows_that_it_needs(tmp_path: Path, letters: int) -> None:
    text = f"<category> {'x' * (letters - 13)} y."
    session = HeldSession(tmp_path, *loaded(), *one_step(1, {text: 9}, text))
    async with cockpit(session, (60, 20)) as (pilot, app):
        await settle(pilot)
        best = app.query_one(BestTemplate)
        assert best.size.height == len(best.render().wrap(best.size.width))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_all_tabs_fit(width: int) -> None:
    for name in PANES:
        line = screen_tabs(name, width)
        assert len(line) <= width and line.rstrip(" ]").endswith("6 log")


async def test_a_new_best_moves_no_pane(session: HeldSession) -> None:
    async with cockpit(session, (80, 24)) as (pilot, app):
        before = app.query_one("#panes").region
        session.apply(*one_step(2, {LONG: 9}, LONG)[2:])
        await settle(pilot)
        bar = app.query_one(KeyBar)
        assert bar.size.height == 1 and str(bar.content).startswith("New best  90.0% a <category>")
        assert app.query_one("#panes").region.bottom == before.bottom


async def test_the_end_says_what_came_of_it(session: HeldSession) -> None:
    session.apply(
        ev.TestMeasured(step=0, subject="seed", templates=(BEST,), hits=50, n=100, seconds=1),
        ev.TestMeasured(step=1, subject="best", templates=(BEST,), hits=80, n=100, seconds=1),
        ev.TestMeasured(step=1, subject="ensemble", templates=(BEST,), hits=90, n=100, seconds=1),
    )
    said = said_at_the_end(session.state)
    assert "seed 50.0% (40-60), best 80.0% (71-87), ensemble 90.0% (83-94)" in said
    assert said.endswith("q quits and shows the result.")


async def test_the_status_line_of_a_finished_run_fits_after_a_resize(tmp_path: Path) -> None:
    step = one_step(1, {"a <category> in blue light.": 7}, "a <category> in blue light.")
    session = HeldSession(tmp_path, *loaded(), *step, ev.RunFinished(step=1))
    session.ended = True
    async with cockpit(session, (120, 40)) as (pilot, app):
        line = app.query_one(StatusLine)
        for width in (80, 60, 120, 72):
            await pilot.resize_terminal(width, 30)
            await pilot.pause()
            shown = str(line.render())
            assert shown == line.line(session.state) and cell_len(shown) <= width, shown
