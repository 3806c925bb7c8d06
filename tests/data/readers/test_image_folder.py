"""The image-folder reader: layouts, splits, dataset.toml, and what it refuses."""

from __future__ import annotations

import builtins
import os
from pathlib import Path

import pytest

from engine.common.errors import DataError
from engine.data.readers.image_folder import read_image_folder
from engine.data.sampling import sample_few_shot
from tests.support.privileges import sealed


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"never opened by the reader")
    return root


def classes(root: Path, folder: str = "", count: int = 4, names=("cat", "dog")) -> Path:
    return make(root, *(f"{folder}{name}/{i}.png" for name in names for i in range(count)))


def paths(items) -> list[str]:
    return [item.path for item in items]


def test_split_per_class_without_split_folders(tmp_path):
    dataset = read_image_folder(classes(tmp_path, count=10), test_fraction=0.3)
    assert dataset.class_names == ("cat", "dog")
    for label in (0, 1):
        assert sum(item.label == label for item in dataset.train) == 7
        assert sum(item.label == label for item in dataset.test) == 3
    assert not set(dataset.train) & set(dataset.test)
    assert len({*dataset.train, *dataset.test}) == 20


def test_train_and_test_folders(tmp_path):
    classes(classes(tmp_path, "train/"), "test/", count=2)
    dataset = read_image_folder(tmp_path)
    assert all(path.startswith("train/") for path in paths(dataset.train))
    assert paths(dataset.test) == [
        "test/cat/0.png",
        "test/cat/1.png",
        "test/dog/0.png",
        "test/dog/1.png",
    ]
    assert dataset.problems == ()


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Test"])
def test_other_names_of_the_test_split(tmp_path, name):
    dataset = read_image_folder(classes(classes(tmp_path, "train/"), f"{name}/"))
    assert len(dataset.train) == len(dataset.test) == 8
    assert dataset.test[0].path == f"{name}/cat/0.png"


def test_validation_beside_test_is_left_unused_and_said_so(tmp_path):
    for folder in ("train/", "test/", "val/", "masks/"):
        classes(tmp_path, folder)
    dataset = read_image_folder(tmp_path)
    assert all(path.startswith("test/") for path in paths(dataset.test))
    assert len(dataset.problems) == 2
    assert "val" in dataset.problems[0]
    assert "masks" in dataset.problems[1]


def test_train_folder_alone_is_split(tmp_path):
    dataset = read_image_folder(classes(tmp_path, "train/"))
    assert dataset.class_names == ("cat", "dog")
    assert len(dataset.train) == len(dataset.test) == 4


def test_train_can_be_a_class(tmp_path):
    dataset = read_image_folder(classes(tmp_path, names=("bus", "train", "tram")))
    assert dataset.class_names == ("bus", "train", "tram")


def test_order_is_natural_and_names_are_readable(tmp_path):
    classes(tmp_path, names=("type 10", "type 2", "Type_1", "golden_retriever"), count=12)
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == ("golden retriever", "type 2", "type 10", "Type 1")
    per_class = dataset.by_class([*dataset.train, *dataset.test])
    assert [len(items) for items in per_class] == [12] * 4
    numbers = [int(Path(item.path).stem) for item in dataset.by_class(dataset.train)[0]]
    assert numbers == sorted(numbers)


def test_nested_hidden_foreign_and_upper_case_files(tmp_path):
    make(
        tmp_path,
        "cat/a/b/1.JPG",
        "cat/2.jpeg",
        "cat/.hidden.png",
        "cat/.thumbs/3.png",
        "cat/notes.txt",
        "dog/1.WebP",
        "dog/2.tif",
        ".cache/x/1.png",
        "__MACOSX/cat/1.png",
        "README.md",
    )
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert sorted(paths([*dataset.train, *dataset.test])) == [
        "cat/2.jpeg",
        "cat/a/b/1.JPG",
        "dog/1.WebP",
        "dog/2.tif",
    ]


