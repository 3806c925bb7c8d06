"""Why did it win? ``w`` puts the selected template beside the best, the seed or a marked one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from engine.analysis.paired import SURE, changed
from engine.analysis.why import Why
from engine.common.kept import Kept
from engine.common.statistics import PairedHits
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.prompts.template import normalise
from engine.run.commands import InjectTemplate
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.session.replay import ReplaySession
from engine.storage.journal import read_state
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.comparing import opponent
from glov_tui.cockpit.screens.details import DetailsScreen
from glov_tui.cockpit.screens.why import WhyScreen
from glov_tui.cockpit.why_lines import FEWEST, why_lines
from glov_tui.widgets.row_table import RowTable
from glov_tui.widgets.text_view import TextView
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, settle
from tests.support.small_runs import drive

SPLITS = ("train", "test")
SIZES = [(200, 50), (120, 40), (100, 30), (80, 24), (60, 20)]


async def says(pilot: Pilot[Any], *wanted: str) -> str:
    """What the screen says, once it says all of this."""
    assert isinstance(pilot.app.screen, WhyScreen)
    view = pilot.app.screen.query_one(TextView)
    await until(lambda: all(w in view.plain for w in wanted), f"{wanted!r} in {view.plain!r}")
    return view.plain


@pytest.mark.parametrize("size", SIZES)
async def test_a_replay_says_why_at_every_size(undisturbed: Path, size) -> None:
    app = GlovApp(ReplaySession.open(undisturbed))
    best, second, *_ = read_state(undisturbed).ranking
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("end")
        await settle(pilot)
        app.query_one(RowTable).select(second.key)
        await pilot.press("w")
        shown = await says(pilot, "taken for what", "images that only B gets right")
        assert f"A  {second.accuracy:.1%}" in shown and f"B  {best.accuracy:.1%}" in shown
        assert "{+only in A+} [-only in B-]" in shown
        assert "can't be told apart on" in shown or "is better than" in shown
        assert "class   " in shown and "McNemar's exact p" in shown
        view = app.screen.query_one(TextView)
        width = view.scrollable_content_region.width
        rows = ["".join(text for text, _ in row) for row in view._wrapped]
        assert all(cell_len(row) <= width for row in rows)
        tops = []
        for _ in range(len(app.screen._parts) + 1):
            await pilot.press("n")
            tops.append(view.scroll_offset.y)
        seen = [row for top in tops for row in rows[top : top + view.size.height]]
        assert any("images that only B" in row for row in seen) and 0 in tops
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_pictures_where_there_can_be_some_and_names_where_not(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = GlovApp(ReplaySession.open(undisturbed))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("end", "w")
        await says(pilot, "▀", "train/")
    monkeypatch.setenv("NO_COLOR", "1")
    app = GlovApp(ReplaySession.open(undisturbed))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("end", "w")
        shown = await says(pilot, "images that only A gets right", ".png")
        assert "▀" not in shown


TEMPLATES = {"a <category> of one.": 6, "a <category> of two.": 8, "a <category> of three.": 5}


def held(folder: Path) -> HeldSession:
    return HeldSession(folder, *loaded(), *one_step(1, TEMPLATES, "a <category> of two."))


def test_numbers_stand_below_their_names_also_of_short_classes(tmp_path: Path) -> None:
    state = held(tmp_path).state
    first, second = state.ranking[:2]
    found = Why(first, second, None, 1.0, changed([("cup", 5, 3, 4)]))
    rows = [
        "".join(text for text, _ in line) for line in why_lines(found, state, {}, 100, None, "T")
    ]
    at = next(at for at, row in enumerate(rows) if row.startswith("class "))
    assert rows[at].index(" of ") + 3 == rows[at + 1].index(" 5 ") + 2


def said(found: Why, state: RunState, test_key: str = "T") -> str:
    lines = why_lines(found, state, {}, 100, None, test_key)
    return "\n".join("".join(text for text, _ in line) for line in lines)


def test_nothing_is_said_of_classes_that_are_not_known(tmp_path: Path) -> None:
    """Of a race whose predictions are gone it is known which images were right, not of what."""
    state = held(tmp_path).state
    first, second = state.ranking[:2]
    hits = PairedHits(2, 1, 0, 1)
    shown = said(Why(first, second, hits, hits.p, None, unknown="It is gone."), state)
    assert "only A 1" in shown and "class" not in shown
    shown = said(Why(first, second, hits, hits.p, ()), state)
    assert "Both are right on as many images of each class." in shown


def test_the_lead_of_the_best_is_part_luck_where_it_leads(tmp_path: Path) -> None:
    state = held(tmp_path).state
    best, other = state.ranking[:2]
    for hits, lucky in ((PairedHits(2, 3, 1, 0), "A"), (PairedHits(2, 2, 2, 0), None)):
        shown = said(Why(best, other, hits, hits.p, ()), state, "ctrl+t")
        assert ("part luck (ctrl+t measures on the test split)" in shown) == (lucky is not None)
        assert (f"{lucky} was picked as the best" in shown) == (lucky is not None)
    hits = PairedHits(2, 3, 1, 0)  # on the images that both have seen the other one leads
    assert "part luck" not in said(Why(other, best, hits, hits.p, ()), state)


@pytest.mark.parametrize(
    ("hits", "wanted"),
    [
        (PairedHits(39, 9, 2, 30), "It is close: one of interval and test"),
        (PairedHits(0, 0, 3, 2), "Only one of them is right on 3 images: with fewer than 6"),
        (PairedHits(0, 5, 0, 2), "Only one of them is right on 5 images: with fewer than 6"),
        (PairedHits(40, 8, 1, 31), None),
        (PairedHits(9, 4, 3, 9), None),
        (PairedHits(9, 0, 0, 9), None),
    ],
)
def test_what_the_test_can_not_tell_is_said(
    tmp_path: Path, hits: PairedHits, wanted: str | None
) -> None:
    state = held(tmp_path).state
    first, second = state.ranking[:2]
    shown = said(Why(first, second, hits, hits.p, ()), state)
    for sentence in ("It is close", "Only one of them is right"):
        assert (sentence in shown) == (wanted is not None and wanted.startswith(sentence))
    assert wanted is None or wanted in shown


def test_so_many_images_the_test_needs() -> None:
    assert PairedHits(0, FEWEST, 0, 0).p < SURE <= PairedHits(0, FEWEST - 1, 0, 0).p


def test_what_a_person_did_to_a_template_is_told(tmp_path: Path) -> None:
    state = held(tmp_path).state
    best, other = state.ranking[:2]
    state = replace(state, banned=frozenset({best.key}), pinned=frozenset({other.key}))
    shown = said(Why(best, other, None, 1.0, None), state)
    assert "rank 1 of 4, P+, banned, step 1" in shown and "best, pinned" in shown


async def test_the_other_one_is_a_key_away(tmp_path: Path) -> None:
    session = held(tmp_path)
    async with cockpit(session, (120, 40)) as (pilot, app):
        app.query_one(RowTable).select(normalise("a <category> of one."))
        await pilot.press("w")
        screen = app.screen
        assert isinstance(screen, WhyScreen)
        shown = await says(pilot, "Which images each was right on is not known: no test.")
        assert "deleted, or the run is of an earlier glov" in shown  # and why
        assert "class   " in shown  # what the scores say is there

        def pair() -> tuple[str, str]:
            return screen._first.text, screen._second.text

        assert pair() == ("a <category> of one.", "a <category> of two.")  # the best
        await pilot.press("s")
        assert pair()[1] == "a photo of a <category>."
        await pilot.press("p")
        assert pair()[1] == "a <category> of two."  # P+
        await pilot.press("right_square_bracket")
        assert pair()[1] == "a <category> of three."  # the next rank but A itself
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert pair()[1] == "a <category> of two."
        await pilot.press("x")
        assert pair() == ("a <category> of two.", "a <category> of one.")
        await pilot.press("b")
        assert pair()[1] == "a <category> of one." and app._notifications
        await pilot.press("y")
        assert app.clipboard == "a <category> of two."


async def test_a_marked_template_is_the_next_ones_other(tmp_path: Path) -> None:
    async with cockpit(held(tmp_path), (120, 40)) as (pilot, app):
        table = app.query_one(RowTable)
        table.select(normalise("a <category> of three."))
        await pilot.press("w", "m")
        assert len(app.screen_stack) == 1
        table.select(normalise("a <category> of one."))
        await pilot.press("w")
        assert isinstance(app.screen, WhyScreen)
        assert app.screen._second.text == "a <category> of three."
        await pilot.press("escape", "w")  # it held for one comparison
        assert isinstance(app.screen, WhyScreen)
        assert app.screen._second.text == "a <category> of two."


async def test_from_the_details_and_the_candidates(tmp_path: Path) -> None:
    async with cockpit(held(tmp_path), (120, 40)) as (pilot, app):
        await pilot.press("enter")
        assert isinstance(app.screen, DetailsScreen)
        await pilot.press("w")
        await until(lambda: isinstance(app.screen, WhyScreen))
        await pilot.press("escape")
        app.action_show_pane("candidates")
        await pilot.press("down", "w")
        assert isinstance(app.screen, WhyScreen)


async def test_with_one_template_there_is_nothing_to_compare(tmp_path: Path) -> None:
    async with cockpit(HeldSession(tmp_path, *loaded()), (120, 40)) as (pilot, app):
        await pilot.press("w")
        assert len(app.screen_stack) == 1
        (told,) = app._notifications
        assert "no other template" in told.message


def test_the_best_is_compared_with_the_seed() -> None:
    state = RunState().apply_all([*loaded(), *one_step(1, TEMPLATES)])
    assert state.best is not None and state.seed is not None
    assert opponent(state.best, state, None) == state.seed
    assert opponent(state.seed, state, None) == state.best
    assert opponent(state.seed, state, state.seed.key) == state.best  # a mark on itself is none


WAYS = ["likelihood", "embedding", "choice", "refusal"]


def asking(way: str, folder: Path, images: Iterable[str]) -> RunConfig:
    rows = [{"question": f"How is {s} {n} built?", "split": s} for n in range(4) for s in SPLITS]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = ["data.dataset=questions", f"data.path={folder / 'rows.jsonl'}", "data.shots=4"]
    own = data if way == "refusal" else [*images, "data.shots=1"]
    short = ["vlm.max_new_tokens=6", "steps=0", "steering.mode=off"]
    return load_config("demo-llava", [f"vlm.answer={way}", *own, *short])


@pytest.mark.parametrize("way", WAYS)
async def test_models_that_answer_questions(
    way: str, tmp_path: Path, kept: Kept, few_images: tuple[str, str]
) -> None:
    folder = tmp_path / "run"
    session = LocalSession.create(asking(way, tmp_path, few_images), folder, kept=kept)
    session.send(InjectTemplate(text="Say what is here."))
    state = drive(session)
    assert state.status == "finished", state.error
    assert len(state.ranking) == 2
    app = GlovApp(ReplaySession.open(folder))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("end", "w")
        shown = await says(pilot, "is one better?", "right: both")
        assert "no test" not in shown and "images that only A gets right" in shown
