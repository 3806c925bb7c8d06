"""Replays, history and forks in the cockpit, driven by keys through Pilot."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.widgets import Input

from engine.run import events as ev
from engine.run.commands import Pause
from engine.session.following import FollowedSession
from engine.session.replay import ReplaySession
from engine.storage.journal import Journal, fold_journal, read_journal, read_state
from engine.storage.run_folder import EVENTS
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.ending import EndingLine
from glov_tui.cockpit.panes.log import LogPane
from glov_tui.cockpit.panes.meta_prompt import MetaPromptPane
from glov_tui.cockpit.panes.scrubber import Scrubber
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.panes.steering import SteeringPane
from glov_tui.cockpit.screens.fork import ForkScreen
from glov_tui.widgets.hbars import HBars
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable
from tests.support.patience import until
from tests.support.sessions import (
    HeldSession,
    loaded,
    one_step,
    settle,
    steering_measured,
    steering_prepared,
)
from tests.support.written_runs import write_run

TEMPLATES = [f"a <category> number {n}." for n in range(4)]


def facts() -> list[ev.Event]:
    """Three steps, each with a better template, and a fourth that begins; ten seconds a fact."""
    events = loaded()
    for step in (1, 2, 3):
        events += one_step(step, {TEMPLATES[step]: 5 + step}, TEMPLATES[step])
    events.append(ev.StepStarted(step=4))
    return [e.model_copy(update={"time": 1e9 + 10 * i}) for i, e in enumerate(events)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's folder within the runs folder, with the journal of ``facts``."""
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    session = HeldSession(tmp_path / "tested", *facts())
    journal = Journal.create(session.folder)
    journal.append(*facts())
    journal.close()
    return session.folder


@asynccontextmanager
async def cockpit(session, size: tuple[int, int] = (120, 40)):
    app = GlovApp(session)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        yield pilot, app


def shown(app: GlovApp) -> tuple[str, str, int]:
    """What the meta-prompt and the status line say, and how many templates there are."""
    prompt = app.query_one(MetaPromptPane).plain
    return prompt, str(app.query_one(StatusLine).content), len(app.query_one(RowTable).keys)


def footer(app: GlovApp) -> set[str]:
    active = app.screen.active_bindings.values()
    return {b.binding.description for b in active if b.enabled and b.binding.show}


@pytest.fixture
def replay(folder: Path) -> ReplaySession:
    session = ReplaySession.open(folder)
    session.start = lambda: None  # type: ignore[method-assign]  # each test plays by itself
    session.go_to(0)
    return session


async def test_a_replay_goes_to_any_step_and_shows_it(replay: ReplaySession) -> None:
    async with cockpit(replay) as (pilot, app):
        assert "replay" in shown(app)[1] and shown(app)[2] == 1
        await pilot.press("right", "right")
        prompt, status, templates = shown(app)
        assert "Best so far at step 2" in prompt and "step 2/20" in status and templates == 3
        await pilot.press("left")
        assert "Best so far at step 1" in shown(app)[0] and shown(app)[2] == 2
        await pilot.press("end")
        assert "step 4/20" in shown(app)[1] and shown(app)[2] == 4
        assert "step 3: best 80.0%; 1 new" in app.query_one(LogPane).plain
        await pilot.press("home")
        assert shown(app)[2] == 1
        assert "step 3: best" not in app.query_one(LogPane).plain
        assert not app._notifications  # no news, and no bell


