"""Where a run's socket is, whose it is, and what is left of it."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.common.errors import JournalError
from engine.remote import address
from engine.storage.run_folder import SOCKET


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files of its own, so that what is left in it is seen."""
    folder = Path(tempfile.mkdtemp(prefix="glov-"))  # pytest's folders may be too long
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()  # fails where something else was left


@pytest.fixture
def short(elsewhere: Path) -> Iterator[Path]:
    """A run's folder with room for the socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="glov-run-", dir=elsewhere.parent))
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def speaks(listener: socket.socket, folder: Path) -> bool:
    """Whether a connection to the run reaches this listener."""
    with address.connect(folder, 5.0) as here, listener.accept()[0] as there:
        here.sendall(b"word")
        return there.recv(4) == b"word"


def test_it_is_in_the_folder_and_its_owners_whatever_the_umask(short: Path) -> None:
    before = os.umask(0)
    try:
        listener = address.listen(short)
    finally:
        os.umask(before)
    with listener:
        found = (short / SOCKET).lstat()
        assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
        assert speaks(listener, short)
        address.remove(short)
    assert list(short.iterdir()) == []


def test_one_that_a_killed_process_left_is_replaced(short: Path) -> None:
    code = "import sys, pathlib, os; from engine.remote.address import listen\n"
    code += "kept = listen(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, short], check=False)
    assert (short / SOCKET).is_socket()
    with pytest.raises(ConnectionRefusedError):
        address.connect(short, 5.0)
    with address.listen(short) as listener:
        assert speaks(listener, short)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A run's folder whose path is too long for a socket."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    return folder


def test_too_long_a_path_is_a_link_to_elsewhere(long: Path, elsewhere: Path) -> None:
    with address.listen(long) as listener:
        target = (long / SOCKET).readlink()
        assert target.parent.parent == elsewhere
        assert stat.S_IMODE(target.lstat().st_mode) == 0o600
        assert stat.S_IMODE(target.parent.stat().st_mode) == 0o700
        assert speaks(listener, long)
        address.remove(long)
    assert list(long.iterdir()) == [] and list(elsewhere.iterdir()) == []


def test_a_link_that_a_killed_process_left_is_replaced_with_what_it_led_to(
    long: Path, elsewhere: Path
) -> None:
    address.listen(long).close()
    left = (long / SOCKET).readlink()
    with address.listen(long) as listener:
        assert (long / SOCKET).readlink() != left and not left.parent.exists()
        assert speaks(listener, long)
    address.remove(long)


def test_a_link_to_what_is_not_ours_is_removed_and_the_target_is_not(
    short: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("text")
    (short / SOCKET).symlink_to(precious)
    with address.listen(short):
        assert (short / SOCKET).is_socket()
    assert precious.read_text() == "text"


def failing(name: str, code: int, patch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    patch.setattr(name, fail)


class Deaf(socket.socket):
    """A socket of a system that has no names for it."""

    def bind(self, place: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.mark.parametrize(
    "breaks",
    [
        lambda patch: patch.setattr(socket, "socket", Deaf),
        lambda patch: failing("pathlib.Path.symlink_to", errno.EPERM, patch),
        lambda patch: failing("tempfile.mkdtemp", errno.ENOSPC, patch),
    ],
    ids=["no-sockets", "no-links", "no-room"],
)
def test_where_there_can_be_none_it_is_said_and_nothing_is_left(
    long: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    breaks: Callable[[pytest.MonkeyPatch], None],
) -> None:
    breaks(monkeypatch)
    with pytest.raises(JournalError) as found:
        address.listen(long)
    assert str(found.value).startswith(f"{long / SOCKET} can't be made: ")
    assert "glov resume" in str(found.value) and "--headless" in str(found.value)
    assert list(long.iterdir()) == [] and list(elsewhere.iterdir()) == []


def test_a_folder_without_sockets_has_a_link(
    short: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Picky(socket.socket):
        def bind(self, place: str) -> None:
            if place.startswith(str(short)):
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            super().bind(place)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Picky)
        listener = address.listen(short)
    with listener:
        assert (short / SOCKET).is_symlink()
        assert speaks(listener, short)
        address.remove(short)
    assert list(elsewhere.iterdir()) == []


def test_nobody_there(short: Path) -> None:
    with pytest.raises(FileNotFoundError):
        address.connect(short, 5.0)
    address.listen(short).close()
    with pytest.raises(ConnectionRefusedError):
        address.connect(short, 5.0)


def test_another_user_is_turned_away(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with address.listen(short) as listener, socket.socket(socket.AF_UNIX) as here:
        monkeypatch.setattr("os.geteuid", lambda: 1 << 20)
        with pytest.raises(PermissionError, match="another user"):
            address.connect(short, 5.0)
        here.connect(str(short / SOCKET))
        there, _ = listener.accept()
        with there:
            assert not address.same_user(there) and address.peer_process(there) is None
        monkeypatch.undo()
        assert address.peer_process(here) == os.getpid()


def test_a_queue_that_is_full_is_waited_for(short: Path) -> None:
    with address.listen(short) as listener:
        waiting: list[socket.socket] = []
        with pytest.raises(OSError):
            while len(waiting) < 10_000:
                waiting.append(address.connect(short, 0.1))
        timer = threading.Timer(0.1, lambda: listener.accept()[0].close())
        timer.start()
        address.connect(short, 20.0).close()
        timer.join()
        for connection in waiting:
            connection.close()


# -- a folder that others write -------------------------------------------------------------------


@pytest.fixture
def other(elsewhere: Path) -> Iterator[socket.socket]:
    """A socket of this user's that belongs to no run, as of an agent that keeps keys."""
    place = elsewhere / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        place.chmod(0o600)
        listener.listen(1)
        yield listener
    place.unlink()


