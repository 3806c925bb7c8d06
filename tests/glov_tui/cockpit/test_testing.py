"""``T``: test accuracies on demand: their cost is said before, and they are marked as one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.geometry import Region
from textual.widgets import Label

from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import CallOffTests, MakeEdit, MeasureTest
from engine.run.edits import SetOption
from engine.run.measure_check import measure_cost
from engine.run.state import RunState
from engine.storage.run_folder import run_argument
from glov_tui.cockpit.notices import said_at_the_end
from glov_tui.cockpit.panes.accuracy import AccuracyPane
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.log import LogPane
from glov_tui.cockpit.screens.question import QuestionScreen
from glov_tui.cockpit.template_lines import details
from glov_tui.cockpit.testing import measure_question
from glov_tui.widgets.row_table import RowTable
from tests.support.patience import until
from tests.support.sessions import HeldSession, cockpit, loaded, one_step, settle

BEST, OTHER = "a <category> of two.", "a <category> of one."
SIZES = [(200, 50), (120, 40), (80, 24), (60, 20)]


def events() -> list[ev.Event]:
    return [*loaded(), *one_step(1, {OTHER: 6, BEST: 8}, BEST), ev.StepStarted(step=2)]


def measured(template: str, hits: int = 52, step: int = 2) -> ev.TestMeasured:
    return ev.TestMeasured(
        step=step,
        subject="asked",
        templates=(template,),
        hits=hits,
        n=100,
        seconds=0.1,
        author="a script",
    )


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    return HeldSession(tmp_path, *events())


def asked(app) -> str:
    assert isinstance(app.screen, QuestionScreen)
    return " ".join(str(app.screen.query(Label).first().content).split())


@pytest.mark.parametrize("size", SIZES)
async def test_the_cost_is_said_before(session: HeldSession, size) -> None:
    async with cockpit(session, size) as (pilot, app):
        app.query_one(RowTable).select(normalise(BEST))
        await pilot.press("T")
        said = asked(app)
        assert "Measure the test accuracy of this template? a <category> of two." in said
        assert "100 test images x 1 template: about 0.1 s, as the seed template took." in said
        assert "It begins when step 2 is done, or in a pause (space)." in said
        assert "You alone see test accuracies: the search never uses them." in said
        box = app.screen.query("Vertical").first()
        assert box.border_title == "test accuracy"
        assert box.region.bottom <= size[1] and box.region.right <= size[0]
        for button in app.screen.query("Button"):
            assert box.region.contains_region(button.region)
        await pilot.press("n")
        assert not session.sent
        await pilot.press("T", "m")
        assert session.sent == [MeasureTest(key=normalise(BEST))]
        session.apply(ev.TestAsked(template=BEST))
        session.apply(measured(BEST))
        await until(lambda: any("52.0%" in told.message for told in app._notifications))


async def test_the_best_every_few_steps_is_switched_on_and_off(session: HeldSession) -> None:
    async with cockpit(session, (120, 40)) as (pilot, app):
        await pilot.press("T", "e")
        on = SetOption(key="evaluation.best_every", value=5)
        assert session.sent == [MakeEdit(edit=on)]
        session.apply(ev.Edited(number=1, step=3, edit=on))
        await pilot.press("T")
        assert "The best is measured every 5 steps." in asked(app)
        await pilot.press("e")
        assert session.sent[-1] == MakeEdit(edit=SetOption(key=on.key, value=0))


async def test_what_waits_is_called_off(session: HeldSession) -> None:
    session.apply(ev.TestAsked(template=BEST))
    async with cockpit(session, (120, 40)) as (pilot, app):
        app.query_one(RowTable).select(normalise(BEST))
        await pilot.press("T")
        assert "asked for already, and is not measured yet" in asked(app)
        assert ".." not in asked(app)
        await pilot.press("m")  # no answer now
        assert isinstance(app.screen, QuestionScreen)
        await pilot.press("x")
        assert session.sent == [CallOffTests()]


async def test_what_was_measured_is_marked_as_a_persons(session: HeldSession) -> None:
    async with cockpit(session, (200, 50)) as (pilot, app):
        session.apply(measured(BEST))
        await settle(pilot)
        table = app.query_one(ExamplesPane)
        rows = ["".join(t for t, _ in table._line(row, session.state)) for row in table._rows()]
        assert [row for row in rows if "T52.0" in row] == [row for row in rows if "two." in row]
        chart = app.query_one(AccuracyPane)
        (series,) = (one for one in chart._series if one.name == "asked test")
        assert list(series.points) == [(2.0, 0.52)] and series.glyph == 3
        assert "test accuracy, which only you see: 52.0% of 100 images" in " ".join(
            app.query_one(LogPane).plain.split()
        )
    template = session.state.find(normalise(BEST))
    assert template is not None
    lines = ["".join(t for t, _ in line) for line in details(template, session.state)]
    (line,) = (line for line in lines if line.startswith("test accuracy"))
    assert line.startswith("test accuracy 52.0% (52 of 100 images; 95 % 42.3% to 61.5%)")
    assert line.endswith("asked for by a script in step 2; the search has not seen it")
    assert "asked" not in said_at_the_end(session.state)


async def test_without_an_engine_it_is_said_what_to_do(session: HeldSession) -> None:
    session.apply(ev.RunStopped(step=1))
    async with cockpit(session, (120, 40)) as (pilot, app):
        await pilot.press("T")
        assert len(app.screen_stack) == 1 and not session.sent
        told = " ".join(told.message for told in app._notifications)
        run = run_argument(session.folder)
        assert f"The run has no engine any more: glov resume {run} brings one back" in told
        assert f", or glov eval {run} measures any template on the test split." in told
        session.apply(ev.RunFinished(step=1))
        app.clear_notifications()
        await pilot.press("T")
        await until(lambda: any("more: glov eval" in told.message for told in app._notifications))


KEYS = {"pause": "f7"}.__getitem__


def test_the_question_names_the_keys_that_a_person_has() -> None:
    state = RunState().apply_all(events())
    text, _ = measure_question(state, state.find(normalise(BEST)), KEYS)
    assert "It begins when step 2 is done, or in a pause (f7)." in text


def test_what_the_question_says_of_each_case() -> None:
    state = RunState().apply_all(events())
    text, answers = measure_question(state, state.find(normalise("a photo of a <category>.")), KEYS)
    assert "Its test accuracy is known: 45.0% of 100 images" in text and "m" not in answers
    text, answers = measure_question(state, None, KEYS)
    assert "No template that was scored is selected." in text and set(answers) == {"n", "e"}
    paused = state.apply(ev.RunPaused(step=2))
    text, _ = measure_question(paused, paused.find(normalise(BEST)), KEYS)
    assert "It begins at once." in text
    loading = state.apply(ev.RunReopened(versions={}))
    for status in (loading, loading.apply(ev.RunPaused(step=1))):
        held = status.apply(ev.Progress(phase="loading", done=1, total=2))
        text, _ = measure_question(held, held.find(normalise(BEST)), KEYS)
        assert "It begins when the models are loaded." in text


def test_nothing_is_said_to_take_no_time() -> None:
    state = RunState().apply_all(events())
    assert "template: about 0.1 s, as" in measure_cost(state)
    quick = (state.tests[0].model_copy(update={"seconds": 0.004}),)
    assert "template: less than 0.1 s, as" in measure_cost(replace(state, tests=quick))


@pytest.mark.parametrize("at_once", [True, False])
async def test_it_is_told_once_also_where_it_could_not_be(
    session: HeldSession, at_once: bool
) -> None:
    """However quickly the engine was through with it, and however often one asked."""
    async with cockpit(session, (120, 40)) as (pilot, app):
        app.query_one(RowTable).select(normalise(BEST))
        await pilot.press("T", "m", "T", "m")
        await until(lambda: session.sent == [MeasureTest(key=normalise(BEST))] * 2)
        asked_for = ev.TestAsked(template=BEST)
        dropped = ev.TestDropped(template=BEST, problem="images/1.png is gone")
        if at_once:
            session.apply(asked_for, dropped)
        else:
            session.apply(asked_for)
            await pilot.pause(0.3)
            session.apply(dropped)
        wanted = f"test accuracy can't be measured: images/1.png is gone ({BEST})"
        await until(lambda: wanted in [told.message for told in app._notifications])
        await until(lambda: not app._waited_for)
        await pilot.press("T", "m")
        await until(lambda: app._waited_for)
        session.apply(asked_for, measured(BEST))
        await until(lambda: any(told.title for told in app._notifications))
        told = [told.message for told in app._notifications if told.title]
        assert told == ["52.0% (42-62) of 100 images. Only you see it: the search does not."]


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_asked_and_its_answers_are_in_view(tmp_path: Path, size) -> None:
    """Of a long template that waits or is known, with the best every few steps."""
    long = f"a <category> {'of glass and ' * 40}light."
    every = ev.Edited(number=1, step=1, edit=SetOption(key="evaluation.best_every", value=5))
    begun = [*loaded(), every, *one_step(1, {long: 8}, long), ev.StepStarted(step=2)]
    for more in ([], [ev.TestAsked(template=long)], [measured(long)]):
        async with cockpit(HeldSession(tmp_path, *begun, *more), size) as (pilot, app):
            app.query_one(RowTable).select(normalise(long))
            await pilot.press("T")
            assert "of glass and of glass" in asked(app)
            rows = ["".join(s.text for s in row) for row in app.screen._compositor.render_strips()]
            assert any("test accuracy" in row for row in rows), rows  # not scrolled away
            screen = Region(0, 0, *size)
            for button in app.screen.query("Button"):
                assert screen.contains_region(button.region), (button, button.region)
            await pilot.press("n")
