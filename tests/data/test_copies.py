"""The same picture in train and test is found by content, reading only what may be the same."""

from __future__ import annotations

import io

from engine.data.copies import TestCopies
from engine.data.dataset import Dataset, LabelledImage


def dataset(root, train: dict[str, bytes], test: dict[str, bytes]) -> Dataset:
    items = []
    for files in (train, test):
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        items.append(tuple(LabelledImage(path, int(path[0] == "d")) for path in files))
    return Dataset("", "", ("cat", "dog"), root, *items)


def test_copies_are_found_under_any_name_and_class(tmp_path):
    data = dataset(
        tmp_path,
        {"cat/1": b"one", "cat/2": b"two", "cat/empty": b"", "dog/1": b"three"},
        {"cat/x": b"one", "cat/y": b"owt", "cat/nothing": b"", "cat/z": b"three"},
    )
    copies = TestCopies(data)
    found = [copies.of(item) for item in data.train]
    assert [item and item.path for item in found] == ["cat/x", None, None, "cat/z"]
    assert copies.remark() == (
        "2 training images are in the test split too (1 under another class), and left out of "
        "training: cat/1 is cat/x, dog/1 is cat/z"
    )


def test_links_and_files_that_are_gone(tmp_path):
    data = dataset(tmp_path, {"cat/1": b"one", "cat/2": b"two"}, {"cat/3": b"three"})
    (tmp_path / "cat/1").unlink()
    (tmp_path / "cat/2").unlink()
    (tmp_path / "cat/2").symlink_to(tmp_path / "cat/3")
    copies = TestCopies(data)
    assert copies.of(data.train[0]) is None
    assert copies.of(data.train[1]) == data.test[0]


def test_only_files_of_equal_size_are_read_and_each_once(tmp_path, monkeypatch):
    data = dataset(
        tmp_path,
        {"cat/1": b"1", "cat/2": b"12", "cat/3": b"13"},
        {"cat/a": b"123", "cat/b": b"14", "cat/c": b"1234"},
    )
    read: list[str] = []
    real = io.open

    def watched(path, *rest, **more):
        read.append(str(path).removeprefix(f"{tmp_path}/"))
        return real(path, *rest, **more)

    monkeypatch.setattr(io, "open", watched)
    copies = TestCopies(data)
    for _ in range(2):
        assert [copies.of(item) for item in data.train] == [None] * 3
    assert sorted(read) == ["cat/2", "cat/3", "cat/b"]
    assert copies.remark() is None


def test_of_a_large_data_set_only_what_was_asked_for_is_compared(tmp_path):
    train = {f"cat/{i}": f"{i:04d}".encode() for i in range(2001)}
    data = dataset(tmp_path, train, {"dog/a": b"0000", "dog/b": b"0001"})
    copies = TestCopies(data)
    assert copies.of(data.train[5]) is None
    assert copies.remark() is None
    assert copies.of(data.train[1]) == data.test[1]
    assert "1 training image is in" in copies.remark()
