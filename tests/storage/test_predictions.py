"""What templates made of each image, in a run's folder: whole, or not believed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.common.kept import Kept
from engine.data.dataset import LabelledImage
from engine.session.local import LocalSession
from engine.storage.check import check_run
from engine.storage.fork import write_fork
from engine.storage.journal import read_state
from engine.storage.prediction_keeper import PredictionKeeper, copy_predictions
from engine.storage.predictions import ImageIndex, RunPredictions, all_files, index_path
from engine.storage.run_folder import EVENTS, PREDICTIONS
from engine.vlm.predictions import NO_CLASS, ImagePredictions
from tests.support.small_runs import demo, drive, outcome

IMAGES = (LabelledImage("cup/1.png", 0), LabelledImage("caf\udce9/2.png", 1))
INDEX = ImageIndex(Path("/images"), IMAGES, 3, "0a")


def made(first: int, second: int, answers: tuple[str | None, ...] = ()) -> ImagePredictions:
    logits = np.eye(3)[[first, second]]
    return ImagePredictions.of(np.log(logits * 0.7 + 0.1), [first, second], answers)


RIGHT, HALF, WRONG = made(0, 1), made(0, 2), made(2, 2)


class Keeping:
    """A keeper, and what it said."""

    def __init__(self, folder: Path, room: int = 2**20, index: ImageIndex = INDEX) -> None:
        self.said: list[str] = []
        self.keeper = PredictionKeeper(folder, room, self.said.append)
        self.keeper.begin("train", index)

    def keep(self, **found: ImagePredictions) -> None:
        self.keeper.keep("train", found)

    def has(self, template: str) -> bool:
        return self.keeper.read(template, "train") is not None


def files(folder: Path) -> list[Path]:
    return [path for path, _ in all_files(folder, "train")]


def same(one: ImagePredictions | None, other: ImagePredictions) -> bool:
    return (
        one is not None
        and np.array_equal(one.log_probabilities, other.log_probabilities, equal_nan=True)
        and np.array_equal(one.classes, other.classes)
        and one.answers == other.answers
    )


def test_what_was_kept_is_read_by_others(tmp_path: Path) -> None:
    answered = made(0, 2, ("a cup", None))
    Keeping(tmp_path).keep(a=RIGHT, b=answered)
    Keeping(tmp_path).keep(c=WRONG)
    found = RunPredictions(tmp_path)
    assert found.index("train") == INDEX
    assert same(found.read("a", "train"), RIGHT)
    assert same(found.read("b", "train"), answered)
    assert same(found.read("c", "train"), WRONG)
    assert found.read("d", "train") is None and found.read("a", "test") is None
    assert [path.name for path in files(tmp_path)] == [
        "train-000001.safetensors",
        "train-000002.safetensors",
    ]


def test_those_of_most_images_count(tmp_path: Path) -> None:
    some = made(0, 2)
    some.log_probabilities[1], some.classes[1] = np.nan, NO_CLASS
    kept = Keeping(tmp_path)
    kept.keep(a=some)
    assert same(kept.keeper.read("a", "train"), some)
    kept.keep(a=RIGHT)
    kept.keep(a=some)
    assert same(RunPredictions(tmp_path).read("a", "train"), RIGHT)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def another_text(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a cup", b"a cat"))


def a_link(path: Path) -> None:
    aside = path.with_name("aside")
    path.rename(aside)
    path.symlink_to(aside)


@pytest.mark.parametrize("damage", [flipped, halved, emptied, another_text, a_link])
def test_what_is_damaged_is_said_once_and_not_believed(tmp_path: Path, damage) -> None:
    kept = Keeping(tmp_path)
    kept.keep(a=made(0, 2, ("a cup", "a bell")))
    kept.keep(b=RIGHT)
    damage(files(tmp_path)[0])
    again = Keeping(tmp_path)
    assert not again.has("a") and not again.has("a") and again.has("b")
    assert len(again.said) == 1 and "train-000001.safetensors: its content is not" in again.said[0]
    again.keep(a=RIGHT)  # scored again
    assert same(again.keeper.read("a", "train"), RIGHT)
    assert files(tmp_path)[-1].name == "train-000003.safetensors"


@pytest.mark.parametrize("damage", [flipped, halved, emptied])
def test_an_index_that_is_damaged_is_said_and_written_anew(tmp_path: Path, damage) -> None:
    Keeping(tmp_path).keep(a=RIGHT)
    damage(index_path(tmp_path, "train"))
    again = Keeping(tmp_path)
    assert len(again.said) == 1 and "train.json" in again.said[0]
    assert again.has("a")  # a file says itself which images it is of


def test_what_another_program_wrote_is_not_taken_for_texts(tmp_path: Path) -> None:
    """With the right hashes, as somebody may write them: nothing is shown of it that is no text."""
    for number, images in enumerate(([(5, 0), (6, 1)], [("a", "0"), ("b", 1)], [("a", 0.5)])):
        strange = ImageIndex(Path("/images"), tuple(LabelledImage(*one) for one in images), 3, "0a")
        folder = tmp_path / str(number)
        (folder / PREDICTIONS).mkdir(parents=True)
        index_path(folder, "train").write_text(strange.to_json())
        assert RunPredictions(folder).index("train") is None
    for answers in ((1, 2), ("one",), ({}, None)):
        kept = Keeping(tmp_path)
        kept.keep(a=ImagePredictions(RIGHT.log_probabilities, RIGHT.classes, answers))
        assert not Keeping(tmp_path).has("a")


def test_predictions_of_other_images_are_not_taken_for_these(tmp_path: Path) -> None:
    Keeping(tmp_path).keep(a=RIGHT)
    others = ImageIndex(INDEX.root, IMAGES[::-1], 3, "0a")
    again = Keeping(tmp_path, index=others)
    assert not again.has("a") and "of other images" in again.said[0]
    moved = ImageIndex(Path("/elsewhere"), IMAGES, 3, "0a")
    back = Keeping(tmp_path, index=moved)
    assert back.has("a")
    assert RunPredictions(tmp_path).index("train").root == Path("/elsewhere")


def test_where_there_is_no_room_those_of_the_worst_templates_go(tmp_path: Path) -> None:
    kept = Keeping(tmp_path)
    kept.keep(seed=WRONG)
    size = files(tmp_path)[0].stat().st_size + 40
    small = Keeping(tmp_path, room=3 * size)
    small.keep(a=RIGHT)
    small.keep(b=HALF)
    small.keep(c=made(1, 0))
    assert [small.has(name) for name in ("seed", "a", "b", "c")] == [True, True, True, False]
    small.keep(d=RIGHT)
    assert [small.has(name) for name in ("seed", "a", "b", "d")] == [True, True, False, True]
    assert len(small.said) == 1 and "vlm.predictions_mib" in small.said[0]


def test_a_folder_that_cannot_be_written_is_said_and_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / PREDICTIONS).write_text("")
    kept = Keeping(tmp_path)
    kept.keep(a=RIGHT)
    kept.keep(b=RIGHT)
    assert len(kept.said) == 1 and "can't be kept there" in kept.said[0]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / PREDICTIONS).symlink_to(tmp_path / "elsewhere")
    kept = Keeping(tmp_path)
    kept.keep(a=RIGHT)
    assert kept.said and not list((tmp_path / "elsewhere").iterdir())


def test_a_fork_copies_what_it_has_templates_of(tmp_path: Path) -> None:
    parent, fork = tmp_path / "parent", tmp_path / "fork"
    parent.mkdir()
    kept = Keeping(parent)
    for name in "abc":
        kept.keep(**{name: RIGHT})
    flipped(files(parent)[1])
    copy_predictions(parent, fork, "train", ["a", "c", "z"])
    assert [path.name[-14:] for path in files(fork)] == ["01.safetensors", "03.safetensors"]
    copy_predictions(tmp_path / "nowhere", tmp_path / "other", "train", ["a"])


# -- of runs --------------------------------------------------------------------------------


def complete(folder: Path) -> bool:
    """Whether each template's predictions are there, and its hits are those of its score."""
    found, state = RunPredictions(folder), read_state(folder)
    labels = np.array([image.label for image in found.index("train").images])
    kept = [(found.read(t.text, "train"), t) for t in state.templates]
    return all(p is not None and (p.classes == labels).sum() == t.hits for p, t in kept)