def test_symbolic_links_are_followed_and_circles_end(tmp_path):
    store = make(tmp_path / "store", "1.png", "2.png")
    root = classes(tmp_path / "data")
    (root / "linked").symlink_to(store, target_is_directory=True)
    (root / "cat" / "link.png").symlink_to(store / "1.png")
    (root / "cat" / "circle").symlink_to(root / "cat", target_is_directory=True)
    dataset = read_image_folder(root)
    assert dataset.class_names == ("cat", "dog", "linked")
    assert [len(items) for items in dataset.by_class([*dataset.train, *dataset.test])] == [5, 4, 2]


def test_settings_file(tmp_path):
    classes(tmp_path, names=("n01", "n02", "other_thing"))
    (tmp_path / "dataset.toml").write_text(
        'name = "Pets"\ndescription = "Photos of pets."\n'
        '[classes]\nn01 = "great_tit"\nn02 = "caf\u00e9 {x} <category>"\n',
        encoding="utf-8",
    )
    dataset = read_image_folder(tmp_path)
    assert (dataset.name, dataset.description) == ("Pets", "Photos of pets.")
    assert dataset.class_names == ("great_tit", "caf\u00e9 {x} <category>", "other thing")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_settings_file_of_windows_editors(tmp_path, encoding):
    text = 'name = "Caf\u00e9"\r\n[classes]\r\ncat = "feline"\r\n'
    (classes(tmp_path) / "dataset.toml").write_bytes(text.encode(encoding))
    dataset = read_image_folder(tmp_path)
    assert (dataset.name, dataset.class_names) == ("Caf\u00e9", ("feline", "dog"))


def test_default_name_is_the_folder(tmp_path):
    dataset = read_image_folder(classes(tmp_path / "garden_birds"))
    assert (dataset.name, dataset.description) == ("garden birds", "")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 1", "'colour'"),
        ("name = 3", "name is 3"),
        ('description = ""', "description is ''"),
        ("classes = 1", "classes must be a table"),
        ("[classes]\ncat = 1", "classes.cat is 1"),
        ("[classes]\nkat = 'x'", "did you mean 'cat'"),
        ("[classes]\ncat = 'dog'", "'cat', 'dog' have the class name 'dog'"),
        ("name = ", "can't be read"),
    ],
)
def test_wrong_settings_name_file_and_key(tmp_path, text, named):
    (classes(tmp_path) / "dataset.toml").write_text(text)
    with pytest.raises(DataError) as error:
        read_image_folder(tmp_path)
    assert named in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_missing_path_and_file_in_its_place(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        read_image_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="not a folder"):
        read_image_folder(tmp_path / "file")


def test_no_classes_and_one_class(tmp_path):
    with pytest.raises(DataError, match="no class folders"):
        read_image_folder(tmp_path)
    make(tmp_path, "1.png")
    with pytest.raises(DataError, match="images but no class folders"):
        read_image_folder(tmp_path)
    make(tmp_path, "cat/1.png")
    with pytest.raises(DataError, match=r"one class only \('cat'\)"):
        read_image_folder(tmp_path)


def test_empty_class_is_named(tmp_path):
    make(classes(tmp_path), "axolotl/photo.heic")
    with pytest.raises(DataError, match=r"'axolotl' is empty.*1 x \.heic"):
        read_image_folder(tmp_path)


def test_empty_class_in_the_test_split_is_named(tmp_path):
    classes(classes(tmp_path, "train/"), "test/", names=("cat",))
    (tmp_path / "test" / "dog").mkdir()
    with pytest.raises(DataError, match=r"test/dog: the class 'dog' is empty"):
        read_image_folder(tmp_path)


def test_splits_with_different_classes(tmp_path):
    classes(classes(tmp_path, "train/"), "test/", names=("cat", "cow"))
    with pytest.raises(DataError, match="'dog' only in train; 'cow' only in test"):
        read_image_folder(tmp_path)


