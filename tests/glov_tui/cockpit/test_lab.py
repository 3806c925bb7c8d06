"""Every action of the steering lab, driven by keys and mouse through Pilot."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.widgets import Static

from engine.run import events as ev
from engine.run.commands import EndExperiment, MakeEdit, Pause, Resume, RunExperiment, UndoEdit
from engine.run.edits import SetOption
from engine.run.experiment import CompareSettings, ReadLens, ScanSettings, SteeringSetting
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.lab.form import LabForm
from glov_tui.cockpit.lab.grid import GridView
from glov_tui.cockpit.lab.views import CompareView, LabHead, LabMessage, LensView
from glov_tui.cockpit.screens.help import HelpScreen
from glov_tui.cockpit.screens.lab import LabScreen
from glov_tui.cockpit.screens.question import QuestionScreen
from glov_tui.widgets.fields import Choice, ValueField
from glov_tui.widgets.key_bar import KeyBar
from tests.support.sessions import (
    HeldSession,
    compared,
    lens_read,
    loaded,
    measured,
    one_step,
    settle,
    traced,
    tried,
)

BEST = "a <category> in blue light."
OFF = SteeringSetting(mode="off", layers=())
OWN = SteeringSetting(layers=(3,), alpha=0.5)
COMPARE = CompareSettings(left=OFF, right=OWN)
SCAN = ScanSettings(setting=OWN, layers=(1, 3), alphas=(0.5, 1.0))
REPLIES = compared(
    left=(traced(["a", " dim", " cup"], 0.0),), right=(traced(["a", " bright", " cup"], 2.0),)
)
CELLS = [measured(layer, alpha, 0.5) for layer in (1, 3) for alpha in (0.5, 1.0)]


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    steps = one_step(1, {BEST: 7, "a <category> at night.": 3}, BEST)
    return HeldSession(tmp_path, *loaded(), *steps, ev.RunPaused(step=1))


@asynccontextmanager
async def lab(session: HeldSession, size: tuple[int, int] = (120, 40)):
    app = GlovApp(session)
    async with app.run_test(size=size) as pilot:
        await pilot.press("t")
        await settle(pilot)
        assert isinstance(app.screen, LabScreen)
        yield pilot, app.screen


def message(screen: LabScreen) -> str:
    return str(screen.query_one(LabMessage).content)


def cell_line(screen: LabScreen) -> str:
    return str(screen.query_one("#cell", Static).content)


def edits(session: HeldSession) -> list:
    return [command.edit for command in session.sent if isinstance(command, MakeEdit)]


def keys(screen: LabScreen) -> str:
    return str(screen.query_one(KeyBar).content)


async def test_it_shows_what_the_run_steers_with_now_and_later(session) -> None:
    edit = SetOption(key="steering.alpha", value=2.0)
    session.apply(ev.Edited(number=1, step=2, edit=edit))
    async with lab(session) as (_, screen):
        head = str(screen.query_one(LabHead).content)
        assert "run last-token, layer 3, alpha 0.5; from step 2 on: alpha 2\n" in head
        assert f"P+ 70.0% {BEST}" in head and "P- 40.0% a photo" in head


async def test_the_defaults_compare_the_run_s_setting_with_off(session) -> None:
    async with lab(session) as (pilot, _):
        await pilot.press("enter")
    assert session.sent == [RunExperiment(experiment=COMPARE)]


async def test_space_pauses_and_goes_on_within_the_lab(session) -> None:
    session.apply(ev.RunResumed(step=1))
    async with lab(session) as (pilot, screen):
        assert "space pauses it" in message(screen)
        await pilot.press("enter", "space")
        assert session.sent == [Pause()]  # nothing is tried while the run is under way
        session.apply(ev.RunPaused(step=1))
        await settle(pilot)
        assert "Enter tries" in message(screen)
        await pilot.press("e", "space")  # in a field it is text
        assert session.sent == [Pause()]
        await pilot.press("escape", "space")
        assert session.sent == [Pause(), Resume()]


async def test_before_there_are_anchors_the_lab_says_how_to_get_them(tmp_path) -> None:
    session = HeldSession(tmp_path, *loaded(), ev.RunPaused(step=1))
    async with lab(session) as (pilot, screen):
        assert "hold two templates by hand with P and N" in message(screen)
        await pilot.press("enter")
    assert not session.sent


async def test_it_opens_before_there_are_models_and_fills_itself_later(tmp_path) -> None:
    events = loaded()
    session = HeldSession(tmp_path, events[0])
    async with lab(session) as (pilot, screen):
        assert "still loading" in message(screen)
        await pilot.press("a", "enter", "right_square_bracket", "plus", "2", "a", "c", "v")
        session.apply(*events[1:])
        await settle(pilot)
        assert screen.query_one(LabForm).row("right").typed.layers == "3"
    assert not session.sent


async def test_both_sides_are_edited_by_keyboard(session) -> None:
    async with lab(session) as (pilot, _):
        await pilot.press("right_square_bracket", "plus", "m")  # of the right side
        await pilot.press("e", "1", ",", "4", "enter")
        await pilot.press("e", "tab", "minus", "2", "tab", "right", "tab", "left", "enter")
        await pilot.press("e", *["shift+tab"] * 6, "right", "enter")
    # the first: layers typed over; the second: alpha, unit and pool; the third: the left mode
    right = SteeringSetting(mode="generated-tokens", layers=(1, 4), alpha=0.75)
    changed = right.model_copy(update={"alpha": -2.0, "alpha_unit": "relative", "pool": "last"})
    left = SteeringSetting(layers=(3,), alpha=0.5)
    assert [c.experiment for c in session.sent] == [
        CompareSettings(left=OFF, right=right),
        CompareSettings(left=OFF, right=changed),
        CompareSettings(left=left, right=changed),
    ]


async def test_lists_and_auto_are_taken_as_they_are_typed(session) -> None:
    async with lab(session) as (pilot, _):
        await pilot.press("2", "e", *"auto", "tab", *"0.25, 0.5", "enter")
        assert session.sent[-1].experiment == ScanSettings(
            setting=OWN.model_copy(update={"alpha": 0.25}), layers=(3,), alphas=(0.25, 0.5)
        )
        await pilot.press("1", "e", *"Auto", "tab", *"auto", "enter")
        assert session.sent[-1].experiment == CompareSettings(left=OFF, right=OWN)
        await pilot.press("a")
    assert edits(session) == [SetOption(key="steering.alpha", value="auto")]


async def test_what_is_set_is_there_when_the_lab_is_opened_again(session) -> None:
    async with lab(session) as (pilot, _):
        await pilot.press("e", "1", "tab", "2", "escape", "t", "t")
        await settle(pilot)
        right = pilot.app.screen.query_one(LabForm).row("right").typed
        assert (right.layers, right.alpha) == ("1", "2")
        await pilot.press("enter")
    right_setting = OWN.model_copy(update={"layers": (1,), "alpha": 2.0})
    assert session.sent == [
        RunExperiment(experiment=CompareSettings(left=OFF, right=right_setting))
    ]


async def test_everything_by_mouse(session) -> None:
    async with lab(session) as (pilot, screen):
        await pilot.click("#row-left .mode")
        await pilot.click("#try")
        assert session.sent[0].experiment.left.mode == "last-token"
        await pilot.click("#views", offset=(29, 0))
        assert screen.query_one(GridView).display
        await pilot.click("#accuracy")
        await pilot.click("#try")
        assert session.sent[1].experiment.fitness
        session.apply(*tried(SCAN, *CELLS))
        await settle(pilot)
        table = screen.query_one(GridView).table
        await pilot.click(table, offset=(10, 1))
        assert table.cursor == (0, 0)
        await pilot.click("#apply")
        await pilot.click("#views", offset=(36, 0))
        assert screen.query_one(LensView).display
    assert edits(session) == [SetOption(key="steering.layers", value=[1])]


async def test_what_is_typed_wrong_is_said_and_marked(session) -> None:
    wrongs = [
        ("#row-right .layers", "9", "right: layers = 9: the LLM has layers 0 to 5"),
        ("#row-left .layers", "", "left: layers = '': give a layer"),
        ("#row-right .alpha", "5000", "right: alpha = 5000.0: should be at most 1000"),
        ("#replies", "65", "replies = '65': give a whole number from 1 to 64"),
        ("#seed", "", "seed = '': give a whole number from 0"),
    ]
    async with lab(session) as (pilot, screen):
        screen.query_one("#row-left .mode", Choice).value = "actadd"
        for done, (name, value, said) in enumerate(wrongs):
            field = screen.query_one(name, ValueField)
            field.value = value
            await pilot.press("enter")
            assert message(screen).startswith(said)
            assert field.has_class("-wrong") and len(session.sent) == done
            field.value = "1"
            await pilot.pause()
            assert "Enter tries" in message(screen)
            await pilot.press("enter")
            assert len(session.sent) == done + 1 and not field.has_class("-wrong")


async def test_a_grid_of_too_many_cells_or_without_steering_is_refused(session) -> None:
    async with lab(session) as (pilot, screen):
        await pilot.press("2")
        row = screen.query_one(LabForm).row("grid")
        row.field("alpha").value = ",".join(str(n) for n in range(80))
        await pilot.press("enter")
        assert "6 layers x 80 alphas are 480 cells" in message(screen)
        row.field("alpha").value = "1"
        row.choice("mode").value = "off"
        await pilot.press("enter")
        assert "choose another" in message(screen)
    assert not session.sent


async def test_replies_stand_beside_each_other_or_below_in_a_narrow_terminal(session) -> None:
    session.apply(*tried(COMPARE, REPLIES))
    for size, beside in (((120, 40), True), ((80, 24), False)):
        async with lab(session, size) as (_, screen):
            text = screen.query_one(CompareView).plain
            assert any("▸·dim" in row and "▸·bright" in row for row in text.splitlines()) == beside
            assert "KL 2.000, fluency -2.00" in text and "▆▆▆▆▆▆" in text


async def test_progress_and_giving_up(session) -> None:
    async with lab(session) as (pilot, screen):
        session.apply(
            ev.ExperimentStarted(experiment=COMPARE), ev.ExperimentProgress(done=3, total=12)
        )
        await settle(pilot)
        assert "25% done" in message(screen)  # a count would not say of what
        assert "Give up" in keys(screen) and "Back" not in keys(screen)
        await pilot.press("enter")  # one at a time
        await pilot.press("escape")
        assert session.sent == [EndExperiment()]
        assert pilot.app.screen is screen
        session.apply(ev.ExperimentEnded())
        await settle(pilot)
        assert "ended early" in message(screen) and "Back" in keys(screen)
        await pilot.press("escape")
        assert len(pilot.app.screen_stack) == 1
    assert session.sent == [EndExperiment()]


async def test_leaving_ends_the_experiment(session) -> None:
    session.apply(ev.ExperimentStarted(experiment=COMPARE))
    async with lab(session) as (pilot, _):
        await pilot.press("t")
        await pilot.pause()
        assert len(pilot.app.screen_stack) == 1
    assert session.sent == [EndExperiment()]


async def test_a_problem_is_shown_plainly(session) -> None:
    problem = "out of memory \x1b[31m [b]really[/b]; fewer replies may fit"
    session.apply(
        ev.ExperimentStarted(experiment=COMPARE), ev.ExperimentEnded(problem=problem, seconds=1)
    )
    async with lab(session) as (_, screen):
        assert message(screen) == f"Given up: {problem}".replace("\x1b", "\ufffd")


async def test_the_grid_fills_and_its_cursor_says_what_a_cell_holds(session) -> None:
    async with lab(session) as (pilot, screen):
        await pilot.press("2")
        session.apply(ev.ExperimentStarted(experiment=SCAN), CELLS[0])
        await settle(pilot)
        table = screen.query_one(GridView).table
        assert table.cursor == (1, 0) and "…*" in table.plain  # the run's own, not there yet
        session.apply(*CELLS[1:], ev.ExperimentEnded())
        await settle(pilot)
        assert "0.500 -1.50  50%*" in table.plain
        await pilot.press("right")
        assert cell_line(screen).startswith("layer 3, alpha 1: KL 1.000, fluency -2.00 nats, 3 te")
        await pilot.press("up", "left", "home", "end", "pagedown", "pageup")
        assert table.cursor == (0, 1)
        assert "shaded by KL" in str(screen.query_one("#about", Static).content)
        await pilot.press("v", "v")
        assert screen.query_one(GridView).measure == "accuracy"
        assert "shaded by accuracy" in str(screen.query_one("#about", Static).content)
        await pilot.press("v")
        assert screen.query_one(GridView).measure == "KL"


async def test_a_wide_grid_scrolls_with_its_cursor(session) -> None:
    alphas = tuple(n / 4 for n in range(1, 21))
    scan = ScanSettings(setting=OWN, layers=tuple(range(6)) * 5, alphas=alphas)
    session.apply(*tried(scan, *(measured(5, alpha) for alpha in alphas)))
    async with lab(session, (80, 24)) as (pilot, screen):
        table = screen.query_one(GridView).table
        first, second, *_, last = table.plain.splitlines()
        assert first.endswith(">") and "<" not in first and last.endswith("v")
        await pilot.press("end", "pagedown")
        first, second, *_, last = table.plain.splitlines()
        assert "<" in first and ">" not in first and first.rstrip().endswith("5")
        assert second.endswith("^") and "7.500" in last and not last.endswith("v")


async def test_a_grid_asks_for_accuracy_only_when_told(session) -> None:
    async with lab(session) as (pilot, _):
        await pilot.press("2", "enter", "f", "enter")
    scan = ScanSettings(setting=OWN, layers=(0, 1, 2, 3, 4, 5), alphas=(0.25, 0.5, 0.75, 1.0))
    scan = scan.model_copy(
        update={"setting": OWN.model_copy(update={"layers": (0,), "alpha": 0.25})}
    )
    assert [c.experiment for c in session.sent] == [
        scan,
        scan.model_copy(update={"fitness": True}),
    ]


async def test_the_cell_under_the_cursor_is_applied_or_compared(session) -> None:
    session.apply(*tried(SCAN, *CELLS))
    async with lab(session) as (pilot, screen):
        await pilot.press("right", "up", "a")
        notes = [(n.title, n.message) for n in pilot.app._notifications]
        assert notes == [
            (
                "From step 2 on",
                "steering.layers = [1]\nsteering.alpha = 1.0\nu takes it back, 2 times for all",
            )
        ]
        await pilot.press("u", "c", "enter")
        assert screen.query_one(CompareView).display
    assert edits(session) == [
        SetOption(key="steering.layers", value=[1]),
        SetOption(key="steering.alpha", value=1.0),
    ]
    assert session.sent[2] == UndoEdit()
    right = SteeringSetting(layers=(1,), alpha=1.0)
    assert session.sent[3] == RunExperiment(experiment=CompareSettings(left=OFF, right=right))


async def test_the_right_setting_is_applied(session) -> None:
    async with lab(session) as (pilot, _):
        await pilot.press("a")  # it is the run's own
        assert not session.sent
        await pilot.press("minus", "m", "a")
    assert edits(session) == [
        SetOption(key="steering.mode", value="generated-tokens"),
        SetOption(key="steering.alpha", value=0.25),
    ]


async def test_a_cell_that_is_not_measured_can_t_be_applied(session) -> None:
    async with lab(session) as (pilot, _):
        await pilot.press("2", "a", "c")
        assert [n.message for n in pilot.app._notifications] == [
            "This cell is not measured yet."
        ] * 2
    assert not session.sent


async def test_the_lens(session) -> None:
    async with lab(session) as (pilot, screen):
        await pilot.press("3", "e", "right", "enter", "a", "m", "plus")
        assert session.sent == [RunExperiment(experiment=ReadLens(pool="paper"))]
        session.apply(*tried(ReadLens(pool="paper"), lens_read()))
        await settle(pilot)
        text = screen.query_one(LensView).plain
        assert ">    3  ·soft +2.0" in text and "·hard -2.5" in text
        assert "Lens done" in message(screen)


async def test_results_stay_while_something_else_is_tried(session) -> None:
    async with lab(session) as (pilot, screen):
        session.apply(*tried(SCAN, *CELLS))
        await settle(pilot)
        session.apply(*tried(COMPARE, REPLIES))
        await settle(pilot)
        session.apply(ev.ExperimentStarted(experiment=COMPARE))
        await settle(pilot)
        assert "·bright" in screen.query_one(CompareView).plain
        await pilot.press("2")
        assert screen.query_one(GridView).selected == CELLS[2].found


async def test_what_somebody_typed_is_not_overwritten_by_the_run(session) -> None:
    async with lab(session) as (pilot, screen):
        form = screen.query_one(LabForm)
        await pilot.press("plus")
        session.apply(*one_step(2, {"another <category>": 5}))
        edit = SetOption(key="steering.layers", value=[5])
        session.apply(ev.Edited(number=1, step=3, edit=edit), *one_step(3, {"third <category>": 5}))
        await settle(pilot)
        assert form.row("right").typed.layers == "3" and form.row("right").typed.alpha == "0.75"
        assert form.row("left").typed.layers == "5"  # nobody touched it: it follows the run


async def test_hostile_tokens_are_shown_harmlessly(session) -> None:
    hostile = ["\x1b[2J", " [bold]x[/bold]", "\u202eabc", "\x07", "図", "\n", " end"]
    replies = compared((traced(hostile),), (traced(hostile[::-1]),))
    for size in ((120, 40), (80, 24)):
        session.apply(*tried(COMPARE, replies))
        async with lab(session, size) as (pilot, screen):
            text = screen.query_one(CompareView).plain
            session.apply(*tried(ReadLens(), lens_read(token="\x1b]0;x\x07[b]")))
            await settle(pilot)
            text += screen.query_one(LensView).plain
            assert "[bold]x[/bold]" in text and "図" in text and "⏎" in text and "[b]" in text
            assert not set("\x1b\x07\u202e") & set(text)


async def test_keys_of_the_cockpit_that_make_no_sense_here_do_nothing(session) -> None:
    async with lab(session, (90, 40)) as (pilot, screen):
        await pilot.press("p", "b", "P", "N", "H", "i", "o", "n", "x", "z", "slash", "4")
        assert pilot.app.screen is screen and not session.sent
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        text = " ".join(pilot.app.screen.query_one("TextView").plain.split())
        for binding in LabScreen.BINDINGS:
            assert binding.tooltip in text
        await pilot.press("escape", "q")
        assert isinstance(pilot.app.screen, QuestionScreen)


async def test_the_palette_has_the_lab_s_actions(session) -> None:
    async with lab(session) as (pilot, screen):
        commands = {c.title: c for c in pilot.app.get_system_commands(screen)}
        keys = [(b.description, pilot.app.get_key_display(b)) for b in LabScreen.BINDINGS]
        assert {f"Lab: {about} ({key})" for about, key in keys} <= set(commands)
        assert "Pause (space)" in commands and "Pin (p)" not in commands
        await commands["Lab: Grid view (2)"].callback()
        assert screen.query_one(GridView).display


async def test_an_ended_run_is_looked_at_only(session) -> None:
    session.apply(ev.RunStopped(step=1))
    session.ended = True
    async with lab(session) as (pilot, screen):
        assert f"`glov steer {session.folder}` loads them" in message(screen).replace("\n", " ")
        assert "Apply" not in keys(screen)
        await pilot.press("a", "enter")
    assert not session.sent


async def test_an_llm_that_cannot_be_steered_is_named(tmp_path) -> None:
    events = loaded()
    events[1] = events[1].model_copy(update={"llm_layers": 0})
    session = HeldSession(tmp_path, *events)
    async with lab(session) as (pilot, screen):
        assert "can't be steered" in message(screen)
        await pilot.press("a", "plus", "left_square_bracket", "2", "3")
    assert not session.sent


async def test_the_pump_paints_only_what_changed(session) -> None:
    session.apply(*tried(COMPARE, REPLIES))
    async with lab(session) as (pilot, _):
        session.apply(ev.RunPaused(step=1))
        await settle(pilot)
        before = dict(pilot.app._shown_at)
        await pilot.pause(0.2)
        assert dict(pilot.app._shown_at) == before
        session.apply(ev.Warned(message="nothing of the lab"))
        await settle(pilot)
        assert dict(pilot.app._shown_at) == before
        await pilot.press("escape")
        await settle(pilot)
        assert "nothing of the lab" in pilot.app.query_one("#log").plain


async def test_every_size_has_room_for_everything(session) -> None:
    session.apply(*tried(SCAN, *CELLS))
    async with lab(session, (200, 50)) as (pilot, screen):
        for size in ((200, 50), (120, 40), (100, 30), (80, 24), (60, 20)):
            await pilot.resize_terminal(*size)
            for number, kind in enumerate((CompareView, GridView, LensView), 1):
                await pilot.press(str(number))
                await pilot.pause()
                view = screen.query_one(kind)
                assert view.display and view.size.height >= 7 and view.size.width >= size[0] - 2
                shown = [w for w in screen.query("ValueField, Choice, Button") if w.size.width]
                assert len(shown) == {1: 14, 2: 10, 3: 2}[number]
                assert max(w.region.right for w in shown) <= size[0] or size[0] < 80
        await pilot.resize_terminal(20, 5)  # no room for anything, and no harm done
        await pilot.press("1", "2", "3")