def test_a_run_keeps_the_predictions_behind_each_score(undisturbed: Path) -> None:
    assert complete(undisturbed)
    assert check_run(undisturbed).sound
    assert len(files(undisturbed)) <= 1 + read_state(undisturbed).steps_done


def cut(folder: Path, kind: str, to: Path) -> Path:
    """A copy that ends behind the last fact of this kind."""
    shutil.copytree(folder, to)
    lines = (to / EVENTS).read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if f'"kind":"{kind}"'.encode() in line)
    (to / EVENTS).write_bytes(b"".join(lines[: last + 1]))
    return to


def test_a_run_that_is_cut_off_behind_a_score_has_them_all(
    undisturbed: Path, tmp_path: Path, kept: Kept
) -> None:
    folder = cut(undisturbed, "template-scored", tmp_path / "cut")
    assert complete(folder)  # they are written before the scores are journaled
    drive(LocalSession.resume(folder, kept=kept))
    assert outcome(folder) == outcome(undisturbed) and complete(folder)


def test_a_run_goes_on_without_what_was_deleted_or_damaged(
    undisturbed: Path, tmp_path: Path, kept: Kept
) -> None:
    deleted = cut(undisturbed, "step-started", tmp_path / "deleted")
    shutil.rmtree(deleted / PREDICTIONS)
    drive(LocalSession.resume(deleted, kept=kept))
    assert outcome(deleted) == outcome(undisturbed)
    damaged = cut(undisturbed, "step-started", tmp_path / "damaged")
    halved(files(damaged)[0])
    index_path(damaged, "train").write_text("{")
    (found,) = [f for f in check_run(damaged).findings if f.where.endswith("train.json")]
    assert found.level == "error" and "delete it" in found.todo
    drive(LocalSession.resume(damaged, kept=kept))
    assert outcome(damaged) == outcome(undisturbed)
    log = [line.text for line in read_state(damaged).log]
    said = [text for text in log if f"/{PREDICTIONS}" in text]
    assert len(said) == 2
    assert len([text for text in log if "the ensemble is chosen from" in text]) == 1


