"""Which folders are classes and which are splits, under the names that people give them."""

from __future__ import annotations

import pytest

from engine.common.errors import DataError
from engine.data.readers.image_folder import read_image_folder
from engine.data.readers.split_names import holds_images, split_of
from tests.support.folders import CLASSES, classes, make


def tops(items) -> set[str]:
    return {item.path.partition("/")[0] for item in items}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"),
        ("seg_train", "seg_test"),
        ("train2017", "val2017"),
        ("trn", "tst"),
        ("TRAIN", "Test"),
        ("Training", "Testing"),
        ("trainset", "testset"),
        ("TrainSet", "TestSet"),
        ("cars_train", "cars_test"),
        ("1-train", "2-test"),
        ("train_images", "valid_images"),
        ("train", "eval"),
        ("train_val", "test"),
        ("dataset.train", "dataset.holdout"),
    ],
)
def test_usual_names_of_splits(tmp_path, train, test):
    classes(classes(tmp_path, f"{train}/"), f"{test}/", count=3)
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert (tops(dataset.train), tops(dataset.test)) == ({train}, {test})
    assert (len(dataset.train), len(dataset.test)) == (12, 9)
    assert dataset.problems == ()


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train/images/", "test/images/"),
        ("images/train/", "images/test/"),
        ("seg_train/seg_train/", "seg_test/seg_test/"),
        ("data/images/training/", "data/images/validation/"),
    ],
)
def test_folders_that_only_hold_another_are_seen_through(tmp_path, train, test):
    classes(classes(tmp_path, train), test)
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert all(item.path.startswith(train) for item in dataset.train)
    assert all(item.path.startswith(test) for item in dataset.test)


def test_images_in_one_folder_beside_lists_and_labels(tmp_path):
    make(classes(tmp_path, "images/"), "annotations/list.txt", "README")
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert dataset.problems == (f"{tmp_path / 'annotations'}: left unused",)


def test_class_folders_with_a_folder_of_images_inside(tmp_path):
    assert read_image_folder(classes(tmp_path, within="images/")).class_names == CLASSES


def test_splits_inside_the_class_folders(tmp_path):
    classes(classes(tmp_path, within="train/"), within="test/", count=2)
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert all("/train/" in item.path for item in dataset.train)
    assert [item.path for item in dataset.test][:2] == ["bird/test/0.png", "bird/test/1.png"]
    make(tmp_path, "cow/1.png", "cow/2.png")
    with pytest.raises(DataError, match="'cow' does not"):
        read_image_folder(tmp_path)


@pytest.mark.parametrize("name", ["val", "test_set"])
def test_one_split_alone_is_split_here(tmp_path, name):
    dataset = read_image_folder(classes(tmp_path, f"{name}/"))
    assert len(dataset.train) == len(dataset.test) == 6
    assert dataset.problems == (f"{name} is the only split: its images are split here",)


@pytest.mark.parametrize("names", [("bus", "train", "tram"), ("bus", "test", "train")])
def test_classes_may_be_called_train_and_test(tmp_path, names):
    assert read_image_folder(classes(tmp_path, names=names)).class_names == names


def test_labels_of_both_splits_are_left_unused(tmp_path):
    for folder in ("train/", "test/", "train_labels/", "test_labels/"):
        classes(tmp_path, folder)
    dataset = read_image_folder(tmp_path)
    assert (tops(dataset.train), tops(dataset.test)) == ({"train"}, {"test"})
    assert [problem.endswith("_labels: left unused") for problem in dataset.problems] == [True] * 2


def test_a_test_split_without_class_folders_gives_way_to_one_with_them(tmp_path):
    make(classes(classes(tmp_path, "train/"), "val/"), "test/1.png", "test/2.png")
    dataset = read_image_folder(tmp_path)
    assert tops(dataset.test) == {"val"}
    assert dataset.problems == (f"{tmp_path / 'test'}: left unused",)


def test_what_cannot_be_told_is_refused_with_the_ways_to_say_it(tmp_path):
    def refused(root, *named):
        with pytest.raises(DataError) as error:
            read_image_folder(root)
        for text in named:
            assert text in str(error.value)

    flat = make(classes(tmp_path / "flat", "train/"), "test/1.png")
    refused(flat, "no class folders like those of train in 'test'", 'ignore = ["test"]')
    (flat / "dataset.toml").write_text('ignore = ["test"]')
    assert len(read_image_folder(flat).test) == 6

    alone = classes(classes(tmp_path / "alone", "train/"), names=("bar", "foo"))
    refused(alone, "'bar', 'foo', 'train'", "no pair of a training and a test split")
    (alone / "dataset.toml").write_text('[classes]\ntrain = "railway train"')
    assert read_image_folder(alone).class_names == ("bar", "foo", "railway train")

    refused(classes(classes(tmp_path / "a", "val/"), "test/"), "'test', 'val'")
    two = classes(classes(classes(tmp_path / "b", "train_a/"), "train_b/"), "test/")
    refused(two, "'test', 'train_a', 'train_b'")
    refused(make(tmp_path / "c", "train/1.png", "test/1.png"), "images but no class folders")
    coco = make(tmp_path / "d", "train2017/1.jpg", "val2017/1.jpg", "annotations/a.json")
    refused(coco, "train2017: images but no class folders")
    yolo = [f"{s}/{f}" for s in ("train", "val") for f in ("images/1.jpg", "labels/1.txt")]
    refused(make(tmp_path / "e", *yolo), "'images', 'labels'", "detection")
    refused(make(tmp_path / "f", "images/1.jpg", "masks/1.png"), "segmentation")
    pets = classes(tmp_path / "g", "pets/")
    refused(pets, "one class only ('pets')", f"give {pets}/pets as data.path")


