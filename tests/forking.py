"""Runs ``glov`` command lines in forks of a process that has imported everything, and kills them.

Reads one JSON object a line, and answers each with ``{"code": ...}``: the exit code, or -9 where
it was killed: ``seconds`` after ``journal`` has ``lines`` more lines than at the start.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# What a run of the demo imports when it needs it.
IMPORTS = (
    "engine.data.image_folder",
    "engine.demo.images",
    "engine.llm.halving",
    "engine.llm.local",
    "engine.metaprompt",
    "engine.optimizer",
    "engine.vlm.dual_encoder",
    "engine.vlm.image_features",
    "engine.vlm.open_clip_model",
    "engine.vlm.text_features",
    "glov_tui.headless",
    "rich._emoji_codes",
    "tomlkit",
    "transformers.generation.utils",
    "transformers.models.llama.modeling_llama",
)


class Glov:
    """The other side of it: starts the process, and asks it to run command lines."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
        )

    def __call__(
        self, output: Path, journal: Path, arguments: list[str], lines: int, seconds: float
    ) -> int:
        request = {
            "output": str(output),
            "journal": str(journal),
            "arguments": arguments,
            "lines": lines,
            "seconds": seconds,
        }
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())["code"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def _child(arguments: list[str], output: str) -> None:
    from glov_tui import cli

    code: object = 1
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.argv = ["glov", *arguments]
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _lines(journal: str) -> int:
    try:
        return Path(journal).read_bytes().count(b"\n")
    except OSError:
        return 0


def _main() -> None:
    for name in IMPORTS:
        importlib.import_module(name)
    gc.freeze()  # or the first collection in each fork would copy the memory of all modules
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(request["arguments"], request["output"])
        lines = _lines(request["journal"]) + request["lines"]
        end: float | None = None
        done = 0
        while not done:
            done, status = os.waitpid(pid, os.WNOHANG)
            if end is None and _lines(request["journal"]) >= lines:
                end = time.monotonic() + request["seconds"]
            if not done and end is not None and time.monotonic() >= end:
                os.kill(pid, signal.SIGKILL)
                end = math.inf
            time.sleep(0.002)
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
