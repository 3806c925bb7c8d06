"""Who drives a sweep, and how others ask it to stop."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import JournalError
from engine.storage import lock
from engine.storage.lock import OWNER, read_owner
from engine.sweeps.driving import LOCK, REQUESTS, ask_to_stop, driving, is_driven, stop_sweep
from tests.support.patience import wait_until
from tests.support.privileges import sealed


def test_one_process_drives_a_sweep_and_is_found(tmp_path: Path) -> None:
    assert not is_driven(tmp_path)
    with driving(tmp_path, lambda name: None):
        owner = read_owner(tmp_path)
        assert owner is not None and owner.pid == os.getpid()
        assert is_driven(tmp_path)
        with (
            pytest.raises(JournalError, match=r"at work on this sweep: `glov attach .*glov stop"),
            driving(tmp_path, lambda name: None),
        ):
            pass
        assert is_driven(tmp_path)  # the one that was refused has taken nothing away
    assert not is_driven(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_request_reaches_it_once_and_an_old_one_never(tmp_path: Path) -> None:
    (tmp_path / REQUESTS).mkdir()
    (tmp_path / REQUESTS / "old").touch()
    asked: list[str | None] = []
    with driving(tmp_path, asked.append):
        ask_to_stop(tmp_path, "seed=1")
        wait_until(lambda: asked)
        ask_to_stop(tmp_path)
        wait_until(lambda: len(asked) == 2)
        wait_until(lambda: not list((tmp_path / REQUESTS).iterdir()))
    assert asked == ["seed=1", None]


def test_a_stop_waits_until_nobody_is_at_work(tmp_path: Path) -> None:
    told = threading.Event()

    def drive() -> None:
        with driving(tmp_path, lambda name: told.set()):
            told.wait()

    thread = threading.Thread(target=drive, daemon=True)
    thread.start()
    wait_until(lambda: is_driven(tmp_path))
    stop_sweep(tmp_path)
    assert not is_driven(tmp_path) and told.is_set()
    with pytest.raises(JournalError, match="no `glov sweep` is at work on it"):
        ask_to_stop(tmp_path)


def test_a_request_of_the_first_moment_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = lock.take

    def taken(folder: Path, descriptor: int, **options: Any) -> None:
        take(folder, descriptor, **options)
        ask_to_stop(folder)  # as another process may, which sees from here on that it is driven

    monkeypatch.setattr(lock, "take", taken)
    asked: list[str | None] = []
    with driving(tmp_path, asked.append):
        wait_until(lambda: asked)
    assert asked == [None]


def test_a_request_that_comes_before_the_sweep_names_its_process_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one that died is still named, others see only that the lock is held."""
    (tmp_path / OWNER).write_text(json.dumps({"pid": 2**22, "host": socket.gethostname()}))
    for name in (".all", "seed=1"):  # asked of that one
        (tmp_path / REQUESTS).mkdir(exist_ok=True)
        (tmp_path / REQUESTS / name).touch()
        os.utime(tmp_path / REQUESTS / name, ns=(0, 0))
    locked = lock.lock

    def taken(descriptor: int) -> bool:
        held = locked(descriptor)
        ask_to_stop(tmp_path, "seed=1")
        ask_to_stop(tmp_path, "seed=2")
        return held

    monkeypatch.setattr(lock, "lock", taken)
    asked: list[str | None] = []
    with driving(tmp_path, asked.append):
        wait_until(lambda: len(asked) == 2)
    assert asked == ["seed=1", "seed=2"]


def test_a_sweep_whose_disk_is_full_can_be_told_to_stop_otherwise(tmp_path: Path) -> None:
    with (
        driving(tmp_path, lambda name: None),
        sealed(tmp_path, 0o500),
        pytest.raises(JournalError, match=f"`kill {os.getpid()}` on .* has it stop as well"),
    ):
        ask_to_stop(tmp_path)


def test_a_process_that_died_leaves_the_sweep_to_the_next(tmp_path: Path) -> None:
    with driving(tmp_path, lambda name: None):
        left = (tmp_path / OWNER).read_text()
    (tmp_path / OWNER).write_text(left)
    assert not is_driven(tmp_path)
    with driving(tmp_path, lambda name: None):
        assert is_driven(tmp_path)


def test_one_of_another_user_is_at_work_whose_lock_may_not_be_read(tmp_path: Path) -> None:
    with driving(tmp_path, lambda name: None), sealed(tmp_path / LOCK, 0):
        assert is_driven(tmp_path)
    (tmp_path / OWNER).write_text(json.dumps({"pid": 2**22, "host": socket.gethostname()}))
    with sealed(tmp_path / LOCK, 0):
        assert not is_driven(tmp_path)


def test_one_of_another_host_is_believed(tmp_path: Path) -> None:
    (tmp_path / OWNER).write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    assert is_driven(tmp_path)
    ask_to_stop(tmp_path, "seed=1")
    assert [path.name for path in (tmp_path / REQUESTS).iterdir()] == ["seed=1"]
    with pytest.raises(JournalError, match="goes on after 0 s.*dead on another host, delete"):
        stop_sweep(tmp_path, 0)
    with (
        pytest.raises(
            JournalError,
            match="process 1 on elsewhere is at work .*`glov stop .*dead there, delete",
        ),
        driving(tmp_path, lambda name: None),
    ):
        pass
    left = {path.name for path in (tmp_path / REQUESTS).iterdir()}
    assert left == {"seed=1", ".all"}  # not for this process
