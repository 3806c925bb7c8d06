"""Image features on disk: whole or absent, never stale."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from engine.data.sources import FolderSource
from engine.vlm.feature_cache import FeatureCache, FeatureSet, cache_key


def features(count: int = 4, seed: int = 0) -> FeatureSet:
    values = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    kept = np.arange(count + 1)
    return FeatureSet(values, np.delete(kept, 1), {1: "broken \x1b[31m caf\u00e9"})


def same(a: FeatureSet | None, b: FeatureSet) -> bool:
    return (
        a is not None
        and np.array_equal(a.features, b.features)
        and np.array_equal(a.kept, b.kept)
        and a.unreadable == b.unreadable
    )


def test_round_trip(tmp_path):
    cache = FeatureCache(tmp_path / "not" / "yet")
    assert cache.load("k", 5) is None
    cache.store("k", features())
    assert same(cache.load("k", 5), features())
    assert [path.name for path in cache.folder.iterdir()] == ["k.safetensors"]


def test_no_readable_image_at_all(tmp_path):
    nothing = FeatureSet(
        np.zeros((0, 0), np.float32), np.zeros(0, np.int64), {0: "gone", 1: "gone"}
    )
    FeatureCache(tmp_path).store("k", nothing)
    assert same(FeatureCache(tmp_path).load("k", 2), nothing)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_counts_as_absent(tmp_path, data):
    cache = FeatureCache(tmp_path)
    cache.store("k", features())
    path = tmp_path / "k.safetensors"
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        assert cache.load("k", 5) is None
    else:  # flipped bits: never a crash, never a set that doesn't fit the files
        damaged = bytearray(whole)
        damaged[data.draw(st.integers(0, 300))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(damaged)
        found = cache.load("k", 5)
        assert found is None or len(found.kept) + len(found.unreadable) == 5


def test_a_set_for_another_number_of_files_counts_as_absent(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.store("k", features())
    assert cache.load("k", 6) is None


def test_not_finite_features_count_as_absent(tmp_path):
    cache = FeatureCache(tmp_path)
    bad = features()
    bad.features[0, 0] = np.nan
    cache.store("k", bad)
    assert cache.load("k", 5) is None


def test_a_folder_in_the_file_s_place_counts_as_absent(tmp_path):
    (tmp_path / "k.safetensors").mkdir()
    assert FeatureCache(tmp_path).load("k", 5) is None


def test_key_changes_with_all_that_the_features_depend_on(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"12")
    base = cache_key("model", FolderSource(tmp_path), ["a", "b"])
    assert base == cache_key("model", FolderSource(tmp_path), ["a", "b"])
    assert base != cache_key("other model", FolderSource(tmp_path), ["a", "b"])
    assert base != cache_key("model", FolderSource(tmp_path), ["b", "a"])
    assert base != cache_key("model", FolderSource(tmp_path), ["a"])
    assert base != cache_key("model", FolderSource(tmp_path.parent), ["a", "b"])
    status = (tmp_path / "b").stat()
    os.utime(tmp_path / "b", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    touched = cache_key("model", FolderSource(tmp_path), ["a", "b"])
    assert touched != base
    (tmp_path / "b").write_bytes(b"123")
    os.utime(tmp_path / "b", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert cache_key("model", FolderSource(tmp_path), ["a", "b"]) != touched
    (tmp_path / "b").unlink()
    assert cache_key("model", FolderSource(tmp_path), ["a", "b"])


@pytest.mark.parametrize("what", ["rows reversed", "one number", "kept", "reasons", "other key"])
def test_an_entry_with_another_content_is_computed_anew_and_said_so(tmp_path, what):
    said: list[str] = []
    cache = FeatureCache(tmp_path, said.append)
    cache.store("k", features())
    path = tmp_path / "k.safetensors"
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    match what:
        case "rows reversed":
            tensors["features"] = tensors["features"][::-1].copy()
        case "one number":
            tensors["features"][2, 3] *= 1.001
        case "kept":
            tensors["kept"] = tensors["kept"][::-1].copy()
        case "reasons":
            metadata["unreadable"] = metadata["unreadable"].replace("broken", "gone")
        case "other key":
            cache.store("other", features(seed=1))
            tensors, path = {}, (tmp_path / "other.safetensors").rename(path)
    if tensors:
        save_file(tensors, path, metadata=metadata)
    assert cache.load("k", 5) is None
    assert said == [f"{path}: its content is not what was kept there; computed anew"]
    assert cache.damaged() == [path]
    cache.store("k", features())
    assert same(cache.load("k", 5), features())
    assert cache.damaged() == []
    assert len(said) == 1


def test_entries_of_before_the_hash_count_as_absent_without_a_word(tmp_path):
    said: list[str] = []
    old = features()
    save_file(
        {"features": old.features, "kept": old.kept},
        tmp_path / "k.safetensors",
        metadata={"unreadable": json.dumps(old.unreadable)},
    )
    cache = FeatureCache(tmp_path, said.append)
    assert cache.load("k", 5) is None
    assert cache.damaged() == []
    assert said == []


def _store_and_load(folder: Path, seed: int) -> bool:
    cache = FeatureCache(folder)
    for _ in range(50):
        cache.store("k", features(500, seed))
        found = cache.load("k", 501)
        if not any(same(found, features(500, other)) for other in range(3)):
            return False
    return True


def test_several_processes_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        assert all(pool.starmap(_store_and_load, [(tmp_path, seed) for seed in range(3)]))
    assert [path.name for path in tmp_path.iterdir()] == ["k.safetensors"]


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        FeatureCache(tmp_path / "file" / "cache").store("k", features())
