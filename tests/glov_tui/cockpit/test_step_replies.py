"""A past step's replies: those that are kept, and those that are tried again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.run import events as ev
from engine.run.commands import EndExperiment, RunExperiment
from engine.run.experiment import CompareSettings, RepliesCompared, SteeringSetting
from engine.run.experiment_state import ExperimentState
from engine.steering.measures import TracedReply
from engine.storage.journal import Journal
from engine.storage.past_step import PastStep, read_past_step
from glov_tui.cockpit.screens.step_replies import StepReplies, StepRepliesScreen
from glov_tui.cockpit.screens.trying import TryingScreen
from glov_tui.cockpit.step_reply_lines import tried_lines
from tests.support.patience import CEILING_SECONDS, until
from tests.support.sessions import HeldSession, cockpit, one_step, settle
from tests.support.steered_runs import models, steered_step

REPLY = 'Here: "template 2 of a <category>."'
EVENTS = [
    *models(6),
    *one_step(1, {"a photo of one <category>.": 6}, positive="a photo of one <category>."),
    *steered_step(2, 6, layers=(3,)),
    *steered_step(3, 6),
]


def session_of(folder: Path, *more: ev.Event) -> HeldSession:
    journal = Journal.create(folder)
    journal.append(*[event for event in (*EVENTS, *more) if event.is_fact])
    journal.close()
    return HeldSession(folder, *EVENTS, *more)


async def opened(pilot, *keys: str) -> StepReplies:
    await pilot.press("S")
    await settle(pilot)
    await pilot.press(*keys, "enter")
    await until(lambda: isinstance(pilot.app.screen, StepRepliesScreen), "the screen")
    view = pilot.app.screen.query_one(StepReplies)
    await until(lambda: view.past is not None or view.problem, "the journal is read")
    await pilot.pause()
    return view


def traced(text: str) -> TracedReply:
    return TracedReply(text=text, tokens=(text,), kl=(0.1,), log_likelihoods=(-1.0,))


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (60, 20)])
async def test_what_is_kept_is_shown_and_what_is_not_is_offered(tmp_path: Path, size) -> None:
    session = session_of(tmp_path / "run", ev.RunPaused(step=3))
    async with cockpit(session, size) as (pilot, _):
        view = await opened(pilot, "left")
        assert "Kept in the journal: 1 reply, last-token, layer 3, alpha 0.5" in view.plain
        assert REPLY in view.plain and "50.0%" in view.plain
        assert "enter decodes the step again" in view.plain
        await pilot.press("enter")
        (command,) = session.sent
        assert isinstance(command, RunExperiment)
        experiment = command.experiment
        assert isinstance(experiment, CompareSettings)
        assert (experiment.step, experiment.replies) == (2, 1)
        assert experiment.left.mode == "off" and experiment.right.layers == (3,)
        session.apply(ev.ExperimentStarted(experiment=experiment))
        await settle(pilot)
        assert "Trying: the LLM reads the step's prompt" in view.plain
        session.apply(ev.ExperimentProgress(done=3, total=50))
        await settle(pilot)
        assert "Trying: 3 of 50 tokens" in view.plain
        found = RepliesCompared(left=(traced("without"),), right=(traced(REPLY),))
        session.apply(ev.ExperimentProgress(done=50, total=50, found=found), ev.ExperimentEnded())
        await settle(pilot)
        assert "The steered ones are the run's own, word for word." in view.plain
        assert "left: off" in view.plain and "without" in view.plain


async def test_other_replies_than_the_runs_are_said_to_be_others(tmp_path: Path) -> None:
    session = session_of(tmp_path / "run", ev.RunPaused(step=3))
    async with cockpit(session) as (pilot, _):
        view = await opened(pilot)
        await pilot.press("enter")
        (command,) = session.sent
        found = RepliesCompared(left=(traced("a"),), right=(traced("b"),))
        session.apply(
            ev.ExperimentStarted(experiment=command.experiment),
            ev.ExperimentProgress(done=1, total=1, found=found),
            ev.ExperimentEnded(),
        )
        await settle(pilot)
        assert "0 of 1 steered ones are the run's own" in view.plain


async def test_under_way_or_ended_it_says_what_to_do(tmp_path: Path) -> None:
    session = session_of(tmp_path / "run")
    async with cockpit(session) as (pilot, _):
        view = await opened(pilot)
        assert "space pauses it" in view.plain
        await pilot.press("enter")
        assert not session.sent
        session.apply(ev.RunStopped(step=3))
        await settle(pilot)
        assert f"`glov steer {session.folder} --step 3` does it" in view.plain


async def test_keys_are_named_as_they_are_bound(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GLOV_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config.toml").write_text('[keys]\npause = "f7"\n')
    async with cockpit(session_of(tmp_path / "run")) as (pilot, _):
        view = await opened(pilot)
        assert "f7 pauses it" in view.plain


async def test_a_step_under_way_is_read_again_as_its_replies_and_scores_come(tmp_path) -> None:
    session = session_of(tmp_path / "run")
    events = [event for event in steered_step(4, 6) if event.is_fact]
    session.apply(*events[:3])
    async with cockpit(session) as (pilot, _):
        await pilot.press("S")
        await settle(pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(pilot.app.screen, StepRepliesScreen), "the screen")
        view = pilot.app.screen.query_one(StepReplies)
        await until(lambda: "The step is under way" in view.plain, "that it is under way")
        journal = Journal(tmp_path / "run")
        journal.append(*events)
        journal.close()
        session.apply(*events[3:])
        await until(lambda: "template 4 of a <category>" in view.plain, "the replies")
        assert "50.0%" in view.plain


async def test_a_reading_that_is_overtaken_shows_nothing(tmp_path, monkeypatch) -> None:
    goes_on, begun, done = threading.Event(), list[int](), list[int]()
    reading = StepReplies._read

    def slow(folder: Path, step: int) -> PastStep:
        begun.append(step)
        first = len(begun) == 1
        try:
            return read_past_step(folder, step)
        finally:
            assert not first or goes_on.wait(CEILING_SECONDS)  # it has looked, and is not through

    def read(view: StepReplies) -> None:
        reading(view)
        done.append(1)

    monkeypatch.setattr("glov_tui.cockpit.screens.step_replies.read_past_step", slow)
    monkeypatch.setattr(StepReplies, "_read", read)
    session = session_of(tmp_path / "run")
    events = [event for event in steered_step(4, 6) if event.is_fact]
    session.apply(*events[:3])
    async with cockpit(session) as (pilot, app):
        await pilot.press("S")
        await settle(pilot)
        await pilot.press("enter")
        await until(lambda: begun, "the first reading")
        view = app.screen.query_one(StepReplies)
        journal = Journal(tmp_path / "run")
        journal.append(*events)
        journal.close()
        session.apply(*events[3:])
        await until(lambda: "template 4 of a <category>" in view.plain, "the replies")
        goes_on.set()
        await until(lambda: len(done) == len(begun), "the end of the first one")
        await pilot.pause()
        assert not view.problem and "template 4 of a <category>" in view.plain


async def test_an_engine_that_is_gone_tries_no_more(tmp_path: Path) -> None:
    session = session_of(tmp_path / "run", ev.RunPaused(step=3))
    async with cockpit(session) as (pilot, _):
        view = await opened(pilot)
        await pilot.press("enter")
        session.apply(ev.ExperimentStarted(experiment=session.sent[0].experiment))
        await until(lambda: "Trying" in view.plain)
        session.ended = True
        session.apply(ev.RunFailed(message="killed"))
        await until(lambda: "given up: the engine is gone" in view.plain, "that it is over")
        await pilot.press("escape")
        assert len(session.sent) == 1
        assert not isinstance(pilot.app.screen, StepRepliesScreen)


@pytest.mark.parametrize("screen", ["S", "t"])
async def test_who_only_watches_leaves_what_another_screen_tries_alone(tmp_path, screen) -> None:
    session = session_of(tmp_path / "run", ev.RunPaused(step=3))
    setting = SteeringSetting(layers=(3,))
    tried = CompareSettings(left=setting, right=setting, replies=1, step=3)
    async with cockpit(session) as (pilot, app):
        app._drives = lambda: False
        if screen == "S":
            await opened(pilot)
        else:
            await pilot.press("t")
        here = app.screen
        assert isinstance(here, TryingScreen)
        session.apply(ev.ExperimentStarted(experiment=tried))
        await settle(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is not here and not session.sent


async def test_what_is_tried_is_looked_at_from_wherever_one_has_scrolled_to(tmp_path) -> None:
    session = session_of(tmp_path / "run", ev.RunPaused(step=3))
    async with cockpit(session, (60, 20)) as (pilot, _):
        view = await opened(pilot)
        view.styles.height = 3  # lower than what there is to read
        await pilot.pause()
        await pilot.press("end")
        assert view.scroll_offset.y > 0
        await pilot.press("enter")
        session.apply(ev.ExperimentStarted(experiment=session.sent[0].experiment))
        await settle(pilot)
        assert view.scroll_offset.y == 0


def test_steps_of_the_run_that_was_forked_may_have_had_another_seed(tmp_path: Path) -> None:
    forked = ev.RunForked(parent="p", step=2)
    session_of(tmp_path / "run", forked, *steered_step(4, 6))
    old, new = (read_past_step(tmp_path / "run", step) for step in (2, 4))
    assert old.inherited and not new.inherited
    setting = SteeringSetting(layers=(3,))
    tried = ExperimentState(
        CompareSettings(left=setting, right=setting, replies=1),
        left=(traced("a"),),
        right=(traced("b"),),
    )
    said, other = (
        "".join(text for text, _ in tried_lines(past, tried, 80, False, False)[0])
        for past in (old, new)
    )
    assert "another seed or LLM" in said and "another device" in other


async def test_leaving_ends_what_is_tried(tmp_path: Path) -> None:
    session = session_of(tmp_path / "run", ev.RunPaused(step=3))
    async with cockpit(session) as (pilot, _):
        await opened(pilot)
        await pilot.press("enter")
        session.apply(ev.ExperimentStarted(experiment=session.sent[0].experiment))
        await settle(pilot)
        await pilot.press("escape")
        assert isinstance(session.sent[-1], EndExperiment)


async def test_a_step_that_was_not_steered_has_nothing_to_compare(tmp_path: Path) -> None:
    session = session_of(tmp_path / "run", ev.RunPaused(step=3))
    async with cockpit(session) as (pilot, _):
        view = await opened(pilot, "home")
        assert "not steered" in view.plain and "without steering." in view.plain
        await pilot.press("enter")
        assert not session.sent


async def test_a_step_without_replies_says_so(tmp_path: Path) -> None:
    begun, asked, *_ = one_step(4, {"four <category>.": 5})
    session = session_of(tmp_path / "run", begun, asked)
    async with cockpit(session) as (pilot, _):
        view = await opened(pilot)
        assert "The step is under way" in view.plain
        session.apply(ev.RunStopped(step=3))
        await settle(pilot)
        assert "has no replies of step 4 (yet)" in view.plain
