"""What vision towers made of images, kept on disk."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

import pytest
import torch

from engine.common import files
from engine.vlm.encoder_decoder import seen_on_disk
from engine.vlm.encoder_decoder.seen_on_disk import SeenOnDisk
from engine.vlm.encoder_decoder.vision_features import SeenImage, VisionTower
from tests.support.tiny_vlms import FAMILIES, make

DIGESTS = {f"{number}.png": number for number in range(5)}


def folder_of(
    folder: Path, key: str = "model", most: int = 2**20, said: list[str] | None = None
) -> SeenOnDisk:
    return SeenOnDisk(folder / "seen", key, DIGESTS, most, (said or []).append)


def seen(number: int, dtype: torch.dtype = torch.bfloat16) -> SeenImage:
    ids = {"input_ids": torch.arange(3)[None]}
    return SeenImage(ids, torch.full((1, 3, 256), float(number), dtype=dtype), listed=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_kept_of_an_image_comes_back_bit_for_bit(family: str, tmp_path: Path) -> None:
    model, ids, inputs = make(family)
    (one,) = VisionTower(model).see([{"input_ids": torch.tensor([ids]), **inputs}]) or []
    folder_of(tmp_path).put("0.png", one)
    again = folder_of(tmp_path).get("0.png")
    assert again is not None and again.listed == one.listed
    assert torch.equal(again.features, one.features) and again.inputs.keys() == one.inputs.keys()
    assert all(torch.equal(value, one.inputs[name]) for name, value in again.inputs.items())


def test_another_model_or_image_has_an_entry_of_its_own(tmp_path: Path) -> None:
    disk = folder_of(tmp_path)
    disk.put("1.png", seen(1))
    assert "1.png" in disk and "2.png" not in disk and disk.get("unknown.png") is None
    assert folder_of(tmp_path, "another model").get("1.png") is None


@pytest.mark.parametrize("place", [-1, 20, 0])
def test_a_damaged_entry_is_said_and_made_anew(tmp_path: Path, place: int) -> None:
    folder_of(tmp_path).put("1.png", seen(1))
    (file,) = (tmp_path / "seen").iterdir()
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(bytes(content))
    said: list[str] = [""]
    disk = folder_of(tmp_path, said=said)
    assert disk.get("1.png") is None and "is not what was kept" in said[1]
    disk.put("1.png", seen(1))
    assert disk.get("1.png") is not None


def test_the_folder_is_bounded_and_what_is_in_use_stays(tmp_path: Path) -> None:
    folder_of(tmp_path, "old").put("0.png", seen(0))
    (file,) = (tmp_path / "seen").iterdir()
    most = 2 * file.stat().st_size
    disk = folder_of(tmp_path, most=most)
    for path in ("1.png", "2.png", "3.png"):
        disk.put(path, seen(1))
    assert "1.png" in disk and "2.png" in disk and "3.png" not in disk
    assert "0.png" not in folder_of(tmp_path, "old")
    assert sum(entry.stat().st_size for entry in (tmp_path / "seen").iterdir()) <= most


def denied(*_args: object, **_named: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_folder_that_may_only_be_read_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken for damaged once: its times can't be set."""
    folder_of(tmp_path).put("1.png", seen(1))
    monkeypatch.setattr(files.os, "utime", denied)
    monkeypatch.setattr(seen_on_disk, "write_atomic", denied)
    said: list[str] = [""]
    disk = folder_of(tmp_path, said=said)
    assert disk.get("1.png") is not None and said == [""]
    for path in ("2.png", "3.png"):
        disk.put(path, seen(1))
    assert len(said) == 2 and "can't be kept there: Permission denied" in said[1]  # once


def test_on_a_full_disk_no_part_of_an_entry_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    said: list[str] = [""]
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)  # it was written aside before
        folder_of(tmp_path, said=said).put("1.png", seen(1))
    assert "No space left on device" in said[1] and not any((tmp_path / "seen").iterdir())
    assert folder_of(tmp_path).get("1.png") is None


def test_a_folder_that_can_not_be_looked_into_is_said_and_has_nothing(tmp_path: Path) -> None:
    said: list[str] = [""]
    disk = folder_of(tmp_path / ("x" * 300), said=said)  # no system has names so long
    assert "1.png" not in disk and disk.get("1.png") is None
    disk.put("1.png", seen(1))
    assert len(said) == 2 and "can't be kept there" in said[1]


def _put(folder: Path, key: str, number: int) -> None:
    disk = folder_of(folder, key)
    for _ in range(20):
        for path in DIGESTS:
            disk.put(path, seen(number))
            found = disk.get(path)
            assert found is not None and bool((found.features == number).all())
            disk._file(path).unlink(missing_ok=True)  # as another makes room
    for path in DIGESTS:
        disk.put(path, seen(number))


def test_processes_with_two_models_share_a_folder(tmp_path: Path) -> None:
    """Each finds what is its own, whole; of one model the other one's is as good."""
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_put, args=(tmp_path, key, number))
        for key, number in (("a", 1), ("b", 2))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    for key, number in (("a", 1), ("b", 2)):
        found = [folder_of(tmp_path, key).get(path) for path in DIGESTS]
        assert all(one is not None and bool((one.features == number).all()) for one in found)
    assert len(list((tmp_path / "seen").iterdir())) == 2 * len(DIGESTS)  # nothing half written