@pytest.mark.parametrize("within", ["", "images/"])
def test_splits_and_domains_under_unknown_names(tmp_path, within):
    for name in ("entrenamiento", "prueba"):
        classes(tmp_path, f"{name}/{within}")
    with pytest.raises(DataError, match="look like splits or domains"):
        read_image_folder(tmp_path)
    (tmp_path / "dataset.toml").write_text('[classes]\nprueba = "trial"')
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == ("entrenamiento", "trial")
    assert "hold the same folders ('bird', 'cat', 'dog')" in dataset.problems[0]


def test_folds_and_many_classes_with_the_same_folders(tmp_path):
    for i in range(4):
        classes(tmp_path / "folds", f"fold_{i}/", ("a", "b", "c", "d", "e")[i == 0 :])
    with pytest.raises(DataError, match="'fold_0', 'fold_1', 'fold_2', 'fold_3' hold the same"):
        read_image_folder(tmp_path / "folds")
    for name in ("ash", "elm", "fir", "oak"):
        classes(tmp_path / "trees", f"{name}/", ("summer", "winter"))
    dataset = read_image_folder(tmp_path / "trees")
    assert dataset.class_names == ("ash", "elm", "fir", "oak")
    assert "hold the same folders ('summer', 'winter')" in dataset.problems[0]
    classes(tmp_path / "two", "cat/", ("indoor", "garden"))
    classes(tmp_path / "two", "dog/", ("beach", "garden"))
    assert read_image_folder(tmp_path / "two").class_names == ("cat", "dog")


def test_classes_only_in_one_split_are_named_with_the_way_out(tmp_path):
    classes(classes(tmp_path, "train/"), "test/", names=(*CLASSES, "cow"))
    with pytest.raises(DataError, match=r"'cow' only in test.*ignore = \[\"cow\"\]"):
        read_image_folder(tmp_path)
    (tmp_path / "dataset.toml").write_text('ignore = ["cow"]')
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert dataset.problems == ("passed over, ignored as dataset.toml says: 1 (test/cow)",)


def test_words_of_other_things_are_no_splits():
    for name in ("valley", "trainer", "contest", "set", "training_test", "testament", "images"):
        assert split_of(name) is None, name
    assert split_of("test tube") == ("test", ("tube",))
    assert [holds_images(name) for name in ("images", "img_2", "cats", "2017", "JPEGImages")] == [
        True, True, False, False, True,
    ]  # fmt: skip


def test_one_folder_of_any_name_around_the_splits_is_seen_through(tmp_path):
    classes(classes(tmp_path, "archive/seg_train/seg_train/"), "archive/seg_test/seg_test/")
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert all("/seg_test/" in item.path for item in dataset.test)


def test_domains_with_splits_of_their_own_are_no_classes(tmp_path):
    for domain in ("photos2020", "sketches"):
        classes(classes(tmp_path, f"{domain}/train/"), f"{domain}/test/")
    with pytest.raises(DataError, match=r"splits or domains rather than classes.*data\.path"):
        read_image_folder(tmp_path)


def test_splits_whose_classes_are_written_otherwise_are_told_both_spellings(tmp_path):
    make(tmp_path, *(f"train/{name}/{i}.png" for name in ("Cat", "Dog") for i in range(3)))
    make(tmp_path, *(f"test/{name}/{i}.png" for name in ("cat", "dog") for i in range(3)))
    with pytest.raises(DataError, match=r"'Cat', 'Dog'.* 'cat', 'dog': give them the same names"):
        read_image_folder(tmp_path)


@pytest.mark.parametrize("name", ["labeled", "Labelled", "annotated_images"])
def test_labelled_images_beside_others_are_seen_through(tmp_path, name):
    make(classes(tmp_path, f"{name}/"), "unlabeled/1.png", "unlabeled/2.png")
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert dataset.problems == (f"{tmp_path / 'unlabeled'}: left unused",)


@pytest.mark.parametrize("others", [(), ("test/",)])
def test_images_of_no_class_beside_splits_are_left_unused(tmp_path, others):
    for folder in ("train/", *others):
        classes(tmp_path, folder)
    make(tmp_path, "not-labelled/1.png")
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert dataset.problems == (f"{tmp_path / 'not-labelled'}: left unused",)


def test_a_folder_of_images_of_no_class_among_classes_is_said(tmp_path):
    (problem,) = read_image_folder(classes(tmp_path, names=("cat", "dog", "unsorted"))).problems
    assert "'unsorted' is taken for a class" in problem and 'ignore = ["unsorted"]' in problem
    (tmp_path / "dataset.toml").write_text('[classes]\nunsorted = "clutter"')
    assert read_image_folder(tmp_path).problems == ()


def test_a_folder_of_classes_among_classes_is_said(tmp_path):
    make(classes(tmp_path, "photos/"), "new/1.png", "new/2.png")
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == ("new", "photos")
    assert "'photos' is taken for a class" in dataset.problems[0]
    assert dataset.problems[0].endswith(f"give {tmp_path / 'photos'} as data.path")
