"""Long lists in little memory, and the index that spares looking for their images anew."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import DataError
from engine.data.dataset import Dataset, LabelledImage
from engine.data.packed import PackedImages
from engine.data.readers import folder_index
from engine.data.readers.folder_index import index_class_folders
from engine.data.readers.image_index import indexes_folder
from engine.data.sampling import sample_few_shot, shuffled
from tests.support.miniatures import put

NAMES = st.lists(st.lists(st.text(min_size=1, max_size=5), max_size=4), min_size=1, max_size=5)


@given(NAMES)
def test_packed_images_are_what_was_packed(named):
    named = [[n.encode("utf-8", "replace").decode() for n in names] for names in named]
    folders = [f"s/{label}" for label in range(len(named))]
    packed = PackedImages.of(folders, named)
    plain = [LabelledImage(f"s/{i}/{n}", i) for i, names in enumerate(named) for n in names]
    assert list(packed) == plain and len(packed) == len(plain)
    assert [packed[i] for i in range(len(plain))] == plain
    assert packed.counts(len(named)) == [len(names) for names in named]
    groups = packed.groups(len(named))
    assert [list(group) for group in groups] == [
        [i for i in plain if i.label == n] for n in range(len(named))
    ]
    for group in groups:
        assert [group[i] for i in range(len(group))] == list(group)
    if plain:
        assert packed[-1] == plain[-1] and list(packed[1:]) == plain[1:]
        with pytest.raises(IndexError):
            packed[len(plain)]


def test_names_that_are_no_utf8():
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert list(PackedImages.of(["a"], [[name]])) == [LabelledImage(f"a/{name}", 0)]


def test_a_draw_from_a_long_list_is_that_of_a_plain_one(tmp_path):
    named = [[f"{i}.jpg" for i in range(50)], [f"{i}.jpg" for i in range(3)]]
    packed = PackedImages.of(["a", "b"], named)
    plain = list(packed)
    bad = {item.path for item in shuffled(packed.groups(2)[0], 5, "shots")[:30]}

    def usable(items):
        return [item.path not in bad for item in items]

    drawn = [
        sample_few_shot(
            Dataset("", "", ("a", "b"), tmp_path, train, ()), shots=4, seed=5, usable=usable
        )
        for train in (packed, plain)
    ]
    assert drawn[0] == drawn[1]
    assert len(drawn[0].items) == 4 + 3 and not {i.path for i in drawn[0].items} & bad


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("a", "b"):
        for number in range(3):
            put(tmp_path / "set" / name / f"{number}.jpg", b"x")
    settle(tmp_path / "set")
    return tmp_path / "set"


def settle(root: Path) -> None:
    """As if the folders had last been changed a minute ago, each time another one."""
    global _AGE
    _AGE -= 1
    for folder in (root, *(path for path in root.iterdir() if path.is_dir())):
        os.utime(folder, (time.time() + _AGE, time.time() + _AGE))


_AGE = -60.0


@pytest.fixture
def listed(monkeypatch) -> list[str]:
    """The folders that were listed."""
    found: list[str] = []
    real = folder_index._images

    def watched(folder):
        found.append(folder.name)
        return real(folder)

    monkeypatch.setattr(folder_index, "_images", watched)
    return found


def paths(root: Path) -> list[str]:
    return [item.path for item in index_class_folders(root, ["a", "b"], "train")]


def test_an_index_spares_the_listing(root, listed):
    first = paths(root)
    assert first == [f"train/{n}/{i}.jpg" for n in "ab" for i in range(3)]
    assert listed == ["a", "b"]
    assert paths(root) == first and listed == ["a", "b"]
    assert len(list(indexes_folder().iterdir())) == 1
    other = index_class_folders(root, ["b", "a"], "train")  # other labels, another index
    assert next(iter(other)) == LabelledImage("train/b/0.jpg", 0)


@pytest.mark.parametrize("change", ["added", "gone", "renamed"])
def test_it_holds_until_the_folder_changes(root, listed, change):
    before = paths(root)
    if change == "added":
        put(root / "a" / "9.jpg", b"x")
    elif change == "gone":
        (root / "a/0.jpg").unlink()
    else:
        (root / "a/0.jpg").rename(root / "a/8.jpg")
    after = paths(root)
    assert after != before and listed == ["a", "b"] * 2
    paths(root)
    assert listed == ["a", "b"] * 3  # changed just now: not kept
    settle(root)
    assert paths(root) == paths(root) == after and len(listed) == 8


def test_what_is_overwritten_in_place_keeps_it(root, listed):
    paths(root)
    (root / "a/0.jpg").write_bytes(b"another")
    paths(root)
    assert listed == ["a", "b"]  # its size, time and content are looked at where it is read


def test_a_damaged_index_is_made_anew(root, listed):
    first = paths(root)
    (file,) = indexes_folder().iterdir()
    whole = file.read_bytes()
    for damage in (b"", whole[:50], whole[:-3] + b"zzz", whole.replace(b"0.jpg", b"1.jpg")):
        file.write_bytes(damage)
        listed.clear()
        assert paths(root) == first and listed == ["a", "b"]
        assert paths(root) == first and listed == ["a", "b"]  # it is whole again


def test_where_no_index_can_be_kept_it_goes_without(root, listed, monkeypatch, tmp_path):
    put(tmp_path / "cache", b"a file")
    assert paths(root) == paths(root) and len(listed) == 4
    (root / "b").rename(root / "c")
    with pytest.raises(DataError, match="b: a class folder that should be there is not"):
        paths(root)
