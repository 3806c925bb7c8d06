"""How a run is named on a command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.analysis.run_list import list_runs
from engine.common.errors import JournalError, UserError
from engine.storage.run_folder import EVENTS, as_listed, find_run
from engine.sweeps.plan import SWEEP


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs, of which the first was written to last, a sweep, and a folder without a run."""
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    for age, name in enumerate(("demo-one", "demo-two", "pets")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        journal = tmp_path / "runs" / name / EVENTS
        journal.touch()
        for path in (journal, journal.parent):
            os.utime(path, (1e9 - age, 1e9 - age))
    (tmp_path / "runs" / "petals").mkdir()
    (tmp_path / "runs" / "pet-sweep").mkdir()
    (tmp_path / "runs" / "pet-sweep" / SWEEP).write_text("{}")
    os.utime(tmp_path / "runs" / "pet-sweep", (1e9 - 9, 1e9 - 9))
    return tmp_path / "runs"


def test_by_path_name_beginning_or_latest(runs: Path) -> None:
    assert find_run(str(runs / "pets")) == runs / "pets"
    assert find_run("demo-two") == runs / "demo-two"
    assert find_run("demo-t") == runs / "demo-two"
    assert find_run("p") == runs / "pets"  # the others are no runs
    assert find_run("latest") == runs / "demo-one"


def test_what_several_names_begin_with_is_refused_with_the_names(runs: Path) -> None:
    with pytest.raises(JournalError, match="several names .* begin so: demo-one, demo-two"):
        find_run("demo")
    for wrong in ("cats", "runs/pe", "../runs/p"):
        with pytest.raises(JournalError, match="no run there"):
            find_run(wrong)
    with pytest.raises(UserError, match="empty"):
        find_run("")


def test_runs_of_a_sweep_are_named_where_the_sweep_is_given(runs: Path) -> None:
    with pytest.raises(JournalError, match="no run there"):
        find_run("pet-sweep")  # none was begun
    for name in ("seed=0", "seed=1"):
        (runs / "pet-sweep" / name).mkdir()
        (runs / "pet-sweep" / name / EVENTS).touch()
    for given in ("pet-sweep", str(runs / "pet-sweep")):
        with pytest.raises(JournalError, match="but 2 runs in it.*one of .*/seed=0, .*/seed=1$"):
            find_run(given)


def test_a_name_goes_before_what_it_is_the_beginning_of(runs: Path) -> None:
    (runs / "demo-").mkdir()
    (runs / "demo-" / EVENTS).touch()
    assert find_run("demo-") == runs / "demo-"


def test_latest_of_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "nothing"))
    with pytest.raises(JournalError, match="no run in .*nothing/ yet"):
        find_run("latest")


def test_lists_take_the_same_names(runs: Path) -> None:
    assert [run.folder for run in list_runs(["demo-t"])] == [runs / "demo-two"]
    assert [run.folder for run in list_runs(["latest"])] == [runs / "demo-one"]


def test_a_run_is_listed_by_one_path(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = runs.parent / "elsewhere" / "far"
    elsewhere.mkdir(parents=True)
    (runs / "near").symlink_to(elsewhere)
    (runs / "same").symlink_to("pets")
    for base in (str(runs), "runs"):
        monkeypatch.setenv("GLOV_RUNS_DIR", base)
        listed = Path(base)
        for named in (runs / "pets", Path("runs/pets"), Path("runs/../runs/pets"), runs / "same"):
            assert as_listed(named) == listed / "pets"
        assert as_listed(runs / "pet-sweep" / "seed=0") == listed / "pet-sweep"
        assert as_listed(runs / "near") == listed / "near"
        assert as_listed(elsewhere) == elsewhere
