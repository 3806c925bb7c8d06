"""Running the user's program for a piece of news: no shell, a time limit, and no way to harm a run.

The facts are in environment variables and, as JSON, on standard input. Texts among them are an
LLM's or of other people's runs; a program that hands them to a shell has to quote them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from engine.common.harmless import clean
from engine.common.record import to_json
from engine.run.news import News

LONGEST_OUTPUT = 2000  # bytes of what it says that are kept where it fails
MOST_OUTPUT = 2**20  # bytes of it on the disk; what came before is let go
LOOK_SECONDS = 0.1  # between two looks at a program that runs


def facts_of(news: News, folder: Path) -> dict[str, str]:
    """The news as environment variables; what is not known is left out."""
    known = {
        "EVENT": news.event,
        "RUN": news.run,
        "FOLDER": clean(str(folder.absolute())),
        "TITLE": news.title,
        "TEXT": news.text,
        "STATUS": news.status,
        "STEP": news.step,
        "STEPS": news.steps,
        "BEST_TEMPLATE": news.best_template,
        "BEST_ACCURACY": news.best_accuracy,
        "SEED_ACCURACY": news.seed_accuracy,
        "TEST_ACCURACY": news.test_accuracy,
    }
    return {f"GLOV_NEWS_{name}": str(value) for name, value in known.items() if value is not None}


def run_command(
    command: Sequence[str],
    news: News,
    folder: Path,
    seconds: float,
    environ: Mapping[str, str] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> str | None:
    """Run the program to its end, or to the end of its time; returns what went wrong, if anything.

    ``is_over`` says that there is no time left for any: it is ended then, so that it does not stay
    behind when glov goes. What it has put in the background itself, and is done before, stays.

    It is started in the user's home folder: in the run's, which may be somebody else's, it could
    find files that are not what it looks for.
    """
    name = clean(Path(command[0]).name)
    given = os.environ if environ is None else environ
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as facts:
        facts.write(to_json(news).encode() + b"\n")
        facts.seek(0)
        fcntl.fcntl(said, fcntl.F_SETFL, fcntl.fcntl(said, fcntl.F_GETFL) | os.O_APPEND)
        try:
            child = subprocess.Popen(
                command,
                stdin=facts,
                stdout=said,
                stderr=said,
                cwd=_home(),
                env={**given, **facts_of(news, folder)},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"{name} can't be started: {_why_not_started(error)}"
        over = _wait(child, said.fileno(), time.monotonic() + seconds, is_over)
        if over is not None:
            with contextlib.suppress(OSError):  # and all that it has started
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if over == "given up":
                return f"{name} was ended before it was done, as glov ends"
            return f"{name} was ended, as it took longer than {seconds:g} s (notify.timeout)"
        status = child.returncode
        if status == 0:
            return None
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        size = said.seek(0, os.SEEK_END)
        said.seek(max(0, size - LONGEST_OUTPUT))
        output = clean(said.read().decode(errors="replace"), keep_newlines=True).strip()
    return f"{name} failed ({how})" + (f":\n{output}" if output else "")


def _wait(
    child: subprocess.Popen[bytes], said: int, end: float, is_over: Callable[[], bool]
) -> Literal["too late", "given up"] | None:
    """Until the program has ended; or why that is not waited for any longer."""
    while True:
        left = end - time.monotonic()
        try:
            child.wait(max(0.0, min(left, LOOK_SECONDS)))
        except subprocess.TimeoutExpired:
            if is_over():
                return "given up"
            if left <= 0:
                return "too late"
        else:
            return None
        if os.fstat(said).st_size > MOST_OUTPUT:
            os.ftruncate(said, 0)  # it writes at the end, wherever that is


def _why_not_started(error: OSError | ValueError) -> str:
    match error:
        case OSError(errno=errno.ENOEXEC):
            return f"{error.strerror} (a script begins with a line such as #!/bin/sh)"
        case PermissionError():
            return f"{error.strerror} (`chmod +x` makes a file a program)"
        case OSError(strerror=str(reason)):
            return reason
    return str(error)


def _home() -> str:
    home = os.path.expanduser("~")  # noqa: PTH111 (Path.home raises where there is none)
    return home if Path(home).is_dir() else "/"
