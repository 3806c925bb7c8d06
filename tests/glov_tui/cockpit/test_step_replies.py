"""A past step's replies: those that are kept, and those that are tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run import events as ev
from engine.run.commands import EndExperiment, RunExperiment
from engine.run.experiment import CompareSettings, RepliesCompared
from engine.steering.measures import TracedReply
from engine.storage.journal import Journal
from glov_tui.cockpit.screens.step_replies import StepReplies, StepRepliesScreen
from tests.support.patience import until
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
        assert "its models are gone" in view.plain


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
        assert "has no replies of step 4 (yet)" in view.plain
