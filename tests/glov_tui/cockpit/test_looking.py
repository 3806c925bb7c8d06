"""The configuration, the result and the step of something: what they say, at every size."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.toml_file import load_config, parse_override
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import StepOnce
from engine.run.edits import SetOption
from engine.run.result import summarise
from engine.storage.journal import Journal
from glov_tui.cockpit.config_lines import A_PERSON, config_keys
from glov_tui.cockpit.panes.log import LogPane
from glov_tui.cockpit.panes.result_card import ResultCard
from glov_tui.cockpit.screens.configuration import ConfigScreen
from glov_tui.commands.headless import _result_lines
from glov_tui.widgets.find_line import FindLine
from glov_tui.widgets.item_view import ItemView
from tests.support.sessions import BEST, HeldSession, cockpit, loaded, one_step, settle

SIZES = [(200, 50), (120, 40), (100, 30), (80, 24), (60, 20)]
OTHER = "a <category> at night."


def edited(number: int, step: int, key: str, value: object, **who: str) -> ev.Edited:
    return ev.Edited(number=number, step=step, edit=SetOption(key=key, value=value), **who)


def of_test(subject: ev.Subject, hits: int, *templates: str) -> ev.TestMeasured:
    return ev.TestMeasured(
        step=2, subject=subject, templates=templates, hits=hits, n=100, seconds=0.1
    )


@pytest.fixture
def session(tmp_path: Path) -> HeldSession:
    """A run of two steps with edits."""
    return HeldSession(
        tmp_path,
        *loaded(),
        *one_step(1, {BEST: 7, OTHER: 3}, BEST),
        edited(1, 2, "steering.alpha", 0.75, author="agent-7", reason="too \x1b[31mweak"),
        *one_step(2, {"an old <category>.": 5}),
        edited(2, 3, "sampling.temperature", 0.5),
    )


def the_end() -> list[ev.Event]:
    return [
        of_test("best", 71, BEST),
        of_test("ensemble", 74, BEST, OTHER, BEST),
        ev.RunFinished(step=2),
    ]


# -- the configuration -----------------------------------------------------------------------


def test_every_key_is_there_as_the_command_line_takes_it(session) -> None:
    keys = {key.name: key for key in config_keys(session.state)}
    config = load_config("demo")
    for section, values in config.model_dump().items():
        names = [f"{section}.{key}" for key in values] if isinstance(values, dict) else [section]
        assert set(names) <= set(keys)
    assert keys["steps"].value == config.steps and keys["steps"].default == 100
    for key in keys.values():
        if key.value is not None:
            name, value = parse_override(key.assignment)
            assert name == key.name
            assert value == (list(key.value) if isinstance(key.value, tuple) else key.value)


@pytest.mark.parametrize("size", SIZES)
async def test_the_configuration_says_what_was_edited_and_by_whom(session, size) -> None:
    async with cockpit(session, size) as (pilot, app):
        await pilot.press("C")
        assert isinstance(app.screen, ConfigScreen)
        await pilot.pause()
        view = app.screen.query_one(ItemView)
        text = view.plain
        assert "from step 2 on: 0.75  by agent-7: too" in text and "\x1b" not in text
        assert f"waits, from step 3 on: 0.5  by {A_PERSON}" in text
        assert "steps" in text and "default 100" in text and "[steering]" in text
        assert view.size.height >= 12
        await pilot.press("slash", *"alpha", "enter")
        assert app.screen.query_one(FindLine).is_open and len(view.hits) >= 3
        at = view.cursor
        await pilot.press("n")
        assert view.cursor != at or len(view.hits) == 1
        await pilot.press("escape")
        assert isinstance(app.screen, ConfigScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, ConfigScreen)
        assert session.sent == []


async def test_a_key_and_all_of_it_are_copied(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("C")
        await pilot.pause()
        await pilot.press("slash", *"temperature", "enter", "escape", "y")
        assert app.clipboard.startswith("sampling.temperature=")
        await pilot.press("slash", *"data.path", "enter", "escape", "y")
        assert app.clipboard.startswith("sampling.temperature="), "there is nothing to copy"
        assert "data.path is not set" in str(app.screen.query_one("KeyBar").render())
        await pilot.press("Y")
        assert "[steering]" in app.clipboard and "alpha = 0.75" in app.clipboard


async def test_the_configuration_follows_edits_and_is_empty_before_the_run(tmp_path) -> None:
    session = HeldSession(tmp_path)
    async with cockpit(session) as (pilot, app):
        await pilot.press("C")
        await pilot.pause()
        view = app.screen.query_one(ItemView)
        assert "shown here once the run has begun" in view.plain
        session.apply(*loaded())
        app.screen._show()
        assert "[steering]" in view.plain


# -- the result ------------------------------------------------------------------------------


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("size", SIZES)
async def test_the_card_comes_at_the_end_goes_and_comes_back(session, size) -> None:
    async with cockpit(session, size) as (pilot, app):
        await pilot.press("r")
        assert not app.query(ResultCard)  # nothing has ended
        session.apply(*the_end())
        await settle(pilot)
        await pilot.pause()
        card = app.query_one(ResultCard)
        assert card.display and app.screen.region.contains_region(card.region)
        assert not card.has_focus  # whatever is typed goes on
        await pilot.press("escape")
        assert not card.display
        await pilot.press("r")
        await pilot.pause()
        assert card.display and card.has_focus
        await pilot.press("end", "r")
        assert not card.display


async def test_the_card_has_the_figures_that_are_printed(session) -> None:
    async with cockpit(session, (120, 40)) as (pilot, app):
        session.apply(*the_end())
        await settle(pilot)
        await pilot.pause()
        text = words(app.query_one(ResultCard).plain)
        printed = str(_result_lines(session.state))
        result = summarise(session.state)
        for row in (result["baseline"], result["best"], result["ensemble"]):
            figure = f"{row['test_accuracy']:.1%} ("
            assert figure in text and figure in printed
        assert "70.0%" in text and "2x" in text and "2x" in printed
        name = session.folder
        for command in (f"glov export {name}", f"glov compare {name} OTHER", f"glov fork {name}"):
            assert command in text
        assert "glov resume" not in text


async def test_a_stopped_run_says_how_it_goes_on(session) -> None:
    async with cockpit(session) as (pilot, app):
        session.apply(ev.RunStopped(step=2))
        await settle(pilot)
        assert not app.query(ResultCard)  # it is not the end
        await pilot.press("r")
        await pilot.pause()
        text = words(app.query_one(ResultCard).plain)
        assert "stopped" in text and "2 steps of 20" in text and "glov resume" in text


async def test_a_run_that_was_over_shows_its_panes_first(session) -> None:
    session.apply(*the_end())
    async with cockpit(session) as (pilot, app):
        assert not app.query(ResultCard)
        await pilot.press("r")
        await pilot.pause()
        assert app.query_one(ResultCard).display


# -- the step of something -------------------------------------------------------------------


@pytest.fixture
def journaled(tmp_path: Path) -> HeldSession:
    """The same with a journal to look back into, and times that tell steps apart."""
    events: list[ev.Event] = [
        *loaded(),
        *one_step(1, {BEST: 7, OTHER: 3}, BEST),
        *one_step(2, {"an old <category>.": 5}),
        *one_step(3, {"a new <category>.": 6}),
    ]
    events = [event.model_copy(update={"time": 1000.0 + i}) for i, event in enumerate(events)]
    folder = tmp_path / "run"
    folder.mkdir()
    journal = Journal.create(folder)
    journal.append(*events)
    journal.close()
    return HeldSession(folder, *events)


@pytest.mark.parametrize(
    ("keys", "step"),
    [
        (["2", "home", "g"], 1),  # the best template is of step 1
        (["2", "down", "g"], 3),
        (["2", "end", "g"], 1),
        (["5", "home", "right", "g"], 1),
        (["5", "left", "enter"], 3),
        (["5", "end", "left", "enter"], 2),
        (["6", "end", "g"], 3),
        (["6", "home", "g"], 1),
        (["6", "slash", *"step 2:", "enter", "g"], 2),
    ],
)
async def test_to_the_step_of_what_is_selected(journaled, keys, step) -> None:
    async with cockpit(journaled) as (pilot, app):
        await pilot.press(*keys)
        assert app.past is not None and app.past.step == step
        assert app.shown.steps_done == step
        await pilot.press("h")
        assert app.past is None and journaled.sent == []


async def test_a_chart_without_a_value_says_how_to_choose_one(journaled) -> None:
    async with cockpit(journaled) as (pilot, app):
        await pilot.press("5", "g")
        assert app.past is None and "arrow keys" in str(app.query_one("KeyBar").render())
        await pilot.press("2", "home", "g", "5", "g")
        assert app.past is not None
        assert "a click chooses a value" in str(app.query_one("KeyBar").render())


async def test_the_cursor_of_the_log_is_on_the_newest_line_until_it_is_moved(session) -> None:
    async with cockpit(session) as (pilot, app):
        await pilot.press("6")
        log = app.query_one(LogPane)
        session.apply(ev.Warned(message="first"))
        await settle(pilot)
        assert log.cursor == len(session.state.log) - 1
        await pilot.press("up")
        at = log.cursor
        session.apply(ev.Warned(message="second"))
        await settle(pilot)
        assert log.cursor == at
        await pilot.press("n")
        assert session.sent == [StepOnce()]
        assert normalise(BEST) in session.state.scored


@pytest.mark.parametrize("size", SIZES)
async def test_the_card_of_a_failed_run_says_why_and_how_it_goes_on(session, size) -> None:
    """What the error says is cleaned, and the rest of it is in the log."""
    async with cockpit(session, size) as (pilot, app):
        session.apply(ev.RunFailed(message="no room for\x1b[2J images: take fewer\nTraceback ..."))
        await settle(pilot)
        await pilot.press("r")
        await pilot.pause()
        card = app.query_one(ResultCard)
        text = words(card.plain)
        assert "failed" in text and "images: take fewer" in text and "glov resume" in text
        assert "\x1b" not in text and "Traceback" not in text
        assert app.screen.region.contains_region(card.region)
