"""Sweeps of the demo: cells, models loaded once, going on, failing, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.common.errors import JournalError, UserError
from engine.llm.transformers_llm import LocalLLM
from engine.run import events as ev
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from engine.sweeps.backend import FinishedJob, Job
from engine.sweeps.grid import Grid, make_grid, parse_axis
from engine.sweeps.local_backend import LocalBackend
from engine.sweeps.sweep import make_rows, open_sweep, read_sweep, run_folders
from tests.support.patience import CEILING_SECONDS
from tests.support.written_runs import write_run

SETTINGS = ["steps=1", "data.shots=1", "proposal.candidates=4"]
AXES = ["steering.mode=last-token,off", "seed=0:2"]


def demo_grid(*axes: str, settings: list[str] | None = None) -> Grid:
    return make_grid("demo", settings or SETTINGS, map(parse_axis, axes or AXES))


def facts(folder: Path) -> list[dict]:
    """What a run did, without clocks, processes and its name."""
    skip = (ev.RunStarted, ev.RunReopened, ev.RunStopped, ev.ModelsLoaded)
    return [e.comparable() for e in read_journal(folder).events if not isinstance(e, skip)]


def statuses(folder: Path) -> dict[str, str]:
    return {name: record.status for name, record in read_sweep(folder).records()[0].items()}


def test_a_sweep_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    load = LocalLLM.load
    monkeypatch.setattr(
        LocalLLM, "load", lambda config, tell: loads.append(config.model) or load(config, tell)
    )
    folder = tmp_path / "sweep"
    sweep = open_sweep(folder, demo_grid())
    backend = LocalBackend(
        stop_when(lambda job, event: is_second_prompt(job, event), lambda: backend)
    )
    ended = list(backend.run(sweep.jobs))
    assert [end.status for end in ended] == ["finished", "stopped"]
    assert statuses(folder) == {
        "mode=last-token,seed=0": "finished",
        "mode=last-token,seed=1": "stopped",
    }
    assert len(loads) == 1

    first = (folder / "mode=last-token,seed=0" / "events.jsonl").read_bytes()
    again = open_sweep(folder, demo_grid())
    done = {name for name, record in again.records()[0].items() if record.finished}
    rest = [job for job in again.jobs if job.name not in done]
    assert [end.status for end in LocalBackend().run(rest)] == ["finished"] * 3
    assert len(loads) == 2
    assert (folder / "mode=last-token,seed=0" / "events.jsonl").read_bytes() == first

    records, damaged = again.records()
    assert not damaged and all(record.finished for record in records.values())
    rows = make_rows(again, records)
    assert [row.name for row in rows] == ["steering.mode=last-token", "steering.mode=off"]
    assert all(row.planned == len(row.runs) == 2 for row in rows)
    assert any(row.best for row in rows)
    assert run_folders(str(folder)) == [job.folder for job in again.jobs]

    # A run whose models were those of the runs before it is the run that it is alone.
    last = again.jobs[-1]
    alone = LocalSession.create(last.config, tmp_path / "alone")
    alone.start()
    assert alone.wait(CEILING_SECONDS)
    assert facts(tmp_path / "alone") == facts(last.folder)


def is_second_prompt(job: Job, event: ev.Event) -> bool:
    return job.config.seed == 1 and isinstance(event, ev.MetaPromptComposed)


def stop_when(
    when: Callable[[Job, ev.Event], bool], backend: Callable[[], LocalBackend]
) -> Callable[..., None]:
    def on_event(job: Job, event: ev.Event, _state: object) -> None:
        if when(job, event):
            backend().stop()

    return on_event


def test_a_failing_run_ends_only_itself(tmp_path: Path) -> None:
    sweep = open_sweep(tmp_path / "sweep", demo_grid("steering.layers=99,2"))
    ended: dict[str, FinishedJob] = {end.job.name: end for end in LocalBackend().run(sweep.jobs)}
    assert ended["layers=99"].status == "failed"
    assert "99" in (ended["layers=99"].error or "")
    assert ended["layers=2"].status == "finished"


def test_a_run_whose_process_was_killed_at_once_is_begun_anew(tmp_path: Path) -> None:
    sweep = open_sweep(tmp_path, demo_grid("seed=0", settings=[*SETTINGS, "steps=0"]))
    sweep.jobs[0].folder.mkdir()
    (sweep.jobs[0].folder / "events.jsonl").touch()
    assert sweep.records() == ({}, {})
    assert [end.status for end in LocalBackend().run(sweep.jobs)] == ["finished"]


def test_a_run_that_cannot_begin_is_reported(tmp_path: Path) -> None:
    sweep = open_sweep(tmp_path / "sweep", demo_grid("seed=0"))
    (tmp_path / "sweep" / "seed=0").write_text("in the way")
    (ended,) = LocalBackend().run(sweep.jobs)
    assert ended.status == "failed" and "seed=0" in (ended.error or "")


@pytest.mark.parametrize(
    ("axes", "settings", "expected"),
    [
        (["steering.mode=off", "seed=0:2"], SETTINGS, "a sweep over steering.mode=last-token,off"),
        (AXES, [*SETTINGS, "steps=9"], "steps was 1 and is now 9"),
        (AXES, [*SETTINGS, "data.shots=2"], "data.shots was 1 and is now 2"),
    ],
)
def test_another_sweep_in_the_folder_is_refused(
    tmp_path: Path, axes: list[str], settings: list[str], expected: str
) -> None:
    open_sweep(tmp_path, demo_grid())
    before = (tmp_path / "sweep.json").read_bytes()
    with pytest.raises(UserError, match=f"{expected}.*--sweep-dir"):
        open_sweep(tmp_path, demo_grid(*axes, settings=settings))
    assert (tmp_path / "sweep.json").read_bytes() == before


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no sweep's folder"):
        open_sweep(write_run(tmp_path / "run"), demo_grid())
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "sweep.json").write_text('{"version": 2}')
    with pytest.raises(JournalError, match="damaged, or from another version"):
        open_sweep(tmp_path / "damaged", demo_grid())
    with pytest.raises(JournalError, match="no run.*and no sweep"):
        run_folders(str(tmp_path / "nothing"))
    open_sweep(tmp_path / "new", demo_grid())
    with pytest.raises(JournalError, match="no run of this sweep was begun"):
        run_folders(str(tmp_path / "new"))


def test_a_plan_does_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    open_sweep(tmp_path, demo_grid())
    plan = (tmp_path / "sweep.json").read_text()
    (tmp_path / "sweep.json").write_text(plan.replace("mode=off,seed=0", "../elsewhere"))
    with pytest.raises(JournalError, match="within the sweep's"):
        read_sweep(tmp_path)


def test_rows_rest_on_finished_runs_and_ties_are_all_best(tmp_path: Path) -> None:
    sweep = open_sweep(tmp_path, demo_grid("steering.alpha=1,2,3", "seed=0:2"))
    for name, curve, finished in (
        ("alpha=1,seed=0", (40, 60), True),
        ("alpha=1,seed=1", (50, 70), True),
        ("alpha=2,seed=0", (50, 70), True),
        ("alpha=2,seed=1", (40, 60), True),
        ("alpha=3,seed=0", (79, 79), True),
        ("alpha=3,seed=1", (80, 80), False),
    ):
        write_run(tmp_path / name, curve=curve, finished=finished)
    first, second, third = make_rows(sweep, sweep.records()[0])
    assert first.best and second.best and not third.best  # the third is not complete
    assert (third.planned, len(third.runs)) == (2, 1)
    train = first.spread("best_train_accuracy")
    assert train is not None
    assert (train.low, train.high, train.mean) == (60 / 80, 70 / 80, 65 / 80)
