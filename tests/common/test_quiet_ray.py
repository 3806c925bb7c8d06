"""Ray begun: what listens at an address, a machine that is busy, and what a failed start leaves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from engine.common import quiet_ray
from engine.common.errors import UserError
from engine.common.quiet_ray import check_address
from tests.support.patience import CEILING_SECONDS

TOO_SLOW = "The current node timed out during startup. This could happen because ..."


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b""])
def test_what_is_no_ray_is_told_apart_at_once(listener: socket.socket, answer: bytes) -> None:
    def main() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(9)
            connection.sendall(answer)

    threading.Thread(target=main, daemon=True).start()
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(UserError, match=f"{address}: no Ray cluster answers there"):
        check_address(address)


def test_who_listens_and_says_nothing_is_not_waited_for_for_long(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet_ray, "REACH_SECONDS", 0.1)
    with pytest.raises(UserError, match="no Ray cluster answers there"):
        check_address(f"127.0.0.1:{listener.getsockname()[1]}")


class SlowRay:
    """Fails to begin so many times, as Ray does on a busy machine: its processes stay."""

    def __init__(self, failures: int, why: str) -> None:
        self.failures, self.why = failures, why
        self.begun: list[subprocess.Popen[bytes]] = []
        self._private = None

    def init(self, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = "import sys; print(flush=True); sys.stdin.read()"
        session = f"/tmp/ray/session_2026-01-01_00-00-00_000001_{os.getpid()}/logs"
        process = subprocess.Popen(
            [sys.executable, "-c", code, session], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()  # it is begun
        self.begun.append(process)
        if len(self.begun) <= self.failures:
            raise Exception(self.why)

    def shutdown(self) -> None:
        pass


@pytest.mark.parametrize(
    ("failures", "why", "starts", "comes"),
    [(2, TOO_SLOW, 3, True), (3, TOO_SLOW, 3, False), (1, "no disk", 1, False)],
)
def test_a_machine_that_is_too_busy_has_another_try_and_nothing_is_left_of_the_first(
    monkeypatch: pytest.MonkeyPatch, failures: int, why: str, starts: int, comes: bool
) -> None:
    pytest.importorskip("ray")  # whose psutil it is
    monkeypatch.setattr(quiet_ray, "hush", lambda ray: None)
    ray = SlowRay(failures, why)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if comes:
            quiet_ray.begin(ray)
        else:
            with pytest.raises(Exception, match=why[:20]):
                quiet_ray.begin(ray)
        assert len(ray.begun) == starts
        *lost, last = ray.begun
        for process in lost if comes else ray.begun:
            assert process.wait(CEILING_SECONDS) == -signal.SIGKILL
        assert not comes or last.poll() is None
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        for process in ray.begun:
            process.kill()
            process.communicate()
