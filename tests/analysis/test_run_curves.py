"""Curves of several runs: by step, minutes at work and images, with what people did to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.analysis.run_curves import CurveWatch, smoothed
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.storage.journal import Journal, read_journal
from engine.storage.run_folder import EVENTS
from tests.support.privileges import sealed
from tests.support.written_runs import TRAIN_IMAGES, write_run


def timed(folder: Path) -> None:
    """Rewrite a journal so that a minute passes before each fact."""
    events = read_journal(folder).events
    (folder / EVENTS).unlink()
    journal = Journal(folder)
    for at, event in enumerate(events):
        journal.append(event.model_copy(update={"time": 1000.0 + 60.0 * at}))
    journal.close()


def test_a_curve_by_step_minutes_and_images(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", curve=(40, 60))
    timed(run)
    (curve,) = CurveWatch([run]).look()
    assert [point.best for point in curve.points] == [30 / 80, 0.5, 0.75]
    assert [point.place.step for point in curve.points] == [0, 1, 2]
    assert [point.place.images for point in curve.points] == [TRAIN_IMAGES * n for n in (1, 2, 3)]
    # The seed's score is the third fact; then test, begin, score and end of a step.
    assert [point.place.minutes for point in curve.points] == pytest.approx([2, 6, 9])
    assert (curve.best, curve.test(), curve.test("best")) == (0.75, 720 / 960, 700 / 960)
    assert curve.status == "finished" and not curve.interventions


def test_what_could_not_be_read_for_a_while_comes_back_and_what_is_damaged_does_not(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", curve=(40, 60))
    watch = CurveWatch([run])
    (before,) = watch.look()
    with sealed(run / EVENTS, 0):
        assert "can't be read" in (watch.look()[0].problem or "")
    assert watch.look() == (before,)
    with (run / EVENTS).open("ab") as journal:
        journal.write(b"{}\n")
    for _ in range(2):
        assert "is damaged" in (watch.look()[0].problem or "")


def test_pauses_and_breaks_are_no_work_and_what_people_did_is_there(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", curve=(40,), finished=False)
    timed(run)
    watch = CurveWatch([run])
    (before,) = watch.look()
    at = read_journal(run).events[-1].time
    journal = Journal(run)
    edit = SetOption(key="steering.alpha", value=0.25)
    journal.append(
        ev.RunPaused(step=1, time=at + 60),
        ev.Edited(number=1, step=2, edit=edit, author="ada", reason="too wild", time=at + 5000),
        ev.RunResumed(step=1, time=at + 9000),
        ev.TemplateInjected(step=1, template="a <category>\x1b[2J", time=at + 9060),
        ev.RunStopped(step=1, time=at + 9120),
        ev.RunReopened(versions={}, time=at + 99999),
        ev.StepStarted(step=2, time=at + 99999 + 60),
    )
    journal.close()
    (after,) = watch.look()
    assert watch.look()[0] is after  # nothing is new
    assert after.status == "interrupted"
    journal = Journal(run)
    (taken_up,) = watch.look()
    assert taken_up.status == "running" and taken_up.points == after.points
    journal.abandon()  # as if it was killed
    assert watch.look()[0].status == "interrupted"
    edited, injected = after.interventions
    assert (edited.label, edited.author, edited.place.step) == ("e", "ada", 1)
    assert edited.text == "steering.alpha = 0.25, because: too wild"
    assert injected.label == "i" and injected.text.startswith("injected: a <category>")
    begun = before.points[-1].place.minutes
    assert edited.place.minutes == pytest.approx(begun + 1)  # while it was paused
    assert injected.place.minutes == pytest.approx(begun + 2)


def test_what_can_not_be_read_is_said_and_hides_no_other(tmp_path: Path) -> None:
    good, bad = write_run(tmp_path / "good"), write_run(tmp_path / "bad")
    (bad / EVENTS).write_text("{}\n")
    first, second = CurveWatch([bad, good]).look()
    assert "line 1" in (first.problem or "") and not first.points
    assert second.best == 0.75


def test_a_smoothed_value_knows_nothing_of_later_ones() -> None:
    assert smoothed([1.0, 2.0, 6.0, 0.0], 2) == [1.0, 1.5, 4.0, 3.0]
    assert smoothed([1.0, 2.0], 1) == [1.0, 2.0] and smoothed([], 3) == []
