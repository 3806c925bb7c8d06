"""What others may do with files of glov's, and what is said of files of others."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.common.errors import DataError, JournalError, UserError
from engine.common.files import make_folder, make_private_folder
from engine.common.ownership import user_name, why_denied
from engine.data.readers.generated import ensure_written
from engine.storage.journal import Journal, read_journal
from engine.storage.run_folder import find_run
from engine.vlm.feature_cache import FeatureCache, FeatureSet
from tests.support.small_runs import demo


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def features() -> FeatureSet:
    return FeatureSet(np.zeros((1, 2), np.float32), np.zeros(1, np.int64), {})


def write(folder: Path) -> None:
    (folder / "train").mkdir()
    (folder / "train" / "image.png").write_text("image")


def modes(folder: Path) -> dict[str, int]:
    paths = (folder, *folder.rglob("*"))
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in paths}


def test_nothing_is_left_that_others_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_umask: None
) -> None:
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "new" / "cache"))
    FeatureCache(tmp_path / "new" / "cache" / "features").store("key", features())
    ensure_written("name", write, [])
    Journal.begin(demo(), tmp_path / "new" / "runs" / "run").close()
    found = modes(tmp_path / "new")
    assert len(found) >= 11 and not [name for name, mode in found.items() if mode & 0o022]
    assert found["runs/run"] == 0o700 and found["runs/run/events.jsonl"] == 0o600


def test_a_cache_that_others_can_write_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features").chmod(0o777)
    FeatureCache(tmp_path / "features").store("key", features())
    assert (tmp_path / "features").stat().st_mode & 0o777 == 0o755


def test_a_stricter_umask_holds(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert set(modes(tmp_path / "a").values()) == {0o700}


# -- what is said -----------------------------------------------------------------------------

DENIED = PermissionError(errno.EACCES, "Permission denied")


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that root has left, for whoever is not root."""
    folder = tmp_path / "roots"
    folder.mkdir()
    monkeypatch.setattr("engine.common.ownership.ROOT", os.getuid())
    monkeypatch.setattr("os.geteuid", lambda: 1 << 20)
    return folder


def deny(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    for name in names:
        monkeypatch.setattr(name, denied)


def test_what_root_left_is_said_with_what_to_do(
    roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (roots / "in").mkdir()
    seen = Path.lstat

    def lstat(path: Path) -> os.stat_result:  # what is above is the user's
        found = list(seen(path))
        if path not in (roots, *roots.rglob("*")):
            found[stat.ST_UID] = 1 << 20
        return os.stat_result(found)

    monkeypatch.setattr("pathlib.Path.lstat", lstat)
    said = why_denied(DENIED, roots / "in" / "file")
    assert said.startswith(f"Permission denied, {roots} belongs to {user_name(os.getuid())}")
    assert f"`sudo chown -R {1 << 20} {roots}` gives it to you" in said


def test_what_is_the_system_s_is_not_asked_for(
    roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        found = list(seen(path))
        found[stat.ST_UID] = os.getuid()
        return os.stat_result(found)

    monkeypatch.setattr("pathlib.Path.lstat", lstat)
    said = why_denied(DENIED, roots)
    assert "/ belongs to" in said and "chown" not in said


def test_another_s_file_is_said_to_be_that(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.common.ownership.ROOT", -1)
    said = why_denied(DENIED, roots)
    assert f"belongs to {user_name(os.getuid())}" in said and "chown" not in said


def test_other_errors_are_said_as_they_are(tmp_path: Path) -> None:
    assert why_denied(OSError(errno.ENOSPC, "No space left"), tmp_path) == "No space left"


def test_wherever_it_is_met(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    belongs = f"belongs to {user_name(os.getuid())}"
    monkeypatch.setenv("GLOV_CACHE_DIR", str(roots))
    with monkeypatch.context() as patch:
        deny(patch, "pathlib.Path.mkdir", "os.open", "pathlib.Path.read_bytes")
        deny(patch, "pathlib.Path.is_file")
        with pytest.raises(UserError, match=f"can't be written there: .*{belongs}"):
            make_private_folder(roots / "run")
        with pytest.raises(JournalError, match=f"can't be written: .*{belongs}.*See to that"):
            Journal(roots)
        with pytest.raises(JournalError, match=f"can't be read: .*{belongs}"):
            read_journal(roots)
        with pytest.raises(JournalError, match=f"can't be read: .*{belongs}"):
            find_run(str(roots))
        with pytest.raises(DataError, match=f"can't be written there: .*{belongs}"):
            ensure_written("name", write, [])
