"""Ray, told to keep quiet: imported when it is used, connected to without a word on the screen.

What it prints of its own goes nowhere: its logs are in its session's folder. Its statistics of use
are off.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

from engine.common.errors import UserError

INSTALL = "pip install 'glov-tui[ray]'"
REACH_SECONDS = 10.0  # for a connection to the head of a cluster
STARTS = 3  # of a Ray of this machine's own, where it is too slow
TOO_SLOW = "timed out during startup"

_SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # an empty frame of them, with which both sides begin
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that this is to be the default
}


def import_ray(key: str) -> Any:
    """The library.

    Raises:
        UserError: if it is not installed; ``key`` is what needs it, as a person has written it.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UserError(f"{key} needs Ray ({error}): {INSTALL}") from None
    return ray


def connect(ray: Any, address: str | None, said: str = "--address") -> None:
    """Connect this process to a cluster, or start one of this machine's own.

    Args:
        ray: the library.
        address: of a cluster: ``HOST:PORT``, or ``auto`` for the one that this machine is part of;
            None for what RAY_ADDRESS names, else one of this machine's own.
        said: what a person has written the address to.

    Raises:
        UserError: if there is none, or one of another version.
    """
    if address is None and os.environ.get("RAY_ADDRESS"):
        said = "RAY_ADDRESS"
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    check_address(address, said)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == "local":
        quiet["include_dashboard"] = False
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            begin(ray, address=address, **quiet)
        except (Exception, SystemExit) as error:
            raise UserError(_why_unconnected(address, said, error)) from error


def begin(ray: Any, **options: Any) -> None:
    """``ray.init``, as often as a busy machine needs, with signals left as they are.

    Ray gives a node that it starts half a minute. A machine with much else to do may take longer,
    and another try then finds more of it in the cache.

    Raises:
        Exception: what Ray raises, which may be of any kind; nothing is left running then.
    """
    for tries_left in reversed(range(STARTS)):
        with _own_signals():
            try:
                ray.init(**options)
            except (Exception, SystemExit) as error:
                with contextlib.suppress(Exception):
                    ray.shutdown()
                _end_what_was_begun()
                if tries_left and TOO_SLOW in str(error):
                    continue
                raise
        break
    hush(ray)


def _end_what_was_begun() -> None:
    """End the processes of a Ray that this process has begun and does not know any more."""
    import psutil  # Ray's own

    mark = re.compile(rf"session_[0-9_-]+_{os.getpid()}(?![0-9])")
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(map(mark.search, child.cmdline())):
                child.kill()


def hush(ray: Any) -> None:
    """What nodes complain of is printed on standard output, where a result may be expected."""
    worker = ray._private.worker
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *args, **named: None


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Signals mean after it what they meant before: Ray has SIGTERM end the process at once.

    Processes that are started meanwhile go on when the terminal is gone.
    """
    if threading.current_thread() is not threading.main_thread():  # whose process is none's
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_address(address: str, said: str = "--address") -> None:
    """See that there is something at an address, which Ray would look for for minutes.

    Raises:
        UserError: if there is not.
    """
    if address in ("local", "auto"):
        return
    if "://" in address:
        raise UserError(
            f"{said} {address}: glov is at work on a machine of the cluster itself; run it there, "
            "with --address auto"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(
            f"{said} {address}: write HOST:PORT as `ray start --head` says it, or auto for the "
            "cluster that this machine is part of"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS) as there:
            _check_protocol(there)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{said} {address}: no Ray cluster answers there ({reason}). `ray status` on the "
            "cluster's head says its address; without one glov uses this machine alone"
        ) from error


def _check_protocol(there: socket.socket) -> None:
    """See that who listens speaks HTTP/2, as Ray does; it would be waited for for a minute.

    Raises:
        OSError: if it does not.
    """
    if os.environ.get("RAY_USE_TLS", "0") in ("1", "true"):
        return
    there.settimeout(REACH_SECONDS)
    there.sendall(_GREETING)
    frame = b""
    while len(frame) < len(_SETTINGS):
        if not (more := there.recv(len(_SETTINGS) - len(frame))):
            break
        frame += more
    if frame[3:4] != _SETTINGS[3:4]:
        raise OSError("what listens there is something else")


def _why_unconnected(address: str, said: str, error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if "ersion mismatch" in text:
        return (
            f"{said} {address}: the cluster has another version of Ray or Python than this "
            f"machine ({text[:300]}); both must be the same"
        )
    if address == "auto":
        return (
            f"{said} auto: this machine is part of no Ray cluster that runs; `ray start` makes "
            "it one, and without an address glov uses this machine alone"
        )
    if isinstance(error, SystemExit):
        text = "this process was told to end meanwhile"
    if address == "local":
        return f"Ray can't be started on this machine: {text[:500]}"
    return f"{said} {address}: Ray can't be used: {text[:500]}"


def why_unable(error: BaseException) -> str:
    """Why a task could not be done, in a clause."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, ModuleNotFoundError) or "ModuleNotFoundError" in str(error):
        return f"a process there can't import glov or what it needs; install it there: {INSTALL}"
    last = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {last[-1] if last else 'no reason was given'}"[:500]