def test_one_image_goes_to_train_and_is_reported(tmp_path):
    make(classes(tmp_path), "axolotl/1.png")
    dataset = read_image_folder(tmp_path)
    assert [item.label for item in dataset.train].count(0) == 1
    assert "'axolotl'" in dataset.problems[0]
    with pytest.raises(DataError, match="none is left for testing"):
        read_image_folder(make(tmp_path / "b", "x/1.png", "y/1.png"))


def test_unreadable_folder_is_named(tmp_path):
    classes(tmp_path)
    with sealed(tmp_path / "cat", 0), pytest.raises(DataError, match="cat: can't be read"):
        read_image_folder(tmp_path)


def test_broken_links_are_images_that_turn_out_unreadable_later(tmp_path):
    (classes(tmp_path) / "cat" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    dataset = read_image_folder(tmp_path)
    assert "cat/lost.png" in paths([*dataset.train, *dataset.test])
    assert dataset.fingerprint()


def test_file_names_that_are_not_unicode(tmp_path):
    classes(tmp_path)
    name = os.fsencode(tmp_path / "cat") + b"/\xff\xfe.png"
    try:
        Path(os.fsdecode(name)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system allows Unicode names only")
    dataset = read_image_folder(tmp_path)
    assert len(dataset.train) + len(dataset.test) == 9
    assert dataset.fingerprint()


def test_fingerprint_follows_content_not_place(tmp_path):
    first = read_image_folder(classes(tmp_path / "a"))
    second = read_image_folder(classes(tmp_path / "b"))
    assert first.fingerprint() == second.fingerprint()
    (tmp_path / "b" / "cat" / "0.png").write_bytes(b"another size")
    changed = read_image_folder(tmp_path / "b").fingerprint()
    assert changed != first.fingerprint()
    assert read_image_folder(tmp_path / "a", test_fraction=0.25).fingerprint() != changed


@pytest.mark.parametrize(
    ("split", "fingerprint", "drawn"),
    [(False, "857fba4c5d1ec192", "0 6 4 1 6 5"), (True, "52af79975decb85c", "0 2 3 0 3 3")],
)
def test_runs_of_before_keep_their_names_fingerprint_and_sample(
    tmp_path, split, fingerprint, drawn
):
    """What the reader of the first release gave, on which journals rest."""
    names = ("AnnualCrop", "Type_1", "001.Black_footed", "caf\u00e9", "type 10", "golden_retriever")
    for part, count in (("train", 4), ("test", 3)) if split else (("", 7),):
        for name in names:
            for i in range(count):
                make(tmp_path, f"{part}/{name}/{i}.png".lstrip("/"))
                (tmp_path / part / name / f"{i}.png").write_bytes(b"x" * (i + 1))
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == (
        "001.Black footed", "AnnualCrop", "caf\u00e9", "golden retriever", "type 10", "Type 1",
    )  # fmt: skip
    assert dataset.fingerprint() == fingerprint
    sample = sample_few_shot(dataset, shots=1, seed=3, usable=lambda items: [True] * len(items))
    assert [Path(item.path).stem for item in sample.items] == drawn.split()


def test_no_file_is_opened_whose_ending_says_what_it_is(tmp_path, monkeypatch):
    make(classes(tmp_path, count=50), *(f"cat/{i}.txt" for i in range(50)), "dog/x", "dog/y.heic")
    opened: list[str] = []
    real = builtins.open

    def watched(path, *rest, **more):
        opened.append(Path(str(path)).name)
        return real(path, *rest, **more)

    monkeypatch.setattr(builtins, "open", watched)
    assert len(read_image_folder(tmp_path).train) == 50
    assert opened == ["x", "y.heic"]


@pytest.mark.parametrize("line", ['ignore = ["masks"]', 'name = "Birds"'])
def test_a_key_of_dataset_toml_under_the_wrong_table_is_told_its_place(tmp_path, line):
    classes(tmp_path)
    (tmp_path / "dataset.toml").write_text(f'[classes]\ncat = "tabby"\n{line}\n')
    with pytest.raises(DataError, match=f"{line.split()[0]} .*belongs at the top"):
        read_image_folder(tmp_path)
