"""Ending a run that another process drives."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

from engine.common.errors import JournalError
from engine.remote import address
from engine.remote.messages import format_line
from engine.run.commands import Stop
from engine.storage.journal import is_driven
from engine.storage.lock import read_owner
from engine.storage.run_folder import run_argument
from engine.storage.summary import read_summary

CONNECT_SECONDS = 10.0
STOP_SECONDS = 60.0  # for an engine to come to a safe point
LOOK_SECONDS = 0.05
READ_BYTES = 64 * 1024


def stop_engine(folder: Path, seconds: float = STOP_SECONDS) -> None:
    """Tell the engine of a run to stop, and wait until it has.

    Raises:
        JournalError: if none is there, it can't be told from here, or it goes on.
    """
    if not is_driven(folder):
        if read_summary(folder).status == "finished":
            raise JournalError(
                f"{folder} is finished: there is nothing to stop; `glov replay "
                f"{run_argument(folder)}` shows how it went"
            )
        raise JournalError(
            f"{folder}: no engine is at work on it; `glov runs` says how it ended, `glov resume "
            f"{run_argument(folder)}` goes on"
        )
    if (reason := address.why_out_of_reach(folder)) is not None:
        raise JournalError(reason)
    owner = read_owner(folder)  # for messages: in somebody else's folder it can be a lie
    try:
        connected = _connected(folder)
        if connected is None:  # it has ended by itself since
            return
        with contextlib.closing(connected) as engine:
            with contextlib.suppress(ConnectionError):  # turned away already, which is heard below
                engine.sendall(format_line(Stop()))
            engine.setblocking(False)
            deadline = time.monotonic() + seconds
            insisted = False
            while is_driven(folder):
                insisted = insisted or _insist_where_turned_away(engine)
                if time.monotonic() > deadline:
                    raise JournalError(
                        f"{folder}: {owner or 'its engine'} was told to stop and goes on after "
                        f"{seconds:.0f} s; it stops at its next safe point, if it comes to one"
                    )
                time.sleep(LOOK_SECONDS)
    except OSError as error:
        raise JournalError(
            f"{folder} is being driven by {owner or 'another process'}, which can't be told from "
            f"here: {error.strerror or error}"
        ) from error


def _connected(folder: Path) -> socket.socket | None:
    """The engine of a run, also one that has only just begun; None where it has ended.

    Raises:
        OSError: if it can't be connected to.
    """
    end = time.monotonic() + address.BEGINS_SECONDS
    while True:
        try:
            return address.connect(folder, CONNECT_SECONDS)
        except address.NOT_YET:
            if not is_driven(folder):
                return None
            if time.monotonic() > end:
                raise
        time.sleep(LOOK_SECONDS)


def _insist_where_turned_away(engine: socket.socket) -> bool:
    """Send SIGTERM to an engine that hears nobody more, as too many are connected.

    It goes to the process at the other end of the socket, whatever the run's folder says of it.
    """
    try:
        received = engine.recv(READ_BYTES)
        turned_away = not received or b'"refused"' in received
    except BlockingIOError:
        return False
    except ConnectionError:
        turned_away = True
    process = address.peer_process(engine) if turned_away else None
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    return turned_away
