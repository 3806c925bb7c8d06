"""The driver of a page: what it sends is packets and nothing else, and it ends with its server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pyte
import pytest

from glov_tui.commands.on_screen import BROWSER_DRIVER
from glov_tui.terminal import browser
from tests.support import ROOT
from tests.support.command import glov
from tests.support.written_runs import write_run

TEXTUALS = "textual.drivers.web_driver:WebDriver"
COLUMNS, ROWS = 120, 40


class Shown:
    """What a page shows of a process, read from its packets."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._input: IO[bytes] = process.stdin
        self._output: IO[bytes] = process.stdout
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self.kinds: list[str] = []  # of meta packets
        assert self._output.readline() == b"__GANGLION__\n"

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    def blank(self) -> None:
        """As a page that knows nothing."""
        self._screen.reset()

    def packets(self) -> Iterator[bytes]:
        while kind := self._output.read(1):
            assert kind in b"DM"
            payload = self._output.read(int.from_bytes(self._output.read(4), "big"))
            if kind == b"D":
                self._stream.feed(payload.replace(b"\x1b[?2026$p", b""))
            else:
                self.kinds.append(json.loads(payload)["type"])
            yield payload

    def until(self, condition: Callable[[], bool]) -> None:
        assert condition() or any(condition() for _ in self.packets()), self.text

    def send(self, kind: bytes, payload: bytes) -> None:
        self._input.write(kind + len(payload).to_bytes(4, "big") + payload)
        self._input.flush()

    def close(self) -> None:
        self._input.close()

    def meta(self, **message: object) -> None:
        self.send(b"M", json.dumps(message).encode())


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    processes = []

    def start(driver: str) -> subprocess.Popen[bytes]:
        folder = write_run(tmp_path / "run")
        size = {"COLUMNS": str(COLUMNS), "ROWS": str(ROWS)}
        process = subprocess.Popen(
            glov("attach", str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **size, "PYTHONPATH": str(ROOT), "TEXTUAL_DRIVER": driver},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def test_its_name_is_what_it_is_started_by() -> None:
    assert f"{browser.__name__}:{browser.BrowserDriver.__name__}" == BROWSER_DRIVER


@pytest.mark.parametrize("driver", [BROWSER_DRIVER, TEXTUALS])
def test_a_run_that_has_ended_is_shown_and_left(
    driver: str, started: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    process = started(driver)
    shown = Shown(process)
    shown.until(lambda: "finished" in shown.text and "step 2/2" in shown.text)
    shown.meta(type="resize", width=COLUMNS, height=30)
    shown.until(lambda: "─╯" in shown.text.splitlines()[28])
    shown.send(b"D", b"q")
    shown.until(lambda: shown.kinds == ["exit"])
    assert not list(shown.packets())  # what is said after it goes elsewhere
    assert process.stderr is not None and process.stderr.read() == b"The run is finished.\n"
    assert process.wait() == 0


def test_it_paints_all_anew_when_told_to_and_ends_with_its_server(
    started: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    process = started(BROWSER_DRIVER)
    shown = Shown(process)
    shown.until(lambda: "finished" in shown.text and "templates: 3" in shown.text)
    before = shown.text
    shown.blank()
    shown.meta(type=browser.REDRAW)
    shown.until(lambda: shown.text == before)
    shown.close()
    list(shown.packets())
    assert process.wait() == 0
