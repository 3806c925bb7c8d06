"""A past step is tried again on the run's models: the very replies of then, and those without."""

from __future__ import annotations

from pathlib import Path

from engine.common.kept import Kept
from engine.run import events as ev
from engine.run.commands import Resume, RunExperiment
from engine.run.experiment import CompareSettings
from engine.session.local import LocalSession
from engine.storage.past_step import read_past_step
from tests.support.watching import Watch, demo, finish, is_kind


def test_the_replies_of_a_step_come_again_and_without_steering(tmp_path: Path, kept: Kept) -> None:
    folder, watch = tmp_path / "run", Watch()
    steered: list[int] = []
    tried: list[ev.ExperimentProgress] = []

    def look(event: ev.Event, state) -> None:
        if isinstance(event, ev.SteeringPrepared):
            steered.append(event.step)
        if isinstance(event, ev.ExperimentProgress) and event.found is not None:
            tried.append(event)
        if isinstance(event, ev.ExperimentEnded):
            assert event.problem is None, event.problem
            watch.session.send(Resume())
        if isinstance(event, ev.RunPaused):
            past = read_past_step(folder, steered[0])
            assert past.setting is not None
            experiment = CompareSettings(
                left=past.setting.model_copy(update={"mode": "off"}),
                right=past.setting,
                replies=len(past.replies),
                step=past.step,
            )
            watch.session.send(RunExperiment(experiment=experiment))
        watch(event, state)

    from engine.run.commands import Pause

    config = demo("steps=4", "evaluation.every=0")
    watch.at(lambda e: isinstance(e, ev.StepStarted) and e.step == 4, Pause())
    watch.session = LocalSession.create(config, folder, look, kept)
    watch.session.start()
    finish(watch.session)
    assert steered and steered[0] < 4, "no step before the fourth was steered"
    past = read_past_step(folder, steered[0])
    (found,) = [event.found for event in tried]
    assert [reply.text for reply in found.right] == [reply.reply for reply in past.replies]
    assert len(found.left) == len(found.right)
    assert all(max(reply.kl, default=0.0) == 0.0 for reply in found.left)
    assert is_kind(ev.ExperimentStarted)(watch.seen[0]) is False  # telemetry, in no journal
