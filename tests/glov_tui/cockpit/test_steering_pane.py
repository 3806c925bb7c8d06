"""The steering pane: what is shown at which size, and that nothing moves while values come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Static

from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.run.state import RunState
from engine.steering.soundness import Register
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.panes.steering import SteeringPane
from glov_tui.cockpit.panes.steering_lines import (
    ASCII_MARKS,
    Marks,
    quoted,
    shown_warnings,
    steering_lines,
)
from glov_tui.common.glyphs import UNICODE
from glov_tui.widgets.hbars import HBars
from tests.support.sessions import (
    HeldSession,
    loaded,
    one_step,
    settle,
    steering_measured,
    steering_prepared,
)

BEST = "a <category> in blue light, seen from far away across a wide and empty field at night."
LAYERS = 6
MIN_PANE = 53  # cells of the narrowest pane, in a terminal 110 wide
SIZES = [(200, 50), (120, 40), (80, 24)]


def auto(*more: str) -> RunConfig:
    return load_config("demo", ["steering.alpha=auto", *more])


def steered(step: int, alpha: float, hits: int) -> list[ev.Event]:
    """A steered step whose one new template has these hits of 10."""
    events = one_step(step, {f"template {step} <category>": hits})
    return [*events[:2], steering_prepared(step, alpha, BEST), steering_measured(step), *events[2:]]


def a_session(folder: Path, *events: ev.Event, config: RunConfig | None = None) -> HeldSession:
    start = [*loaded(config or auto()), *one_step(1, {BEST: 7}, BEST)]
    return HeldSession(folder, *start, *events)


@asynccontextmanager
async def cockpit(
    session: HeldSession, size: tuple[int, int]
) -> AsyncIterator[tuple[Pilot, SteeringPane]]:
    app = GlovApp(session)
    async with app.run_test(size=size) as pilot:
        await pilot.press("3")
        if size == (80, 24):
            await pilot.press("z")  # a third of so small a screen has no room for all
            while app.query_one(SteeringPane).size.height < 15:
                await pilot.pause()
        await settle(pilot)
        yield pilot, app.query_one(SteeringPane)


def rows(pane: SteeringPane) -> list[str]:
    """The pane as it is on screen, with its border."""
    region = pane.region
    strips = pane.screen._compositor.render_strips()[region.y : region.bottom]
    return [strip.crop(region.x, region.right).text for strip in strips]


@pytest.mark.parametrize("size", SIZES)
async def test_trials_effect_and_cosines_are_shown(tmp_path, size) -> None:
    events = [*steered(2, 0.25, 3), *steered(3, 0.5, 8), *steered(4, 0.75, 7)]
    async with cockpit(a_session(tmp_path, *events), size) as (_, pane):
        text = "\n".join(rows(pane))
        assert "last-token, layer 3, alpha auto, now 0.75" in text
        assert "-40.0" in text and "+10.0" in text
        assert "(0)" in text or "not tried yet" in text
        assert "◆0.75" in text
        assert "KL 0.31 nats, 12% of 480 tokens changed" in text
        if size != (120, 40):  # there the bars take the rows
            assert '" blue" +0.12' in text and '"   " +0.05' in text and '" photo" -0.21' in text
        assert "P+ 70.0% a <category> in blue light" in text
        assert "14.00  10%  0.93     -" in text and "  0.93  0.87" in text
        assert "last step, layer below" in text
        assert "\x1b" not in text and "\u202e" not in text
        assert len(pane.query_one(HBars)._bars) == LAYERS


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_moves_while_values_come_and_go(tmp_path, size) -> None:
    session = a_session(tmp_path)
    async with cockpit(session, size) as (pilot, pane):
        first = pane.query_one(HBars).region
        events = [*steered(2, 0.25, 3), *steered(3, 0.5, 8), ev.StepStarted(step=4)]
        for event in events:
            session.apply(event)
            pane.show(session.state)
            await pilot.pause()
            assert pane.query_one(HBars).region == first
        text = "\n".join(rows(pane))
        assert "480 tokens" in text and "13.00" in text  # the last step's stays


async def test_a_person_takes_alpha_over(tmp_path) -> None:
    edit = ev.Edited(number=1, step=4, edit=SetOption(key="steering.alpha", value=0.125))
    session = a_session(tmp_path, *steered(2, 0.25, 3), *steered(3, 0.5, 8), edit)
    async with cockpit(session, (120, 40)) as (pilot, pane):
        settings = str(pane.query_one("#steering-settings", Static).content)
        assert "-> last-token, layer 3, alpha 0.125 from step 4 on" in settings
        await pilot.press("plus")
        assert session.sent[-1].edit == SetOption(key="steering.alpha", value=0.375)
        session.apply(ev.StepStarted(step=4))
        await settle(pilot)
        assert "reward" not in "\n".join(rows(pane))


async def test_from_auto_the_keys_start_at_the_alpha_of_the_last_step(tmp_path) -> None:
    session = a_session(tmp_path, *steered(2, 0.75, 3), ev.StepStarted(step=3))
    async with cockpit(session, (120, 40)) as (pilot, _):
        await pilot.press("minus")
    assert session.sent[-1].edit == SetOption(key="steering.alpha", value=0.5)


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [
        ("alpha", "auto", "auto"),
        ("alphas", "[0.5, 1]", [0.5, 1]),
        ("alphas", "0.5, 2", [0.5, 2]),
        ("alphas", "0.5", 0.5),
    ],
)
async def test_the_options_screen_takes_auto_and_lists(tmp_path, field, typed, value) -> None:
    session = a_session(tmp_path, config=load_config("demo"))
    async with cockpit(session, (80, 24)) as (pilot, _):
        await pilot.press("o")
        pilot.app.screen.query_one(f"#steering-{field}").value = typed
        await pilot.press("ctrl+s")
        await pilot.pause()
    assert session.sent[-1].edit == SetOption(key=f"steering.{field}", value=value)
    session.apply(ev.Edited(number=1, step=2, edit=session.sent[-1].edit))
    config = session.state.with_pending().config
    expected = tuple(value) if isinstance(value, list) else (value,) if field == "alphas" else value
    assert config is not None and getattr(config.steering, field) == expected


async def test_wrong_alphas_are_refused_in_words(tmp_path) -> None:
    session = a_session(tmp_path)
    async with cockpit(session, (80, 24)) as (pilot, _):
        await pilot.press("o")
        pilot.app.screen.query_one("#steering-alphas").value = "0.5, 0.5"
        pilot.app.screen.query_one("#steering-alpha").value = "fast"
        await pilot.press("ctrl+s")
        problem = str(pilot.app.screen.query_one("#problem").content)
        assert "names an alpha twice" in problem and "steering.alpha" in problem
    assert not session.sent


def test_the_fingerprint_covers_what_is_shown() -> None:
    pane = SteeringPane(UNICODE)
    state = RunState()
    marks = Marks()
    seen = None
    for event in [
        *loaded(auto()),
        *one_step(1, {BEST: 7}, BEST),
        *steered(2, 0.25, 3),
        *steered(3, 0.5, 8),
        ev.Edited(number=1, step=4, edit=SetOption(key="steering.alphas", value=[1.0])),
        *steered(4, 1.0, 8),
    ]:
        state = state.apply(event)
        now = (pane.fingerprint(state), steering_lines(state, 56, 20, marks))
        if seen is not None and now[0] == seen[0]:
            assert now[1] == seen[1], event
        seen = now


@given(
    st.integers(1, 120),
    st.integers(1, 40),
    st.integers(1, 48),
    st.lists(st.floats(-10, 10), min_size=1, max_size=12, unique=True),
    st.booleans(),
)
def test_lines_fit_and_leave_rows_for_bars(width, height, layers, alphas, ascii_only) -> None:
    marks = ASCII_MARKS if ascii_only else Marks()
    config = auto(f"steering.alphas={alphas}", "steering.layers=0")
    first, models, *rest = loaded(config)
    models = models.model_copy(update={"llm_layers": layers})
    alpha = config.steering.alphas[-1]
    events = [first, models, *rest, *one_step(1, {BEST: 7}, BEST), *steered(2, alpha, 3)]
    events = [
        e.model_copy(update={"layers": (0,)}) if isinstance(e, ev.SteeringPrepared) else e
        for e in events
    ]
    state = RunState().apply_all(events)
    above, below = steering_lines(state, width, height, marks)
    if width >= MIN_PANE:
        assert all(cell_len(line) <= width for line in (*above, *below))
    assert not below or len(above) + len(below) + min(layers, 5) <= height
    assert all("\n" not in line for line in (*above, *below))
    if ascii_only:
        assert all(line.isascii() for line in above)
    if width >= MIN_PANE and len(below) > 3:
        assert f"{marks.chosen}{alpha:g}" in "\n".join(below)


@given(st.text(max_size=30))
def test_tokens_are_harmless_and_visible(token) -> None:
    text = quoted(token, Marks())
    assert text[0] == text[-1] == '"' and len(text) >= 2
    assert not any(c in text for c in "\x1b\n\t\u202e\x07\x85")
    assert cell_len(text) <= 14
    assert quoted(" ", Marks()) != quoted("  ", Marks()) != quoted("\n", Marks())


def warned(**changes: Any) -> RunState:
    """A steered step that all there is to warn of is wrong with, but for ``changes``."""
    wrong = {
        "alpha": 4.0,
        "pool": "paper",
        "sink_shares": (0.993,) * LAYERS,
        "registers": (Register(layer=3, template="P+", token="\x1b[2J\u202e", times=42),),
    }
    event = steering_prepared(2, 0.5, BEST).model_copy(update={**wrong, **changes})
    events = [*steered(2, 0.5, 3)]
    events[2] = event
    return RunState().apply_all(
        [*loaded(load_config("demo")), *one_step(1, {BEST: 7}, BEST), *events]
    )


@pytest.mark.parametrize("size", SIZES)
async def test_warnings_are_shown_with_their_figures(tmp_path, size) -> None:
    session = a_session(tmp_path)
    session.state = warned()
    async with cockpit(session, size) as (_, pane):
        text = "\n".join(rows(pane))
    assert "! alpha 4: 160% of norm, replies may break from 40%" in text
    assert "! sink: 99% of the squared norm; no-bos drops it" in text
    assert "register: '\\x1b[2J\\u202e' in P+, 42 times" in text
    assert "\x1b" not in text and "\u202e" not in text


def test_no_warnings_where_nothing_is_wrong() -> None:
    state = warned(alpha=0.5, sink_shares=(0.1,) * LAYERS, registers=())
    assert shown_warnings(state) == ()
    above, _ = steering_lines(state, 60, 30, Marks())
    assert len(above) == 3


def test_a_strong_alpha_is_said_before_it_takes_effect() -> None:
    state = warned(alpha=0.5, pool="no-bos", sink_shares=(), registers=())
    edit = ev.Edited(number=1, step=3, edit=SetOption(key="steering.alpha", value=1.25))
    assert shown_warnings(state.apply(edit)) == (
        "alpha 1.25: 50% of norm, replies may break from 40%",
    )


def test_warnings_leave_rows_for_bars() -> None:
    for height in range(1, 20):
        above, below = steering_lines(warned(), 60, height, ASCII_MARKS)
        assert len(above) <= 3 or len(above) + len(below) + 5 <= height
        assert all(line.isascii() for line in above)
