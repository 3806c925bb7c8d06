"""The map of layers by steps: at every size, long and short, steered, not steered, on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.run.state import RunState
from glov_tui.cockpit.lab.heat import LEVELS
from glov_tui.cockpit.screens.steering_over_time import SteeringScreen
from glov_tui.cockpit.screens.step_replies import StepRepliesScreen
from glov_tui.cockpit.steering_map import SteeringMap, shade_key
from glov_tui.cockpit.steering_words import why_empty
from glov_tui.common.glyphs import UNICODE
from glov_tui.widgets.heat_map import HeatMap
from glov_tui.widgets.text_view import TextView
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, settle
from tests.support.steered_runs import long_run, models, prepared, steered_step

SIZES = [(200, 50), (120, 40), (100, 30), (80, 24), (60, 20)]


async def opened(pilot) -> SteeringMap:
    await pilot.press("S")
    await settle(pilot)
    await pilot.pause()
    assert isinstance(pilot.app.screen, SteeringScreen)
    return pilot.app.screen.query_one(SteeringMap)


def said(shown: SteeringMap) -> str:
    return shown.query_one("#map-cell", TextView).plain


def empty(shown: SteeringMap) -> str:
    return str(shown.query_one("#map-empty").render())


def about(shown: SteeringMap) -> str:
    return str(shown.query_one("#map-about").render())


@pytest.mark.parametrize("size", SIZES)
async def test_all_steps_of_a_long_run_are_in_view_and_layers_scroll(tmp_path, size) -> None:
    session = HeldSession(tmp_path, *long_run(1000, 80))
    async with cockpit(session, size) as (pilot, _):
        shown = await opened(pilot)
        rows = shown.map.plain.splitlines()
        assert "steps a column (means)" in about(shown)
        assert rows[0].split()[:2] == ["layer", "1"]
        assert any(row.strip().startswith("KL") for row in rows)
        assert "layer 42" in said(shown) and "-1000" in said(shown)
        await pilot.press("home", "pageup")
        assert said(shown).startswith("steps 1-") and "layer 0" in said(shown)
        await pilot.press("pagedown")
        assert "layer 79" in said(shown)
        assert all(len(row) <= size[0] - 2 for row in shown.map.plain.splitlines())


async def test_the_cell_under_the_cursor_says_its_numbers(tmp_path: Path) -> None:
    trials = (ev.AlphaTrial(alpha=0.5, replies=10, reward=0.02, spread=0.1),)
    edit = SetOption(key="steering.alpha", value=0.75)
    session = HeldSession(
        tmp_path,
        *models(6),
        *one_step(1, {"one <category>.": 5}),
        ev.Edited(number=1, step=2, edit=edit, author="Ada\x1b[31m"),
        *steered_step(2, 6, layers=(3,), trials=trials),
        *steered_step(3, 6, era=1, layers=(3,), alpha=0.75),
    )
    async with cockpit(session) as (pilot, _):
        shown = await opened(pilot)
        assert "step 3, layer 3 " in said(shown) and "norm 14, 1.4% of the" in said(shown)
        await pilot.press("left", "up")
        text = said(shown)
        assert text.startswith("step 2, layer 2: norm 3, 0.3% of the hidden states")
        assert "25.0% of 100 tokens changed" in text
        assert "alpha 0.5; trials: 0.5 +2.0+-" in text
        assert "edited: " in text and "0.75 by Ada" in text and "\x1b" not in text
        await pilot.press("left")
        assert said(shown) == "step 1, layer 2: not steered"
        edits = next(r for r in shown.map.plain.splitlines() if r.strip().startswith("edits"))
        assert edits.split() == ["edits", "e"]


async def test_all_edits_of_a_step_are_read_where_the_map_leaves_room(tmp_path: Path) -> None:
    made = [
        ev.Edited(number=n, step=2, edit=SetOption(key="steering.alpha", value=n / 8), author="Ada")
        for n in range(1, 9)
    ]
    session = HeldSession(tmp_path, *models(6), *made, *steered_step(2, 6))
    async with cockpit(session, (80, 24)) as (pilot, _):
        shown = await opened(pilot)
        cell = shown.query_one("#map-cell", TextView)
        assert "steering.alpha = 1.0 by Ada" in cell.plain
        assert cell.max_scroll_y == 0 and cell.size.height > 4


async def test_one_key_shades_by_the_ratio(tmp_path: Path) -> None:
    async with cockpit(HeldSession(tmp_path, *long_run(12, 6))) as (pilot, _):
        shown = await opened(pilot)
        assert about(shown).startswith("norm of H+ - H-; 12 steps, 1 step a column")
        await pilot.press("v")
        assert about(shown).startswith("its ratio to the hidden states")
        assert "ratio from" in shown.query_one("#map-key", TextView).plain
        await pilot.press("v")
        assert about(shown).startswith("norm")


@pytest.mark.parametrize("more", ["", "plus"])
async def test_what_is_shown_is_said_whole_where_it_is_narrow(tmp_path: Path, more) -> None:
    async with cockpit(HeldSession(tmp_path, *long_run(200, 6)), (60, 20)) as (pilot, _):
        shown = await opened(pilot)
        if more:
            await pilot.press(*[more] * 3)
            assert about(shown).startswith("norm; 200 steps, scrolled, 1 step a column")
        for measure in ("norm", "ratio"):
            assert about(shown).startswith(measure)
            assert about(shown).endswith("steered")
            await pilot.press("v")


async def test_bins_are_chosen_and_the_step_under_the_cursor_stays(tmp_path: Path) -> None:
    async with cockpit(HeldSession(tmp_path, *long_run(300, 6)), (80, 24)) as (pilot, _):
        shown = await opened(pilot)
        assert "5 steps a column" in about(shown)
        await pilot.press("home", *["right"] * 10)
        assert said(shown).startswith("steps 51-55")
        await pilot.press("plus", "plus")
        assert "1 step a column" in about(shown) and "of all, scrolled" in about(shown)
        assert said(shown).startswith("step 55,")
        assert ">" in shown.map.plain.splitlines()[0]
        await pilot.press("0")
        assert said(shown).startswith("steps 51-55")


async def test_it_follows_the_run_unless_another_step_is_looked_at(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *long_run(5, 6))
    async with cockpit(session) as (pilot, _):
        shown = await opened(pilot)
        session.apply(*steered_step(6, 6, era=2))
        await settle(pilot)
        assert said(shown).startswith("step 6,")
        await pilot.press("left", "left")
        session.apply(*steered_step(7, 6, era=2))
        await settle(pilot)
        assert said(shown).startswith("step 4,")


async def test_nothing_is_painted_while_nothing_changes(tmp_path: Path, monkeypatch) -> None:
    session = HeldSession(tmp_path, *long_run(20, 6))
    async with cockpit(session) as (pilot, _):
        shown = await opened(pilot)
        painted = []
        monkeypatch.setattr(HeatMap, "refresh", lambda *_, **__: painted.append(1))
        session.apply(ev.Progress(phase="proposing", done=1, total=2))
        await settle(pilot)
        shown.show(session.state)
        assert not painted


async def test_without_colours_shades_are_signs(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with cockpit(HeldSession(tmp_path, *long_run(12, 6))) as (pilot, _):
        shown = await opened(pilot)
        assert "▁▁▁▁" in shown.map.plain and "█" in shown.map.plain


async def test_a_mode_whose_effect_is_not_measured_says_why(tmp_path: Path) -> None:
    begun, asked, *rest = one_step(1, {"one <category>.": 5})
    steered = prepared(1, 6, mode="all-tokens")
    session = HeldSession(tmp_path, *models(6), begun, asked, steered, *rest)
    async with cockpit(session) as (pilot, _):
        shown = await opened(pilot)
        assert "all-tokens leaves its offset in the KV cache" in said(shown)


async def test_with_alpha_0_nothing_is_added_and_nothing_measured(tmp_path: Path) -> None:
    begun, asked, *rest = one_step(1, {"one <category>.": 5})
    session = HeldSession(tmp_path, *models(6), begun, asked, prepared(1, 6, alpha=0.0), *rest)
    async with cockpit(session) as (pilot, _):
        shown = await opened(pilot)
        assert "no effect: with alpha 0 nothing is added" in said(shown)
        assert "alpha 0" in said(shown).splitlines()[-1]


async def test_a_step_under_way_has_no_effect_yet(tmp_path: Path) -> None:
    begun, asked, *_ = one_step(1, {"one <category>.": 5})
    session = HeldSession(tmp_path, *models(6), begun, asked, prepared(1, 6))
    async with cockpit(session) as (pilot, _):
        shown = await opened(pilot)
        assert "not measured yet: the replies are being written" in said(shown)


@pytest.mark.parametrize(
    "overrides, words",
    [
        ((), "No step was steered yet"),
        (("steering.mode=off",), "steering.mode is off"),
        (
            ("steering.mode=off", "llm.kind=openai", "llm.model=m"),
            "The LLM is on a server: its hidden states are out of reach",
        ),
    ],
)
async def test_where_nothing_is_steered_it_says_why(tmp_path, overrides, words) -> None:
    session = HeldSession(tmp_path, *loaded(load_config("demo", list(overrides))))
    async with cockpit(session, (80, 24)) as (pilot, app):
        shown = await opened(pilot)
        assert words in str(shown.query_one("#map-empty").render())
        assert not shown.map.display
        await pilot.press("enter", "v", "plus")  # nothing to do
        assert isinstance(app.screen, SteeringScreen)
        await pilot.press("S")
        assert not isinstance(app.screen, SteeringScreen)


async def test_the_first_steered_step_makes_a_whole_map_of_what_said_why_there_is_none(
    tmp_path: Path,
) -> None:
    session = HeldSession(tmp_path, *models(6), *one_step(1, {"one <category>.": 5}))
    async with cockpit(session, (80, 24)) as (pilot, app):
        shown = await opened(pilot)
        assert "No step was steered yet" in empty(shown)
        session.apply(*steered_step(2, 6), *steered_step(3, 6))
        await settle(pilot)
        await pilot.pause()
        assert shown.map.display and not empty(shown)
        assert "3 steps, 1 step a column" in about(shown)
        keys = {b.binding.description for b in app.screen.active_bindings.values() if b.enabled}
        assert {"Replies", "Norm, ratio", "Fit"} <= keys
        await pilot.press("left", "up")
        assert said(shown).startswith("step 2, layer 2")


def test_keys_are_those_that_are_bound_and_an_ended_run_is_told_what_there_was(tmp_path) -> None:
    def why(*events: ev.Event, overrides: tuple[str, ...] = ()) -> str:
        run = loaded(load_config("demo", list(overrides)))
        return why_empty(RunState().apply_all([*run, *events]), "<{}>".format)

    off, over = ("steering.mode=off",), ev.RunStopped(step=1)
    assert "<mode> in the cockpit chooses" in why(overrides=off)
    assert why(over, overrides=off) == "steering.mode is off: no step is steered."
    assert "No step was steered: no template beat the seed" in why(over)
    better = one_step(1, {"one <category>.": 9}, positive="one <category>.")
    assert "came in the last step" in why(*better, over)
    assert "asks no" not in why() and "never steers" in why(overrides=("search.kind=random",))


async def test_a_step_that_was_cut_off_is_not_being_written(tmp_path: Path) -> None:
    begun, asked, *_ = one_step(1, {"one <category>.": 5})
    session = HeldSession(tmp_path, *models(6), begun, asked, prepared(1, 6))
    async with cockpit(session) as (pilot, _):
        shown = await opened(pilot)
        session.apply(ev.RunFailed(message="killed"))
        await settle(pilot)
        assert "effect not measured: the step was cut off" in said(shown)


@pytest.mark.parametrize("colours", [True, False])
async def test_the_key_of_the_shades_is_whole_at_every_width(
    tmp_path, monkeypatch, colours
) -> None:
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    shades = UNICODE.ramp
    for size in ((60, 20), (80, 24)):
        async with cockpit(HeldSession(tmp_path, *long_run(12, 24)), size) as (pilot, _):
            shown = await opened(pilot)
            for _measure in ("norm", "ratio"):
                key = shown.query_one("#map-key", TextView)
                assert all(shade in key.plain for shade in shades)
                assert len(key.plain.rstrip()) <= key.size.width
                await pilot.press("v")


async def test_the_key_has_the_colours_of_the_map(tmp_path: Path) -> None:
    async with cockpit(HeldSession(tmp_path, *long_run(12, 6))) as (pilot, _):
        shown = await opened(pilot)
        key = shown.query_one("#map-key")
        for level in range(LEVELS):
            of_key = key.get_component_rich_style(f"spans--heat-{level}")
            assert of_key.bgcolor == shown.map.get_component_rich_style(f"heat--{level}").bgcolor


@pytest.mark.parametrize(("width", "head"), [(80, "norm from "), (60, "norm "), (40, "")])
def test_a_key_with_little_room_leaves_out_blanks_and_then_numbers(width, head) -> None:
    text = "".join(t for t, _ in shade_key("norm", UNICODE.ramp, ["0.0123"] * 7, width))
    assert text.startswith(f"{head} ▁ 0.0123 " if "from" in head else f"{head}▁0.0123")
    assert text.count("0.0123") == (7 if head else 4) and all(s in text for s in UNICODE.ramp)


async def test_a_second_click_on_a_cell_opens_its_replies(tmp_path: Path) -> None:
    async with cockpit(HeldSession(tmp_path, *long_run(8, 6))) as (pilot, app):
        shown = await opened(pilot)
        place = (len("changed ") + 4 * 2 + 1, 3)  # step 3, layer 2
        await pilot.click(HeatMap, offset=place)
        assert said(shown).startswith("step 3, layer 2")
        assert isinstance(app.screen, SteeringScreen)
        await pilot.click(HeatMap, offset=place)
        await pilot.pause()
        assert isinstance(app.screen, StepRepliesScreen)


async def test_enter_opens_the_replies_of_the_step(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *long_run(8, 6))
    async with cockpit(session) as (pilot, app):
        await opened(pilot)
        await pilot.press("left", "enter")
        await pilot.pause()
        assert isinstance(app.screen, StepRepliesScreen)
        assert "step 7: replies" in str(app.screen.query_one(".about").render())
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, SteeringScreen)
