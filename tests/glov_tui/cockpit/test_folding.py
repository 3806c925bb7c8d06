"""Where texts do not fit, what differs and what was searched for stays in view."""

from __future__ import annotations

from pathlib import Path

from engine.prompts.template import normalise
from engine.run import events as ev
from glov_tui.cockpit.lab.views import head_text
from glov_tui.cockpit.panes.folding import folded_pair, shared_prefix
from glov_tui.cockpit.panes.steering_lines import Marks, steering_lines
from glov_tui.widgets.row_table import RowTable
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, settle

LONG = "a photo of a <category>, turned upside down, with the top at the left, in "
BLUE, RED = f"{LONG}blue light.", f"{LONG}red light."


def test_a_pair_is_folded_only_where_it_does_not_fit() -> None:
    heads = ("P+ 90.0% ", "P- 80.0% ")
    assert folded_pair(heads, (BLUE, RED), 200) == (f"P+ 90.0% {BLUE}", f"P- 80.0% {RED}")
    assert folded_pair(heads, (BLUE, RED), 40) == ("P+ 90.0% …blue light.", "P- 80.0% …red light.")
    apart = ("all of it", "none of it at all")
    assert folded_pair(heads, apart, 12) == ("P+ 90.0% all of it", "P- 80.0% none of it at all")


def test_what_is_folded_is_what_takes_most_out_of_all_texts() -> None:
    asked = "Describe the image. What is the name of its category,"
    questions = [f"{asked} {end}?" for end in ("in red light", "on a lawn", "far away", "indoors")]
    mirrored = [f"{asked} seen in a mirror, {end}?" for end in ("on a lawn", "far away", "wet")]
    others = [f"It is {end}." for end in ("in red light", "on a lawn", "far away", "upside down")]
    # Half of a list is enough; that some of them go on alike does not leave out the rest.
    assert shared_prefix([*questions, *mirrored, *others]) == f"{asked} "
    assert shared_prefix([*questions[:1], *mirrored]) == f"{asked} seen in a mirror, "
    assert shared_prefix([*questions[:3], *others, *(f"{n} things" for n in range(5))]) == ""


def test_where_p_plus_and_p_minus_differ_is_seen(tmp_path: Path) -> None:
    moved = ev.AnchorsMoved(step=1, positive=normalise(BLUE), negative=normalise(RED))
    steps = [*one_step(1, {BLUE: 7, RED: 6}), moved]
    state = HeldSession(tmp_path, *loaded(), *steps).state
    above, _ = steering_lines(state, 56, 20, Marks())
    assert any(line.endswith("…blue light.") for line in above), above
    assert head_text(state, 58).splitlines()[1].endswith("…blue light.")
    assert head_text(state, 200).splitlines()[1].endswith(BLUE)


async def test_what_the_filter_found_is_in_view_in_each_row(tmp_path: Path) -> None:
    tails = ("blue, on a Table", "red, on a TABLE", "in the snow, on a table")
    steps = one_step(1, {f"{LONG}{tail}": 5 for tail in tails})
    async with cockpit(HeldSession(tmp_path, *loaded(), *steps), (60, 20)) as (pilot, app):
        await pilot.press("2", "slash", *"table")
        await settle(pilot)
        table = app.query_one(RowTable)
        rows = [table.render_line(y).text for y in range(1, 4)]
        assert len(table.keys) == 3
        assert all("table" in row.casefold() for row in rows), rows


async def test_columns_stand_below_each_other_whatever_the_rank(tmp_path: Path) -> None:
    steps = one_step(1, {f"a <category>, number {n}": 5 for n in range(120)})
    async with cockpit(HeldSession(tmp_path, *loaded(), *steps), (60, 20)) as (pilot, app):
        await pilot.press("2", "end")
        await settle(pilot)
        table = app.query_one(RowTable)
        rows = [table.render_line(y).text for y in range(table.size.height)]
        ranks = {row.strip("▌ ").split()[0] for row in rows}
        assert {"#", "1", "121"} <= ranks
        assert len({row.index("%") for row in rows[1:] if "%" in row}) == 1, rows
        assert len({row.index(" a") for row in rows[1:] if " a" in row} - {-1}) <= 1
