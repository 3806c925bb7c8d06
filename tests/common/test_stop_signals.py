"""How a process ends."""

from __future__ import annotations

import subprocess
import sys

from tests.support import ROOT

# Validators are called from pydantic's Rust, which is not to be unwound: Python does that to the
# threads that are left when it takes itself apart.
AT_WORK = """
import atexit, threading, time
from typing import Annotated
from pydantic import AfterValidator, TypeAdapter
from engine.common.stop_signals import leave

begun = threading.Event()

def work(value):
    begun.set()
    while True:
        time.sleep(0.0005)

def finish():
    time.sleep(0.05)
    print("finished")

number = TypeAdapter(Annotated[int, AfterValidator(work)])
threading.Thread(target=number.validate_python, args=(1,), daemon=True).start()
begun.wait()
threading.Thread(target=finish).start()
atexit.register(print, "put away")
leave(3)
"""


def test_a_thread_that_is_left_in_a_library_does_not_crash_the_end() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", AT_WORK], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (3, "")
    assert ended.stdout.split("\n") == ["finished", "put away", ""]
