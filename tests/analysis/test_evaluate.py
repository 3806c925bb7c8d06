"""What templates make of the test images: of a run nothing is measured twice."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.evaluate import Evaluation, Measurement, Subject, evaluate
from engine.common.kept import Kept
from engine.storage.journal import read_state
from engine.storage.prediction_keeper import PredictionKeeper
from engine.storage.predictions import RunPredictions, all_files
from engine.vlm.predictions import together

SUBJECTS = (
    Subject("seed", ("a photo of a <category>.",)),
    Subject("other", ("a <category>.",)),
    Subject("both", ("a photo of a <category>.", "a <category>.")),
)
OWN = tuple(replace(subject, is_runs=True) for subject in SUBJECTS)


def measured(
    folder: Path, kept: Kept, subjects=SUBJECTS, *stores: RunPredictions, **options
) -> Evaluation:
    return evaluate(
        read_state(folder).config,
        subjects,
        progress=lambda *_: None,
        report=lambda said: pytest.fail(said),
        kept=kept,
        stores=stores,
        **options,
    )


def same(one: Measurement, other: Measurement) -> bool:
    return (
        np.array_equal(one.predicted, other.predicted)
        and np.array_equal(one.of_truth, other.of_truth)
        and one.subject == other.subject
    )


def test_what_a_run_measured_on_the_test_split_is_kept(undisturbed: Path) -> None:
    found, state = RunPredictions(undisturbed), read_state(undisturbed)
    labels = np.array([image.label for image in found.index("test").images])
    assert len(labels) == state.models.test_size
    assert {test.subject for test in state.tests} == {"seed", "best", "ensemble"}
    for test in state.tests:
        made = found.read(together(test.templates), "test")
        assert made is not None and (made.classes == labels).sum() == test.hits


def test_what_is_measured_is_what_the_run_measured_and_is_not_measured_twice(
    undisturbed: Path, tmp_path: Path, kept: Kept
) -> None:
    state = read_state(undisturbed)
    subjects = [Subject(test.subject, test.templates) for test in state.tests]
    anew = measured(undisturbed, kept, subjects)
    read = measured(undisturbed, kept, subjects, RunPredictions(undisturbed))
    for test, one, other in zip(state.tests, anew.measurements, read.measurements, strict=True):
        assert (one.hits, one.n, one.unnamed) == (test.hits, test.n, test.unnamed)
        assert one.probability == pytest.approx(test.probability, abs=1e-4)
        assert same(one, other) and (one.was_kept, other.was_kept) == (False, True)


def test_what_is_missing_is_measured_and_kept(undisturbed: Path, tmp_path: Path, kept: Kept):
    folder = tmp_path / "run"
    shutil.copytree(undisturbed, folder)
    first, again = (
        measured(folder, kept, OWN, PredictionKeeper(folder, 2**20, pytest.fail)) for _ in range(2)
    )
    assert [one.was_kept for one in first.measurements] == [True, False, False]
    assert all(one.was_kept for one in again.measurements)
    assert all(map(same, first.measurements, again.measurements))
    assert first.measurements[1].right.mean() == first.measurements[1].accuracy
    train = [path.read_bytes() for path, _ in all_files(folder, "train")]
    assert train == [path.read_bytes() for path, _ in all_files(undisturbed, "train")]


def test_equal_subjects_are_measured_once_and_keep_their_names(
    undisturbed: Path, kept: Kept
) -> None:
    twice = (Subject("one", ("a <category>.",)), Subject("two", ("a <category>.",)))
    one, two = measured(undisturbed, kept, twice, split="train").measurements
    assert (one.subject.name, two.subject.name) == ("one", "two")
    assert one.right is not None and np.array_equal(one.right, two.right)
    assert one.n == read_state(undisturbed).models.train_size


def test_what_is_cut_is_said(undisturbed: Path, kept: Kept) -> None:
    long = Subject("long", ("a very long way to say it, " * 30 + "<category>.",))
    (found,) = measured(undisturbed, kept, [long]).measurements
    assert "cut for 16 of 16 classes" in found.note
