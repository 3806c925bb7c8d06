"""What a template made of the images of a run, read from its folder: shown, or why not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.image_predictions import (
    MOST_SAMPLES,
    MOST_WRONG,
    Confusion,
    LookedAt,
    look_at_images,
)
from engine.config.toml_file import load_config
from engine.data.catalogue.table import catalogue
from engine.data.dataset import LabelledImage
from engine.data.images import read_image
from engine.data.registry import load_dataset
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from engine.storage.journal import read_state
from engine.storage.prediction_keeper import PredictionKeeper
from engine.storage.predictions import ImageIndex, all_files
from engine.storage.run_folder import PREDICTIONS
from engine.vlm.predictions import NO_CLASS, ImagePredictions
from tests.support import miniatures
from tests.support.sessions import loaded
from tests.support.written_runs import write_run

SEED = "a photo of a <category>."
CLASSES = (0, 0, 1, 1, NO_CLASS, 1, 1, 1, 0, 0)  # for labels 0 (five) and 1 (five): 5 hits


def written(folder: Path, root: Path, classes=CLASSES, answers=(), hits: int = 5) -> RunState:
    """A run whose seed template made these of ten images: five cups, then five bells."""
    state = RunState().apply_all(
        event.model_copy(update={"hits": hits, "class_hits": (hits // 2, hits - hits // 2)})
        if isinstance(event, ev.TemplateScored)
        else event
        for event in loaded()
    )
    images = tuple(LabelledImage(f"{n}.png", int(n >= 5)) for n in range(10))
    keeper = PredictionKeeper(folder, 2**20, lambda said: pytest.fail(said))
    keeper.begin("train", ImageIndex(root, images, 2, "0a"))
    sure = np.array([0.6 + n / 100 for n in range(10)])
    found = np.stack([1 - sure, sure], axis=1)
    for row, number in enumerate(classes):
        if number == 0:
            found[row] = found[row, ::-1]
    keeper.keep("train", {SEED: ImagePredictions.of(np.log(found), classes, answers)})
    return state


def looked(folder: Path, state: RunState) -> LookedAt | str:
    return look_at_images(folder, seed(state), state)


def seed(state: RunState) -> ScoredTemplate:
    found = state.find(normalise(SEED))
    assert found is not None
    return found


def test_wrong_images_come_first_and_the_surest_of_them_before(tmp_path: Path) -> None:
    state = written(tmp_path, tmp_path, answers=tuple(f"it is {n}" for n in range(10)))
    found = looked(tmp_path, state)
    assert isinstance(found, LookedAt)
    assert (found.right, found.n) == (5, 10)
    assert [sample.path for sample in found.samples] == [
        *("9.png", "8.png", "4.png", "3.png", "2.png"),
        *("0.png", "1.png", "5.png", "6.png", "7.png"),
    ]
    surest, unnamed, right = found.samples[0], found.samples[2], found.samples[-1]
    assert (surest.truth, surest.predicted, surest.answer) == ("bell", "cup", "it is 9")
    assert surest.truth_probability == pytest.approx(0.31, abs=0.001)
    assert surest.predicted_probability == pytest.approx(0.69, abs=0.001)
    assert (unnamed.truth, unnamed.predicted, unnamed.predicted_probability) == ("cup", None, None)
    assert right.is_right and not surest.is_right and not unnamed.is_right


def test_the_most_confused_classes(tmp_path: Path) -> None:
    found = looked(tmp_path, written(tmp_path, tmp_path))
    assert isinstance(found, LookedAt)
    assert found.confusions == (
        Confusion("cup", "bell", 2, 5),
        Confusion("bell", "cup", 2, 5),
        Confusion("cup", None, 1, 5),
    )


def test_images_are_found_in_their_folder_only(tmp_path: Path) -> None:
    root = tmp_path / "images"
    root.mkdir()
    (root / "9.png").write_text("")
    (root / "8.png").mkdir()
    found = looked(tmp_path, written(tmp_path, root))
    assert isinstance(found, LookedAt) and found.unseen is None
    assert [s.path for s in found.samples if s.file is not None] == ["9.png"]
    (root / "9.png").unlink()
    found = looked(tmp_path, written(tmp_path, root))
    assert isinstance(found, LookedAt) and found.unseen == f"the images are not in {root}"
    shutil.rmtree(root)
    found = looked(tmp_path, read := written(tmp_path, root))
    assert isinstance(found, LookedAt) and str(root) in (found.unseen or "")
    tmp_path.chmod(0o777)
    found = looked(tmp_path, read)
    assert isinstance(found, LookedAt) and "everybody can write" in (found.unseen or "")


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname"])
def test_no_index_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.png").write_text("")
    (tmp_path / "images").mkdir()
    state = RunState().apply_all(loaded())
    images = tuple(LabelledImage(path, 0) for _ in range(10))
    keeper = PredictionKeeper(tmp_path, 2**20, lambda said: pytest.fail(said))
    keeper.begin("train", ImageIndex(tmp_path / "images", images, 2, "0a"))
    classes = [0] * 4 + [1] * 6
    found = ImagePredictions.of(np.log(np.full((10, 2), 0.5)), classes)
    keeper.keep("train", {SEED: found})
    shown = looked(tmp_path, state)
    assert isinstance(shown, LookedAt) and all(s.file is None for s in shown.samples)


def test_why_there_is_nothing(tmp_path: Path) -> None:
    state = RunState().apply_all(loaded())
    assert "deleted, or the run is of an earlier glov" in str(looked(tmp_path, state))
    written(tmp_path, tmp_path, hits=4)  # of another score
    assert "not what its score rests on" in str(looked(tmp_path, state))
    (path, _), *_ = all_files(tmp_path, "train")
    path.write_bytes(path.read_bytes()[:-1])
    assert "is not what was kept there" in str(looked(tmp_path, state))
    path.unlink()
    assert "that is not kept of this template" in str(looked(tmp_path, state))


def test_of_a_real_run(undisturbed: Path) -> None:
    state = read_state(undisturbed)
    for template in state.ranking:
        found = look_at_images(undisturbed, template, state)
        assert isinstance(found, LookedAt)
        assert (found.right, found.n) == (template.hits, template.n)
        assert sum(one.count for one in found.confusions) == found.n - found.right
        wrong = [not sample.is_right for sample in found.samples]
        assert wrong == sorted(wrong, reverse=True)
        assert len(wrong) <= MOST_SAMPLES and sum(wrong) <= max(MOST_WRONG, MOST_SAMPLES)
        assert all(sample.file is not None for sample in found.samples)


def test_of_a_run_without(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    assert not (folder / PREDICTIONS).exists()
    state = read_state(folder)
    assert isinstance(look_at_images(folder, state.ranking[0], state), str)


def test_images_in_tars_are_read_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("GLOV_DATA_DIR", str(tmp_path / "data"))
    miniatures.tars(catalogue()["imagenet"], tmp_path / "data", ("train", "test"))
    config = load_config("demo", ["data.dataset=imagenet"])
    dataset = load_dataset(config.data)
    train = tuple(dataset.train)
    sizes = [len(group) for group in dataset.by_class(train)]
    begun, models, scored, *_ = loaded(config)
    assert isinstance(models, ev.ModelsLoaded) and isinstance(scored, ev.TemplateScored)
    facts = {
        "class_names": dataset.class_names,
        "class_sizes": tuple(sizes),
        "train_size": len(train),
        "dataset_fingerprint": dataset.fingerprint(),
    }
    score = {"hits": len(train), "n": len(train), "class_hits": tuple(sizes)}
    now = [begun, models.model_copy(update=facts), scored.model_copy(update=score)]
    state = RunState().apply_all(now)
    keeper = PredictionKeeper(tmp_path, 2**20, lambda said: pytest.fail(said))
    keeper.begin("train", ImageIndex(dataset.root, train, len(sizes), "0a"))
    even = np.full((len(train), len(sizes)), 1 / len(sizes))
    found = ImagePredictions.of(np.log(even), [image.label for image in train])
    keeper.keep("train", {SEED: found})
    shown = looked(tmp_path, state)
    assert isinstance(shown, LookedAt) and shown.unseen is None and len(shown.samples) == 6
    for one in shown.samples:
        assert one.file is not None
        label = dataset.class_names.index(one.truth)
        assert miniatures.label_of(read_image(one.file)) == label
    changed = state.apply(models.model_copy(update={**facts, "dataset_fingerprint": "another"}))
    shown = looked(tmp_path, changed)
    assert isinstance(shown, LookedAt) and shown.unseen is not None
