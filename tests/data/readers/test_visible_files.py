"""What is passed over in a folder of images, and that it is said."""

from __future__ import annotations

import os
import shutil

import pytest
from PIL import Image

from engine.common.errors import DataError
from engine.data.readers.image_folder import read_image_folder
from tests.support.folders import CLASSES, classes, make


def found(dataset) -> set[str]:
    return {item.path for item in (*dataset.train, *dataset.test)}


def test_what_storage_systems_and_desktops_leave_is_passed_over(tmp_path):
    plain = found(read_image_folder(classes(tmp_path)))
    system = ("@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", "lost+found", "@Recycle")
    hidden = (".ipynb_checkpoints", ".Trash-1000", ".thumbnails")
    for name in (*system, *hidden, "System Volume Information"):
        make(tmp_path, f"{name}/cat/1.png", f"cat/{name}/0.png/SYNO.jpg")
    make(tmp_path, "cat/Thumbs.db", "cat/.DS_Store", "cat/._1.png", "dog/desktop.ini", "Icon\r")
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert found(dataset) == plain
    (problem,) = dataset.problems
    assert "storage systems and desktops: 17 (" in problem


def test_endings_and_files_without_one_are_read_by_content(tmp_path):
    classes(tmp_path, names=("cat", "dog"))
    picture = Image.new("RGB", (8, 8), (9, 9, 9))
    formats = {
        "a.jfif": "JPEG", "b.JPE": "JPEG", "c.avif": "AVIF", "d.WebP": "WEBP", "e.TIFF": "TIFF",
        "noending": "PNG", "img.0001": "GIF", "photo.jpg_large": "JPEG", "x.dat": "BMP",
        "y.part": "PPM", "z": "AVIF", "w": "JPEG2000",
    }  # fmt: skip
    for name, kind in formats.items():
        picture.save(tmp_path / "cat" / name, format=kind)
    dataset = read_image_folder(tmp_path)
    assert {path for path in found(dataset) if path.startswith("cat/")} == {
        *(f"cat/{name}" for name in formats), *(f"cat/{i}.png" for i in range(4))
    }  # fmt: skip
    assert dataset.problems == ()


def test_everything_passed_over_is_counted_and_named(tmp_path):
    classes(tmp_path, names=("cat", "dog"))
    make(tmp_path, *(f"cat/{i}.heic" for i in range(5)), "dog/a.txt", "dog/b", "cat/.h.jpg")
    make(tmp_path, "top.png", "dog/movie.MP4")
    shutil.copy(tmp_path / "dog" / "b", tmp_path / "dog" / "c")
    problems = read_image_folder(tmp_path).problems
    assert problems == (
        f"{tmp_path}: images beside the class folders are of no class, left unused: 1 (top.png)",
        "passed over, no images: .heic: 5 (cat/0.heic, cat/1.heic, cat/2.heic, ...); "
        "no ending: 2 (dog/b, dog/c); .txt: 1 (dog/a.txt); .mp4: 1 (dog/movie.MP4)",
        "passed over, hidden images: 1 (cat/.h.jpg)",
    )


def test_ignore_takes_names_paths_and_patterns(tmp_path):
    classes(tmp_path)
    make(tmp_path, "masks/1.png", "cat/1_seg.png", "dog/deep/masks/2.png", "dog/3.png")
    (tmp_path / "dataset.toml").write_text('ignore = ["masks", "*_seg.png", "dog/3.png"]')
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == CLASSES
    assert len(found(dataset)) == 11
    (problem,) = dataset.problems
    assert "ignored as dataset.toml says: 4 (" in problem
    (tmp_path / "dataset.toml").write_text("ignore = 3")
    with pytest.raises(DataError, match="ignore is 3; it must be a list"):
        read_image_folder(tmp_path)


def test_links_that_lead_in_circles_end(tmp_path):
    classes(tmp_path, names=("cat", "dog"))
    before = found(read_image_folder(tmp_path))
    for name, target in (("here", "."), ("up", ".."), ("cat/again", "../cat"), ("self", "self")):
        (tmp_path / name).symlink_to(target)
    dataset = read_image_folder(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert found(dataset) == before
    assert "back to a folder above: 3 (" in dataset.problems[-1]


def test_pipes_are_never_opened(tmp_path):
    classes(tmp_path, names=("cat", "dog"))
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    os.mkfifo(tmp_path / "cat" / "pipe")
    (tmp_path / "dog" / "link.png").symlink_to(tmp_path / "cat" / "pipe")
    dataset = read_image_folder(tmp_path)
    assert len(found(dataset)) == 8
    assert dataset.problems[0].startswith("passed over, pipes, sockets or devices: 3 (")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("kitty", "cat"),  # a class under two names
        ("dog/more", "../cat"),  # a class inside another
        ("cat/deep/again", "../../dog"),
    ],
)
def test_a_folder_that_two_classes_share_is_refused(tmp_path, link, target):
    classes(tmp_path, names=("cat", "dog"))
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(target)
    with pytest.raises(DataError, match="are one folder, by a link") as error:
        read_image_folder(tmp_path)
    assert f'ignore = ["{link}"]' in str(error.value)
    (tmp_path / "dataset.toml").write_text(f'ignore = ["{link}"]')
    assert len(found(read_image_folder(tmp_path))) == 8


def test_a_test_split_that_is_a_link_to_the_training_split_is_refused(tmp_path):
    classes(tmp_path, "train/")
    (tmp_path / "test").symlink_to("train")
    with pytest.raises(DataError, match=r'two classes or splits.*ignore = \["test"\]'):
        read_image_folder(tmp_path)
    (tmp_path / "dataset.toml").write_text('ignore = ["test"]')
    assert len(read_image_folder(tmp_path).test) == 6


def test_a_folder_that_a_class_has_twice_is_read_once(tmp_path):
    classes(tmp_path, names=("cat", "dog"), within="a/")
    (tmp_path / "cat" / "b").symlink_to("a")
    dataset = read_image_folder(tmp_path)
    assert len(found(dataset)) == 8
    assert dataset.problems == ("passed over, links to folders that are read anyway: 1 (cat/b)",)


def test_links_that_lead_to_a_folder_in_many_ways_are_walked_once(tmp_path):
    classes(tmp_path, names=("cat", "dog"))
    for depth in range(30):  # 2 ** 30 ways to the last one
        folder = tmp_path / "parts" / str(depth)
        folder.mkdir(parents=True)
        for name in ("a", "b"):
            (folder / name).symlink_to(f"../{depth + 1}")
    (tmp_path / "parts" / "30").mkdir()
    (tmp_path / "cat" / "more").symlink_to("../parts/0")
    (tmp_path / "dataset.toml").write_text('ignore = ["parts"]')
    dataset = read_image_folder(tmp_path)
    assert len(found(dataset)) == 8
    assert "links to folders that are read anyway: 30 (" in dataset.problems[-1]


def test_folders_nested_without_end_are_refused(tmp_path):
    classes(tmp_path, names=("cat", "dog"))
    folder = tmp_path / "cat"
    for _ in range(60):
        folder /= "x"
    folder.mkdir(parents=True)
    with pytest.raises(DataError, match=r"cat/x/x: folders in it are nested more than 50 deep"):
        read_image_folder(tmp_path)
    (tmp_path / "dataset.toml").write_text('ignore = ["cat/x"]')
    assert len(found(read_image_folder(tmp_path))) == 8
