"""The mean probability of the true class, beside the accuracies of runs that have it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.analysis.compare import compare, read_records
from engine.analysis.compare_report import as_dict, notes
from engine.analysis.run_list import list_runs
from engine.run.state import RunState
from engine.storage.journal import read_state
from engine.storage.run_record import PROBABILITY_OF, read_record
from engine.storage.summary import kept_summary, read_summary
from glov_tui.commands.compare import print_comparison
from tests.support.written_runs import write_run


def both(base: Path) -> list[Path]:
    """Two groups of two seeds; a run of the first has no probability, as one of before."""
    known = {("off", 0): None, ("off", 1): 0.5, ("all-tokens", 0): 0.75, ("all-tokens", 1): 0.75}
    return [
        write_run(base / f"{mode}-{seed}", f"seed={seed}", f"steering.mode={mode}", probability=p)
        for (mode, seed), p in known.items()
    ]


def test_of_a_real_run(undisturbed: Path) -> None:
    state, record = read_state(undisturbed), read_record(undisturbed)
    tested = {subject: state.test(subject) for subject in ("best", "ensemble")}
    assert state.best is not None and all(tested.values())
    expected = [state.best.probability, *(t.probability for t in tested.values() if t)]
    assert None not in expected
    assert [record.values[metric] for metric in PROBABILITY_OF.values()] == expected
    (line,) = list_runs([str(undisturbed)])
    listed = line.as_dict()
    assert [
        listed["best_train_probability"],
        listed["best_test_probability"],
        listed["ensemble_test_probability"],
    ] == expected


def test_a_comparison_has_it_of_the_runs_that_have_it(tmp_path: Path) -> None:
    records, _ = read_records(both(tmp_path))
    report = compare(records)
    off, steered = (group.estimate("best_test_probability") for group in report.blocks[0].groups)
    assert off is not None and (off.spread.mean, off.spread.n, off.interval) == (0.5, 1, None)
    assert steered is not None and (steered.spread.mean, steered.spread.n) == (0.75, 2)
    (comparison,) = report.blocks[0].comparisons
    test = comparison.tests["best_test_probability"]
    assert test is not None and test.differences == (0.25,)
    assert any("7 metrics" in note for note in notes(report))
    facts = as_dict(report)["blocks"][0]["groups"][0]["metrics"]["best_test_probability"]
    assert facts is not None and facts["mean"] == 0.5


def test_a_comparison_of_runs_without_it_is_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [
        write_run(tmp_path / f"{mode}-{seed}", f"seed={seed}", f"steering.mode={mode}")
        for mode in ("off", "all-tokens")
        for seed in range(2)
    ]
    records, _ = read_records(folders)
    assert any("4 metrics" in note for note in notes(compare(records)))
    print_comparison([str(folder) for folder in folders], [], as_json=False)
    assert "P " not in capsys.readouterr().out


def test_it_is_printed_below_the_accuracy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(folder) for folder in both(tmp_path)]
    print_comparison(folders, [], as_json=False)
    printed = capsys.readouterr().out
    assert "P 50.0 (1 of 2)" in printed and "P 75.0 " in printed
    assert "P: mean probability of the true class" in " ".join(printed.split())
    assert "ensemble test P" in printed and "+25.0" in printed
    print_comparison(folders, [], as_json=True)
    runs = json.loads(capsys.readouterr().out)["blocks"][0]["groups"][0]["runs"]
    assert [run["best_train_probability"] for run in runs] == [None, 0.5]


def test_a_summary_of_before_is_made_anew(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", probability=0.5)
    read_summary(folder)
    path = next(folder.glob("*summary*"))
    kept = json.loads(path.read_text())
    del kept["train_probability"]
    path.write_text(json.dumps(kept))
    assert kept_summary(folder) is None and read_summary(folder).train_probability == 0.5


def test_the_log_says_it_where_it_is_known(undisturbed: Path) -> None:
    state: RunState = read_state(undisturbed)
    tested = state.test("best")
    assert tested is not None and tested.probability is not None
    share = f"{tested.hits / tested.n:.1%}: best, {tested.n} images"
    said = f"test accuracy {share}; mean probability of the true class {tested.probability:.1%}"
    assert said in [line.text for line in state.log]
