"""Record a session of the cockpit: a real demo run in a real terminal, driven by keys.

    pip install termtosvg; python -m docs.recording

It writes ``session.cast`` (asciicast 2: `asciinema play docs/session.cast`), and ``session.svg``,
the same as a picture that moves, by termtosvg, which no one else needs.
"""

from __future__ import annotations

import codecs
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.terminal import Terminal

HERE = Path(__file__).parent
COLUMNS, ROWS = 100, 30
LONGEST_PAUSE = 1.5  # seconds: what a machine takes longer for is not worth watching
SHORTEST_FRAME = 120  # ms
ENV = {"COLORTERM": "truecolor", "TERM": "xterm-256color", "NO_COLOR": None}
OWN = "a photo of a <category> in blue light."


def main() -> None:
    """Drive the demo, and write what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        cast = HERE / "session.cast"
        env = ENV | {"GLOV_RUNS_DIR": folder}
        argv = [sys.executable, "-m", "glov_tui", "demo", "--run-dir", str(Path(folder) / "demo")]
        with Terminal(argv, columns=COLUMNS, rows=ROWS, env=env) as terminal:
            _drive(terminal)
            cast.write_text(_as_cast(terminal), encoding="utf-8")
    render = ["render", str(cast), str(HERE / "session.svg"), "-m", str(SHORTEST_FRAME)]
    subprocess.run([sys.executable, "-m", "termtosvg", *render], check=True)


def _drive(terminal: Terminal) -> None:
    """A person at the keys: look, pause, try a template of one's own, ask why, go on to the end."""
    terminal.wait_for("step 2")
    _look(2)
    terminal.press("space")
    terminal.wait_for("paused")
    terminal.press("i")
    _look(1)
    for letter in OWN:
        terminal.send(letter)
        _look(0.03)
    _look(1)
    terminal.press("enter")
    terminal.wait_for("human")  # the list has it
    _look(2)
    for key in ("w", "escape", "S", "escape"):  # why did it win, and steering over time
        terminal.press(key)
        _look(2.5 if key != "escape" else 0.5)
    terminal.press("space")
    terminal.wait_for("finished", seconds=300)
    _look(3)
    terminal.press("q")
    terminal.wait_exit()


def _look(seconds: float) -> None:
    time.sleep(seconds)  # what a reader of the recording needs


def _as_cast(terminal: Terminal) -> str:
    """What arrived and when, as asciicast 2: a heading, then a line for each read."""
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "glov demo"}
    lines, at, before, place = [json.dumps(header)], 0.0, terminal.started_at, 0
    decode = codecs.getincrementaldecoder("utf-8")().decode  # a letter may come in two reads
    for arrived, size in terminal.arrivals:
        at += min(arrived - before, LONGEST_PAUSE)
        before = arrived
        text = decode(bytes(terminal.raw[place : place + size]))
        place += size
        lines.append(json.dumps([round(at, 3), "o", text], ensure_ascii=False))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