def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path, kept: Kept) -> None:
    config = demo("steps=1", "vlm.predictions_mib=0")
    drive(LocalSession.create(config, tmp_path / "run", kept=kept))
    assert not (tmp_path / "run" / PREDICTIONS).exists()


def test_a_fork_has_its_parents(undisturbed: Path, tmp_path: Path) -> None:
    write_fork(undisturbed, 1, tmp_path / "fork")
    assert complete(tmp_path / "fork")
    (test, *_) = read_state(tmp_path / "fork").tests
    assert RunPredictions(tmp_path / "fork").read(test.templates[0], "test") is not None
    assert check_run(tmp_path / "fork").sound


def test_a_damaged_file_is_found_by_check(undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed, tmp_path / "copy")
    flipped(files(tmp_path / "copy")[1])
    (found,) = check_run(tmp_path / "copy").findings
    assert found.level == "error" and found.where.endswith("train-000002.safetensors")
    os.link(files(undisturbed)[0], tmp_path / "another name")  # a run's own files may be linked
    assert check_run(undisturbed).sound


def test_of_test_images_the_oldest_go_and_none_is_written_twice(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = PredictionKeeper(tmp_path, 2**20, said.append)
    keeper.begin("test", INDEX)
    keeper.keep("test", {"a": WRONG})
    keeper.keep("test", {"a": WRONG})
    (only,) = (path for path, _ in all_files(tmp_path, "test"))
    small = PredictionKeeper(tmp_path, 3 * only.stat().st_size, said.append)
    small.begin("test", INDEX)
    small.begin("train", INDEX)
    small.keep("train", {"a": RIGHT})  # has room of its own
    for name in "bcd":  # b is the best of all
        small.keep("test", {name: RIGHT if name == "b" else WRONG})
    there = {name for name in "abcd" if RunPredictions(tmp_path).read(name, "test") is not None}
    assert there == {"a", "c", "d"} and small.read("b", "test") is None
    assert len(said) == 1 and "the oldest goes" in said[0]
    assert same(small.read("a", "train"), RIGHT)


def test_a_file_that_another_put_in_its_place_is_not_taken_for_it(tmp_path: Path) -> None:
    mine = Keeping(tmp_path)
    mine.keep(a=RIGHT)
    (path,) = files(tmp_path)
    path.unlink()
    Keeping(tmp_path).keep(b=WRONG)
    assert files(tmp_path) == [path] and not mine.has("a")
