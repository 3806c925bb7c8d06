"""Data sets by name, and generated ones in the cache folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.common.cache_folder import cache_folder
from engine.common.errors import ConfigError, DataError
from engine.config import DataConfig
from engine.config.toml_file import load_config
from engine.data.readers.generated import MANIFEST, ensure_written, is_as_written
from engine.data.registry import load_dataset, registered_datasets


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))


def folder_of_classes(root: Path) -> Path:
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(4):
            (root / name / f"{i}.png").write_bytes(b"x")
    return root


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("GLOV_CACHE_DIR")
    assert cache_folder().name == "glov"


def test_the_configuration_overrides_name_and_description(tmp_path):
    root = folder_of_classes(tmp_path / "pets")
    plain = load_dataset(DataConfig(path=str(root)))
    assert (plain.name, plain.description) == ("pets", "")
    named = load_dataset(DataConfig(path=str(root), name="My pets", description="At home."))
    assert (named.name, named.description) == ("My pets", "At home.")


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match="did you mean 'image-folder'.*demo-"):
        load_dataset(DataConfig(dataset="image_folder", path="x"))
    with pytest.raises(ConfigError, match="not registered; there are image-folder"):
        load_dataset(DataConfig(dataset="zzz"))


def test_every_demo_data_set_is_read_and_made_once():
    names = [name for name in registered_datasets() if name.startswith("demo-")]
    assert len(names) >= 3
    dataset = load_dataset(DataConfig(dataset=names[0]))
    assert dataset.train
    assert dataset.test
    assert dataset.description
    assert len(dataset.class_names) > 5
    made = dataset.root.stat().st_mtime_ns
    assert load_dataset(DataConfig(dataset=names[0])) == dataset
    assert dataset.root.stat().st_mtime_ns == made


def test_a_new_generator_writes_anew(tmp_path):
    source = tmp_path / "generator.py"
    source.write_text("1")
    calls: list[Path] = []
    folders = [ensure_written("d", calls.append, [source]) for _ in range(2)]
    source.write_text("2")
    folders.append(ensure_written("d", calls.append, [source]))
    assert folders[0] == folders[1] != folders[2]
    assert len(calls) == 2


def test_concurrent_writers_leave_one_whole_folder(tmp_path):
    source = tmp_path / "generator.py"
    source.write_text("1")

    def write(root: Path) -> None:
        for i in range(50):
            (root / f"{i}.png").write_bytes(b"x" * 1000)

    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: ensure_written("d", write, [source]), range(16)))
    assert len(set(folders)) == 1
    assert {path.name for path in folders[0].iterdir()} == {
        MANIFEST, *(f"{i}.png" for i in range(50))
    }  # fmt: skip
    assert list(folders[0].parent.iterdir()) == folders[:1]


@pytest.mark.parametrize("what", ["changed", "swapped", "deleted", "added", "no manifest", "all"])
def test_a_data_set_that_was_changed_is_written_anew(tmp_path, what):
    source = tmp_path / "generator.py"
    source.write_text("1")

    def write(root: Path) -> None:
        for name in ("a", "b"):
            (root / name).mkdir()
            (root / name / "1.png").write_bytes(name.encode())

    folder = ensure_written("d", write, [source])
    first, second = folder / "a" / "1.png", folder / "b" / "1.png"
    match what:
        case "changed":
            first.write_bytes(b"c")
        case "swapped":
            first.rename(folder / "x")
            second.rename(first)
            (folder / "x").rename(second)
        case "deleted":
            first.unlink()
        case "added":
            (folder / "a" / "2.png").write_bytes(b"b")
        case "no manifest":
            (folder / MANIFEST).unlink()
        case "all":
            shutil.rmtree(folder)
    assert not is_as_written(folder)
    assert ensure_written("d", write, [source]) == folder
    assert is_as_written(folder)
    assert first.read_bytes() == b"a"
    assert second.read_bytes() == b"b"
    assert not (folder / "a" / "2.png").exists()
    assert list(folder.parent.iterdir()) == [folder]


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    source = tmp_path / "generator.py"
    source.write_text("1")

    def write(root: Path) -> None:
        (root / "half.png").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match="No space left on device; set GLOV_CACHE_DIR"):
        ensure_written("d", write, [source])
    assert list((tmp_path / "cache" / "datasets").iterdir()) == []


def test_importing_the_registry_loads_nothing_heavy():
    code = (
        "import sys, engine.data.registry, engine.vlm.interface, engine.vlm.loading;"
        "print([m for m in ('torch', 'open_clip', 'transformers') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_no_path(path):
    with pytest.raises(ConfigError, match=r"data\.path = .*is empty"):
        load_config("demo", ["data.dataset=image-folder", f"data.path={path}"])
    with pytest.raises(ConfigError, match=r"data\.path is missing"):
        load_dataset(DataConfig())


@pytest.mark.parametrize("key", ["data.path", "data.name", "vlm.model"])
def test_bytes_that_are_no_utf8_in_a_configuration_are_refused_by_key(key):
    with pytest.raises(ConfigError, match=rf"{key} = .*caf\\xe9: there are bytes in it"):
        load_config("demo", [f"{key}=./caf\udce9"])
