"""Runs ``glov`` command lines as processes of their own, and kills them where that is asked for.

A fork of a process that has imported everything is a real process that has real models, but does
not spend five seconds on imports: so many more can be started, and killed.

Reads one JSON object a line, and answers each with ``{"code": ...}``: the exit code, -9 where it
was killed, or null where it did not end in time. It is killed from outside, at any moment; or
where that would come too late, right behind a fact of the journal, it sends itself the SIGKILL.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.support import ROOT, warm_processes
from tests.support.kill_points import KillPoint
from tests.support.patience import CEILING_SECONDS

# What a run of the demo imports when it needs it.
IMPORTS = (
    "engine.data.readers.image_folder",
    "engine.data.demo_world.images",
    "engine.llm.halving",
    "engine.llm.transformers_llm",
    "engine.search.meta_prompt",
    "engine.search.glov",
    "engine.vlm.dual_encoder.fitness",
    "engine.vlm.dual_encoder.image_features",
    "engine.vlm.dual_encoder.model",
    "engine.vlm.dual_encoder.text_features",
    "engine.prompts.reply",
    "glov_tui.commands.headless",
    "rich._emoji_codes",
    "tomlkit",
    "transformers.generation.utils",
    "transformers.models.llama.modeling_llama",
)
COLD = "GLOV_TESTS_COLD"
"""With this variable set nothing is imported before it is needed, where that saves what is."""
POLL_SECONDS = 0.001
CALM_SECONDS = 0.01  # between looks at one that nobody wants to kill
LIMIT_SECONDS = CEILING_SECONDS
NEVER = KillPoint("", 1, 0)
_MEDDLED = (
    "from glov_tui.cli import main; from tests.support.person import meddle_with_all; "
    "meddle_with_all(); main()"
)


class Glov:
    """The other side of it: starts the process, and asks it to run command lines."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.processes = Path(self._folder.name, "processes")
        """The socket of ``tests.support.warm_processes``."""
        with socket.socket(socket.AF_UNIX) as listener:  # at once: who comes early waits there
            listener.bind(str(self.processes))
            listener.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forking", str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                pass_fds=[listener.fileno()],
            )

    def __call__(
        self,
        output: Path,
        journal: Path,
        arguments: list[str],
        point: KillPoint | None = None,
        fresh: bool = False,
        meddled: bool = False,
    ) -> int | None:
        """Run a command line, ``fresh`` in a new interpreter; returns its code as said above.

        ``meddled``: somebody does to the run what ``tests.support.person`` says.
        """
        return self._ask(
            output=str(output),
            errors=str(output),
            journal=str(journal),
            arguments=arguments,
            fresh=fresh,
            meddled=meddled,
            point=point and asdict(point),
        )

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        house: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end, with no standard input and what it wrote kept.

        Its packages are those in the folder ``house``, which may be a copy of the project's.

        Raises:
            subprocess.TimeoutExpired: if it does not come to its end.
        """
        with tempfile.TemporaryDirectory() as folder:
            output, errors = Path(folder, "output"), Path(folder, "errors")
            code = self._ask(
                output=str(output),
                errors=str(errors),
                arguments=list(arguments),
                cwd=str(cwd),
                environment={**environment, warm_processes.VARIABLE: str(self.processes)},
                house=house and str(house),
            )
            if code is None:
                raise subprocess.TimeoutExpired(["glov", *arguments], LIMIT_SECONDS)
            told = (path.read_text(encoding="utf-8") for path in (output, errors))
            return subprocess.CompletedProcess(["glov", *arguments], code, *told)

    def _ask(self, **request: Any) -> int | None:
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())["code"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(LIMIT_SECONDS)  # it may be at its imports still
        self._process.stdout.close()
        self._folder.cleanup()


@functools.cache
def warm_glov() -> Glov:
    """The one of this process, started when it is first needed."""
    glov = Glov()
    atexit.register(glov.close)
    os.environ[warm_processes.VARIABLE] = str(glov.processes)
    return glov


def _move_to(house: str) -> None:
    """Have all packages of the project be imported anew, from a folder."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("engine", "glov_tui"):
            del sys.modules[name]
    sys.path.insert(0, house)


def _child(request: Mapping[str, Any], point: KillPoint) -> None:
    arguments, meddled = request["arguments"], request.get("meddled", False)
    if point.at_once:
        _die_after(point.kind, point.count)
    if meddled:
        from tests.support.person import meddle_with_all

        meddle_with_all()

    def program() -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        told = (os.open(request[name], flags) for name in ("output", "errors"))
        cwd = request.get("cwd", str(Path.cwd()))
        warm_processes.become(cwd, request.get("environment", dict(os.environ)), *told)
        if request.get("fresh"):
            start = ["-c", _MEDDLED] if meddled else ["-m", "glov_tui"]
            os.execv(sys.executable, [sys.executable, *start, *arguments])
        if request.get("house"):
            _move_to(request["house"])
        elif warm_processes.VARIABLE in os.environ:
            warm_processes.install()
        warm_processes.glov(arguments)

    warm_processes.run_to_end(program)


def _die_after(kind: str, count: int) -> None:
    """Kill this process when it has written so many facts of a kind, before it does any more."""
    system = os.write
    marker = f'"kind":"{kind}"'.encode()

    def write(file: int, data: Any) -> int:
        nonlocal count
        taken = system(file, data)
        count -= bytes(data).count(marker)
        if count <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return taken

    os.write = write


class _NewFacts:
    """Counts the facts of one kind that a journal gains."""

    def __init__(self, journal: str, kind: str) -> None:
        self._journal = Path(journal)
        self._kind = kind
        self._read = self._size()
        self._found = 0

    def _size(self) -> int:
        try:
            return self._journal.stat().st_size
        except OSError:
            return 0

    def count(self) -> int:
        if self._size() > self._read:
            with self._journal.open("rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
            self._read += len(whole) + bool(whole)
            kinds = [json.loads(line)["kind"] for line in whole.splitlines()]
            self._found += kinds.count(self._kind)
        return self._found


def _main() -> None:
    gc.disable()  # nothing that is imported is garbage
    for name in () if COLD in os.environ else IMPORTS:
        importlib.import_module(name)
    gc.enable()
    gc.freeze()  # or the first collection in each fork would copy the memory of all modules
    listener = socket.socket(fileno=int(sys.argv[1]))
    server = os.fork()
    if server == 0:
        for descriptor in (0, 1):  # the pipes are not its own
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        warm_processes.serve(listener)
    listener.close()
    try:
        _answer_all()
    finally:
        os.kill(server, signal.SIGKILL)


def _answer_all() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        point = KillPoint(**request["point"]) if request.get("point") else NEVER
        facts = _NewFacts(request.get("journal", os.devnull), point.kind)
        pid = os.fork()
        if pid == 0:
            _child(request, point)
        limit = time.monotonic() + LIMIT_SECONDS
        end = math.inf
        done = 0
        while not done:
            done, status = os.waitpid(pid, os.WNOHANG)
            killed = point is not NEVER and not point.at_once
            if killed and end == math.inf and facts.count() >= point.count:
                end = time.monotonic() + point.seconds
            if not done and time.monotonic() >= min(end, limit):
                os.kill(pid, signal.SIGKILL)
                done, status = os.waitpid(pid, 0)
            if not done:
                time.sleep(POLL_SECONDS if killed else CALM_SECONDS)
        hung = time.monotonic() >= limit
        code = None if hung else os.waitstatus_to_exitcode(status)
        sys.stdout.write(json.dumps({"code": code}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
