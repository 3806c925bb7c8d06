"""The process that an engine has to itself: it goes on when screens and terminals are gone.

``python -m engine.remote.process FOLDER DESCRIPTOR PLACES [--trust-run]`` takes up the run in
FOLDER and drives it to its end. PLACES are ``engine.config.places`` as JSON. It says ``READY``
on the descriptor once screens can attach, or why it can't be.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.common.errors import ModelError, UserError
from engine.common.files import open_private
from engine.common.ownership import why_denied
from engine.run.commands import Stop
from engine.storage.run_folder import LOG
from engine.storage.trust import TRUST_FLAG

READY = b"ready"


def start_engine(
    folder: Path, trusted: bool = False, places: Mapping[str, Any] | None = None
) -> subprocess.Popen[bytes]:
    """Start the engine of a run, and return when screens can attach to it.

    It has no terminal and a session of its own; what libraries print goes to the run's log. A run
    that somebody else may have written is ``trusted`` only if the user has said so.

    Raises:
        UserError: if it can't be started, or the run can't be taken up.
    """
    read, write = os.pipe()
    try:
        log = open_private(folder / LOG)
        try:
            # -P: a folder named engine where the user happens to be is not this package.
            command = [sys.executable, "-P", "-m", "engine.remote.process", str(folder), str(write)]
            process = subprocess.Popen(
                [*command, json.dumps(dict(places or {})), *([TRUST_FLAG] if trusted else [])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(write,),
            )
        finally:
            os.close(log)
    except OSError as error:
        os.close(read)
        path = Path(error.filename or sys.executable)
        raise ModelError(
            f"the engine's process can't be started: {path}: {why_denied(error, path)}"
        ) from error
    finally:
        os.close(write)
    with os.fdopen(read, "rb") as answer:
        said = answer.read()  # to its end: both say something, and then close it
    if said != READY:
        process.wait()
        raise UserError(
            said.decode(errors="replace")
            or f"the engine's process ended at its start; {folder / LOG} says more"
        )
    return process


def main(folder: Path, descriptor: int, places: Mapping[str, Any], trusted: bool) -> int:
    """Drive the run in ``folder``; returns 0 if it came to its end, 1 if it failed or stopped."""
    from engine.common.stop_signals import stop_on_signal
    from engine.remote.server import ControlServer
    from engine.session.local import LocalSession
    from engine.session.telling.teller import telling

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        session = LocalSession.resume(folder, trusted=trusted, places=places)
        try:
            server = ControlServer(session)
        except BaseException:
            session.close()
            raise
    except UserError as error:
        _answer(descriptor, str(error).encode())
        return 2
    _answer(descriptor, READY)
    with telling(session), server, stop_on_signal(lambda: session.send(Stop())):
        session.start()
        session.wait()
        failed = session.published.unwritten
        if failed is not None:  # its journal can't say it; the log moves with the folder
            said = f"{datetime.now():%F %T} {failed.message}"
            print(said, file=sys.stderr, flush=True)  # noqa: T201
    return 0 if session.state.status == "finished" else 1


def _answer(descriptor: int, said: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as answer:
        answer.write(said)  # whoever asked may be gone already


if __name__ == "__main__":
    from engine.common.stop_signals import leave

    _, _folder, _descriptor, _places, *_flags = sys.argv
    leave(main(Path(_folder), int(_descriptor), json.loads(_places), TRUST_FLAG in _flags))