async def test_every_pane_shows_the_step_that_one_goes_back_to(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    events = loaded()
    for step in (1, 2, 3):
        asked, *rest = one_step(step, {TEMPLATES[step]: 5 + step}, TEMPLATES[step])[1:]
        steered = (
            [steering_prepared(step, 0.25, TEMPLATES[1]), steering_measured(step)]
            if step == 2
            else []
        )
        events += [ev.StepStarted(step=step), asked, *steered, *rest]
    journal = Journal.create(tmp_path / "tested")
    journal.append(*events, ev.StepStarted(step=4))
    journal.close()
    session = ReplaySession.open(tmp_path / "tested")
    session.start = lambda: None  # type: ignore[method-assign]
    session.go_to(0)
    async with cockpit(session) as (pilot, app):
        steering, prompt = app.query_one(SteeringPane), app.query_one(MetaPromptPane)
        candidates = app.query_one(CandidatesPane)

        def bars() -> str:
            return "".join(bar.note for bar in steering.query_one(HBars)._bars)

        def outcome() -> str:
            return str(steering.query_one("#steering-outcome").content)

        for at in (0, 1, 2, 3, 2, 1, 0):
            await pilot.press("right" if int(session.step) < at else "left")
            await pilot.pause()
            assert session.step == at
            assert ("Best so far" in prompt.plain) == (at > 0)
            assert "\u258c" not in prompt.plain or at > 0
            assert prompt.border_title == ("meta-prompt" if at == 0 else f"meta-prompt: step {at}")
            assert (TEMPLATES[at] in candidates.plain) == (at > 0)
            assert ("KL" in outcome()) == (at == 2) == bool(bars())
            if at != 2:
                assert steering.border_title == f"steering: step {at}, not steered"
        await pilot.press("end")
        await pilot.pause()
        assert "Best so far" not in prompt.plain  # step 4 has begun, and asked nothing yet


async def test_a_replay_plays_and_holds(replay: ReplaySession) -> None:
    replay.speed = 1e-9  # a busy machine has not come to the end before it is looked at
    async with cockpit(replay) as (pilot, app):
        assert "holds" in app.query_one(Scrubber).line()
        await pilot.press("space")
        assert replay.playing
        replay.speed = float("inf")
        await until(lambda: not replay.playing)
        await settle(pilot)
        assert shown(app)[2] == 4
        await pilot.press("minus", "minus")
        assert "32x" in app.query_one(Scrubber).line()
        await pilot.press("plus", "space", "space")
        assert replay.speed == 64.0 and not replay.playing


async def test_a_run_that_is_followed_says_how_it_ended(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", finished=False)
    async with cockpit(FollowedSession.open(run)) as (pilot, app):
        line = app.query_one(EndingLine)
        await settle(pilot)
        assert not line.display
        journal = Journal(run)
        journal.append(ev.RunStopped(step=1))
        journal.close()
        await until(lambda: line.display and "Stopped  `glov resume" in str(line.render()))
        await pilot.press("left")  # that was before
        await until(lambda: not line.display)


async def test_the_footer_says_what_space_does_to_a_replay(replay: ReplaySession) -> None:
    async with cockpit(replay) as (pilot, app):
        bar = app.query_one(KeyBar)
        await until(lambda: "space Play" in str(bar.render()))
        replay.speed = 1e-9  # it plays for as long as it is not held
        await pilot.press("space")
        await until(lambda: "space Hold" in str(bar.render()))
        assert replay.playing and "space Play" not in str(bar.render())
        await pilot.press("space")
        await until(lambda: "space Play" in str(bar.render()))
        assert not replay.playing
        replay.speed = float("inf")
        await pilot.press("space")  # to its end
        await until(lambda: not replay.playing and "space Play" in str(bar.render()))


async def test_a_click_on_the_scrubber_goes_there(replay: ReplaySession) -> None:
    async with cockpit(replay) as (pilot, app):
        bar = app.query_one(Scrubber)
        await pilot.click(bar, offset=(bar._bar_width(replay), 0))
        await pilot.pause()
        assert replay.step == 3 and shown(app)[2] == 4
        await pilot.click(bar, offset=(1 + bar._bar_width(replay) // 3, 0))
        await pilot.pause()
        assert replay.step == 1 and shown(app)[2] == 2


async def test_keys_of_an_engine_are_hidden_in_a_replay(replay: ReplaySession) -> None:
    before = (replay.folder / EVENTS).read_bytes()
    async with cockpit(replay) as (pilot, app):
        assert footer(app) == {
            *("Play", "Back", "On", "Slow", "Fast", "Help", "Quit", "Fork", "Why"),
        }
        await pilot.press("n", "p", "b", "e", "i", "o", "t", "u", "m", "h")
        assert len(app.screen_stack) == 1
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert "Back (←)" in titles
        assert "Inject (i)" not in titles and "Pause (space)" not in titles
        await pilot.press("slash", *"number 2")  # keys that are typed are text
        assert app.query_one("Input").value == "number 2"
        await pilot.press("escape", "q")
        await pilot.pause()
        assert not app.is_running
    assert (replay.folder / EVENTS).read_bytes() == before


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (60, 20)])
async def test_the_scrubber_fits_every_size(replay: ReplaySession, size) -> None:
    async with cockpit(replay, size) as (pilot, app):
        await pilot.press("right")
        line = app.query_one(Scrubber).line()
        assert len(line) == size[0] and "step 1 of 3" in line
        assert "replay" in shown(app)[1]


async def test_history_shows_earlier_steps_while_the_run_goes_on(folder: Path) -> None:
    session = HeldSession(folder, *facts())
    async with cockpit(session) as (pilot, app):
        assert not app.query_one(Scrubber).display
        await pilot.press("h", "left", "left")
        prompt, status, templates = shown(app)
        assert "Best so far at step 1" in prompt and templates == 2
        assert "HISTORY" in status and "live: running, step 4 (h: back" in status
        assert app.query_one(Scrubber).display
        await pilot.press("n", "i", "m", "space", "space")
        assert not session.sent and len(app.screen_stack) == 1
        session.apply(*one_step(4, {"new <category>": 9})[1:], ev.StepStarted(step=5))
        await until(lambda: "step 5" in shown(app)[1])
        assert shown(app)[2] == 2
        await pilot.press("h")
        prompt, status, templates = shown(app)
        assert "at step 4" in prompt and templates == 5 and "HISTORY" not in status
        assert not app.query_one(Scrubber).display
        await pilot.press("space")
        assert session.sent == [Pause()]


async def test_the_scrubber_counts_the_steps_that_are_done_meanwhile(folder: Path) -> None:
    session = HeldSession(folder, *facts())
    async with cockpit(session) as (pilot, app):
        await pilot.press("h")
        assert "of 3" in app.query_one(Scrubber).line()
        session.apply(*one_step(4, {"new <category>": 9})[1:])
        await until(lambda: "of 4" in app.query_one(Scrubber).line())
        journal = Journal(folder)
        journal.append(*one_step(4, {"new <category>": 9})[1:])
        journal.close()
        scrubber = app.query_one(Scrubber)
        await pilot.click(scrubber, offset=(scrubber._bar_width(app.past), 0))
        await until(lambda: shown(app)[2] == 5)


async def test_history_reads_steps_that_are_done_meanwhile(folder: Path) -> None:
    session = HeldSession(folder, *facts())
    async with cockpit(session) as (pilot, app):
        await pilot.press("h")
        journal = Journal(folder)
        journal.append(*one_step(4, {"new <category>": 9})[1:])
        journal.close()
        await pilot.press("right", "right")
        assert shown(app)[2] == 5


async def test_the_command_palette_has_what_the_keys_do(replay: ReplaySession) -> None:
    async with cockpit(replay) as (pilot, app):
        await pilot.press("ctrl+p")
        await pilot.pause()
        titles = {command.title for command in app.get_system_commands(app.screen_stack[0])}
        wanted = {"Play (space)", "Back (←)", "End (end)", "Fork (f)"}
        assert wanted <= titles and "History (h)" not in titles
        await pilot.press(*"end")
        await until(lambda: app.screen.query_one("OptionList").option_count)
        await pilot.press("enter")
        await until(lambda: replay.at_end)


async def test_a_run_with_a_long_name_is_still_marked(folder: Path) -> None:
    begun, *others = facts()
    session = HeldSession(folder, begun.model_copy(update={"run": "long-name-" * 9}), *others)
    async with cockpit(session, (60, 20)) as (pilot, app):
        await pilot.press("h")
        status = shown(app)[1]
        assert "HISTORY" in status and "live: running, step 4" in status and len(status) <= 60


async def test_history_without_a_journal_says_so(tmp_path: Path) -> None:
    async with cockpit(HeldSession(tmp_path, *facts())) as (pilot, app):
        await pilot.press("h")
        assert any("can't be read" in n.message for n in app._notifications)
        assert "HISTORY" not in shown(app)[1]


async def test_fork_writes_a_run_that_can_be_resumed_and_leaves_this_one(folder: Path) -> None:
    session = HeldSession(folder, *facts())
    before = (folder / EVENTS).read_bytes()
    async with cockpit(session) as (pilot, app):
        await pilot.press("f")
        assert isinstance(app.screen, ForkScreen)
        assert app.screen.query_one(Input).value == "tested-at-3"
        for text in ("", ".", ".."):
            app.screen.query_one(Input).value = text
            await pilot.press("enter")
            assert "Type a name" in str(app.screen.query_one("#problem").content)
        app.screen.query_one(Input).value = "tested"
        await pilot.press("enter")
        assert isinstance(app.screen, ForkScreen)  # the folder is taken
        assert "holds a run already" in str(app.screen.query_one("#problem").content)
        app.screen.query_one(Input).value = "other"
        await pilot.press("enter")
        await pilot.pause()
        assert len(app.screen_stack) == 1
        assert [n.message for n in app._notifications] == ["glov resume other"]
    assert not session.sent and (folder / EVENTS).read_bytes() == before
    fork = folder.parent / "other"
    state = read_state(fork)
    assert (state.steps_done, state.status, state.forked.parent) == (3, "stopped", "tested")


async def test_fork_from_a_step_of_the_past(folder: Path) -> None:
    session = HeldSession(folder, *facts())
    async with cockpit(session) as (pilot, _):
        await pilot.press("h", "left", "left", "f")
        await pilot.press("enter")
        await pilot.pause()
    state = fold_journal(folder, read_journal(folder.parent / "tested-at-1").events)
    assert state.steps_done == 1


async def test_there_is_nothing_to_fork_before_the_seed_is_scored(tmp_path: Path) -> None:
    async with cockpit(HeldSession(tmp_path, loaded()[0])) as (pilot, app):
        await pilot.press("f")
        assert len(app.screen_stack) == 1
        assert "once its seed template is scored" in next(iter(app._notifications)).message
