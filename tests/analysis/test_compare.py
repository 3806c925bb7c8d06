"""Comparisons of journals: groups, intervals, paired tests, and what is said of their limits."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from engine.analysis.compare import Report, compare, read_records
from engine.analysis.compare_report import as_dict, notes
from engine.common.errors import ConfigError
from engine.common.intervals import wilson_interval
from engine.common.statistics import sign_flip_test
from tests.support.written_runs import write_run

STEERED = [720, 730, 744, 700, 712, 741, 722]
OFF = [700, 705, 720, 704, 701, 730, 700]


def both_modes(base: Path, seeds: int, **options: str) -> list[Path]:
    folders = []
    for mode, hits in (("last-token", STEERED), ("off", OFF)):
        for seed in range(seeds):
            folders.append(
                write_run(
                    base / f"{mode}-{seed}",
                    f"steering.mode={mode}",
                    f"seed={seed}",
                    ensemble=hits[seed],
                    **options,
                )
            )
    return folders


def report_on(folders: list[Path], *baseline: str) -> Report:
    records, left_out = read_records(folders)
    return compare(records, baseline, left_out)


def test_runs_that_differ_in_the_seed_only_are_a_group_with_students_interval(tmp_path) -> None:
    report = report_on(both_modes(tmp_path, 3))
    (block,) = report.blocks
    assert [group.name for group in block.groups] == [
        "steering.mode=last-token",
        "steering.mode=off",
    ]
    estimate = block.groups[0].estimate("ensemble_test_accuracy")
    values = [hits / 960 for hits in STEERED[:3]]
    mean = sum(values) / 3
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 2)
    half = 4.302653 * deviation / math.sqrt(3)
    assert estimate.spread.mean == pytest.approx(mean)
    assert estimate.interval == pytest.approx((mean - half, mean + half), abs=1e-6)
    assert estimate.kind == "student"


def test_the_area_is_the_mean_of_the_best_so_far(tmp_path) -> None:
    report = report_on([write_run(tmp_path / "r", curve=(40, 20, 64))])
    estimate = report.blocks[0].groups[0].estimate("area")
    assert estimate.spread.mean == pytest.approx((40 + 40 + 64) / 3 / 80)
    assert estimate.interval is None


def test_steering_off_is_the_baseline_and_pairs_are_by_seed(tmp_path) -> None:
    report = report_on(both_modes(tmp_path, 7)[::-1])
    (comparison,) = report.blocks[0].comparisons
    assert comparison.group == "steering.mode=last-token"
    assert comparison.baseline == "steering.mode=off"
    test = comparison.tests["ensemble_test_accuracy"]
    expected = [(a - b) / 960 for a, b in zip(STEERED, OFF, strict=True)]
    assert sorted(test.differences) == pytest.approx(sorted(expected))
    assert test.test.p == sign_flip_test(expected).p == test.holm
    assert not [note for note in notes(report) if "can't show" in note and "7 pairs" in note]


def test_a_single_run_has_its_images_interval_and_says_so(tmp_path) -> None:
    report = report_on(both_modes(tmp_path, 1))
    estimate = report.blocks[0].groups[0].estimate("ensemble_test_accuracy")
    assert estimate.kind == "wilson"
    assert estimate.interval == wilson_interval(STEERED[0], 960)
    said = " ".join(notes(report))
    assert "One run has no spread over seeds" in said
    assert "1 pair can't show a difference at p < 0.05" in said
    assert report.blocks[0].comparisons[0].tests["area"].interval is None


def test_too_few_pairs_are_said_with_the_smallest_p(tmp_path) -> None:
    said = " ".join(notes(report_on(both_modes(tmp_path, 5))))
    assert "5 pairs can't show" in said and "0.0625" in said and "6 pairs or more" in said


def test_data_sets_and_shots_are_blocks_and_pooled_by_pairs(tmp_path) -> None:
    folders = both_modes(tmp_path / "a", 3)
    folders += both_modes(tmp_path / "b", 3, fingerprint="f1", dataset="drawer")
    folders.append(write_run(tmp_path / "c", "data.shots=1", "steering.mode=off"))
    report = report_on(folders)
    assert [(block.name, block.shots, len(block.groups)) for block in report.blocks] == [
        ("cabinet", 5, 2),
        ("drawer", 5, 2),
        ("cabinet", 1, 1),
    ]
    (pooled,) = report.pooled
    assert len(pooled.tests["ensemble_test_accuracy"].differences) == 6
    assert pooled.blocks == 2
    assert all(len(group.runs) <= 3 for block in report.blocks for group in block.groups)


def test_a_baseline_is_chosen_and_other_keys_are_matched(tmp_path) -> None:
    folders = [
        write_run(
            tmp_path / f"{alpha}-{k}-{seed}",
            f"steering.alpha={alpha}",
            f"proposal.candidates={k}",
            f"seed={seed}",
        )
        for alpha in (0.25, 0.5, 1)
        for k in (4, 8)
        for seed in (0, 1)
    ]
    report = report_on(folders, "steering.alpha=0.50")
    pairs = {(c.group, c.baseline) for c in report.blocks[0].comparisons}
    assert len(pairs) == 4
    for group, baseline in pairs:
        assert "alpha=0.5" in baseline and "alpha=0.5" not in group
        assert group.split(", ")[0] == baseline.split(", ")[0]  # the same candidates
    for wrong, expected in (
        ("steering.alpha=0.3", "no group has that"),
        ("steering.mode=last-token", "every group has that"),
        ("steering.alpa=1", "did you mean steering.alpha"),
        ("steering.mode", "KEY=VALUE"),
    ):
        with pytest.raises(ConfigError, match=expected):
            report_on(folders, wrong)


def test_groups_that_differ_in_several_keys_are_called_so(tmp_path) -> None:
    folders = [
        write_run(tmp_path / "a", "steering.mode=off", "steps=2"),
        write_run(tmp_path / "b", "proposal.candidates=3"),
    ]
    assert "what makes the difference can't be told" in " ".join(notes(report_on(folders)))


def test_unfinished_edited_repeated_and_damaged_runs(tmp_path) -> None:
    folders = both_modes(tmp_path, 3)
    folders.append(write_run(tmp_path / "cut", "seed=3", finished=False))
    folders.append(write_run(tmp_path / "off-3", "seed=3", "steering.mode=off"))
    folders.append(write_run(tmp_path / "edited", "seed=0", edited=True))
    folders.append(write_run(tmp_path / "again", "seed=0", "name=other"))
    broken = write_run(tmp_path / "broken", "seed=4")
    (broken / "events.jsonl").write_text("{}\n")
    report = report_on([*folders, folders[0], broken])
    steered, _, edited = report.blocks[0].groups
    assert len(steered.runs) == 4 and steered.unfinished == 1
    assert steered.estimate("ensemble_test_accuracy").spread.n == 3
    assert steered.estimate("best_train_accuracy").spread.n == 4
    assert "edited by hand" in edited.name
    tests = {c.group: c.tests["best_train_accuracy"] for c in report.blocks[0].comparisons}
    assert len(tests[steered.name].differences) == 3
    assert "cut is not finished" in " ".join(notes(report))
    assert [path.name for path, _ in report.left_out] == ["broken", "again"]
    assert "same configuration, data and seed" in report.left_out[1][1]


def test_steering_off_ignores_the_other_steering_keys(tmp_path) -> None:
    folders = [
        write_run(tmp_path / "a", "steering.mode=off", "steering.alpha=1", "seed=0"),
        write_run(tmp_path / "b", "steering.mode=off", "steering.alpha=2", "seed=1"),
        write_run(tmp_path / "c", "steering.alpha=2"),
        write_run(tmp_path / "d", "steering.alpha=3"),
    ]
    names = [group.name for group in report_on(folders).blocks[0].groups]
    assert names[0] == "steering.mode=off"
    assert names[1] == "steering.mode=last-token, steering.alpha=2.0"


def test_several_comparisons_are_corrected_together(tmp_path) -> None:
    folders = both_modes(tmp_path, 6)
    for seed in range(6):
        folders.append(
            write_run(tmp_path / f"a{seed}", "steering.alpha=9", f"seed={seed}", ensemble=800)
        )
    report = report_on(folders)
    tests = [c.tests["ensemble_test_accuracy"] for c in report.blocks[0].comparisons]
    low, high = sorted((t.test.p, t.holm) for t in tests)
    assert low[1] == min(1, 2 * low[0]) and high[1] == max(low[1], high[0])
    assert "p (Holm)" in " ".join(notes(report))


def test_the_document_is_json_and_has_the_spread_beside_each_mean(tmp_path) -> None:
    document = json.loads(json.dumps(as_dict(report_on(both_modes(tmp_path, 2)))))
    (block,) = document["blocks"]
    metric = block["groups"][0]["metrics"]["ensemble_test_accuracy"]
    assert {"mean", "deviation", "low", "high", "interval", "runs"} <= set(metric)
    test = block["comparisons"][0]["metrics"]["ensemble_test_accuracy"]
    assert test["pairs"] == 2 and test["smallest_p"] == 0.5 and len(test["interval"]) == 2


def test_reading_runs_loads_no_model(tmp_path) -> None:
    folder = write_run(tmp_path / "r")
    code = (
        "import sys; from glov_tui.commands.compare import print_comparison; "
        f"print_comparison([{str(folder)!r}], [], True); "
        "sys.exit(bool({'torch', 'transformers', 'open_clip', 'textual'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_searches_are_groups_and_what_they_do_not_use_tells_none_apart(tmp_path) -> None:
    folders = [
        write_run(tmp_path / "a", "seed=0"),
        write_run(tmp_path / "b", "search.kind=random", "steering.alpha=2", "seed=0"),
        write_run(tmp_path / "c", "search.kind=random", "proposal.examples=9", "seed=1"),
        write_run(tmp_path / "d", "search.kind=llm-opt", "steering.mode=off", "seed=0"),
    ]
    report = report_on(folders)
    names = [group.name for group in report.blocks[0].groups]
    assert names == [f"search.kind={kind}" for kind in ("glov", "random", "llm-opt")]
    assert {c.baseline for c in report.blocks[0].comparisons} == {"search.kind=glov"}