def test_a_link_to_another_socket_is_not_followed(
    short: Path, elsewhere: Path, other: socket.socket
) -> None:
    (short / SOCKET).symlink_to(elsewhere / "agent.sock")
    with pytest.raises(PermissionError, match="is a link to something else than a run's socket"):
        address.connect(short, 5.0)
    address.remove(short)
    assert not (short / SOCKET).is_symlink() and (elsewhere / "agent.sock").is_socket()


@pytest.mark.parametrize("what", ["file", "open", "through-a-link"])
def test_a_link_to_what_looks_like_ours_is_not_followed(
    short: Path, elsewhere: Path, what: str
) -> None:
    """Nor is it removed: it may be anything."""
    folder = elsewhere / f"{address._ELSEWHERE}lie"
    folder.mkdir(mode=0o700)
    target = folder / SOCKET
    with socket.socket(socket.AF_UNIX) as listener:
        if what == "file":
            target.write_text("precious")
        else:
            listener.bind(str(target))
            listener.listen(1)
        if what == "open":
            folder.chmod(0o777)
        if what == "through-a-link":
            place = elsewhere / f"{address._ELSEWHERE}link"
            place.symlink_to(folder)
            target = place / SOCKET
        (short / SOCKET).symlink_to(target)
        with pytest.raises(OSError):
            address.connect(short, 5.0)
        address.remove(short)
    assert target.exists() and not (short / SOCKET).is_symlink()
    target.unlink()
    if what == "through-a-link":
        place.unlink()
    folder.rmdir()


def test_what_is_no_socket_stays_and_is_said(short: Path) -> None:
    (short / SOCKET).write_text("precious")
    with pytest.raises(PermissionError, match="is no socket"):
        address.connect(short, 5.0)
    with pytest.raises(JournalError, match="can't be made: File exists"):
        address.listen(short)
    assert (short / SOCKET).read_text() == "precious"


def test_a_socket_that_others_can_use_is_not_used(short: Path) -> None:
    with address.listen(short):
        (short / SOCKET).chmod(0o666)
        with pytest.raises(PermissionError, match="others can use"):
            address.connect(short, 5.0)
        address.remove(short)
