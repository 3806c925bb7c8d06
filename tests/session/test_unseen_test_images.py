"""Nothing of the test split reaches the search: other test images, the same run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from engine.analysis.run_templates import run_templates
from engine.common.kept import Kept
from engine.config import RunConfig
from engine.config.toml_file import load_config
from engine.data.registry import load_dataset
from engine.run import events as ev
from engine.session.local import LocalSession
from engine.storage.journal import read_journal, read_state
from tests.support.small_runs import OF_A_STEP, demo, drive

MEASURED = ("hits", "n", "unnamed", "probability", "seconds", "time")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two data sets with the same training images. The test images of the second are the first's
    as negatives, upside down, and each is said to be of the next class; one of them is missing.
    """
    dataset = load_dataset(load_config("demo").data)
    one, other = (tmp_path_factory.mktemp(name) / "cabinet" for name in ("one", "other"))
    names = dataset.class_names
    for label, name in enumerate(names):
        following = names[(label + 1) % len(names)]
        for split, count in (("train", 2), ("test", 3)):
            for number in range(count):
                image = dataset.root / split / name / f"{number:03}.png"
                put(image, one / split / name)
                if split == "train":
                    put(image, other / split / name)
                elif (label, number) != (0, 0):
                    put(image, other / split / following)
                    file = other / split / following / image.name
                    turned = ImageOps.flip(Image.open(file).convert("RGB"))
                    ImageOps.invert(turned).save(file)
    return one, other


def put(image: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(image, folder)


def configured(folder: Path, *options: str) -> RunConfig:
    return demo("seed=2", "data.dataset=image-folder", f"data.path={folder}", *options)


def without_measurements(folder: Path) -> Iterator[dict]:
    """What a run asked, got, scored and chose; of the test split only what was measured."""
    for event in read_journal(folder).events:
        if isinstance(event, OF_A_STEP):
            kept = event.comparable()
            if isinstance(event, ev.TestMeasured):
                kept = {key: value for key, value in kept.items() if key not in MEASURED}
            yield kept


@pytest.mark.parametrize("options", [(), ("search.racing=true", "data.shots=2")])
def test_other_test_images_leave_all_that_a_run_chooses_the_same(
    folders: tuple[Path, Path], tmp_path: Path, kept: Kept, options: tuple[str, ...]
) -> None:
    runs = [tmp_path / "one", tmp_path / "other"]
    for run, images in zip(runs, folders, strict=True):
        state = drive(LocalSession.create(configured(images, *options), run, kept=kept))
        assert state.status == "finished", state.error
    one, other = (list(without_measurements(run)) for run in runs)
    assert one == other
    assert {event["kind"] for event in one} >= {"meta-prompt-composed", "test-measured"}
    tests = [[(test.hits, test.n) for test in read_state(run).tests] for run in runs]
    assert len(tests[0]) == len(tests[1]) > 3
    assert all(a != b for a, b in zip(*tests, strict=True))  # it does make a difference there


def test_what_is_evaluated_of_a_run_is_chosen_without_test_images(
    folders: tuple[Path, Path], tmp_path: Path, kept: Kept
) -> None:
    runs = [tmp_path / "one", tmp_path / "other"]
    for run, images in zip(runs, folders, strict=True):
        drive(LocalSession.create(configured(images, "steps=2"), run, kept=kept))
    chosen = [
        run_templates(run, read_state(run), lambda: pytest.fail("not needed"), pytest.fail)
        for run in runs
    ]
    assert chosen[0] == chosen[1]
    assert [one.name for one in chosen[0]] == ["seed", "best", "top 3", "greedy 3"]
