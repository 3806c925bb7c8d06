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
LONGEST_PAUSE = 0.15  # seconds: what a machine takes longer for is not worth watching
SETTLED, SETTLES = 0.3, 10  # seconds without a change, and how often they are waited for
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
            looks = _drive(terminal)
            cast.write_text(_as_cast(terminal, looks), encoding="utf-8")
    render = ["render", str(cast), str(HERE / "session.svg"), "-m", str(SHORTEST_FRAME)]
    subprocess.run([sys.executable, "-m", "termtosvg", *render], check=True)


def _drive(terminal: Terminal) -> dict[int, float]:
    """A person at the keys: look, pause, try a template of one's own, ask why, go on to the end.

    Returns how many seconds are looked at what had arrived by so many reads. They are put in
    afterwards: a machine that is slow, or at work elsewhere, makes the same recording.
    """
    looks: dict[int, float] = {}

    def look(seconds: float, *shown: str) -> None:
        """Wait for what is to be seen, and for the end of its painting."""
        terminal.wait_for(*shown)
        for _ in range(SETTLES):  # while a run goes on, there is always more
            at = len(terminal.arrivals)
            time.sleep(SETTLED)
            if at == len(terminal.arrivals):
                break
        looks[len(terminal.arrivals)] = seconds

    look(2, "step 2/")
    terminal.press("space")
    terminal.wait_for("paused")
    terminal.press("i")
    look(1, "inject templates")
    typed = ""
    for letter in OWN:
        typed += letter
        terminal.send(letter)
        look(0.05, typed.rstrip())
    look(1, "Can be scored.")
    terminal.press("enter")
    look(2, "human")  # the list has it
    for key, title, whole in (("w", "why did it win", "McNemar"), ("S", "steering over", "alpha")):
        terminal.press(key)
        look(3, title, whole)
        terminal.press("escape")
        terminal.wait_gone(title)
    terminal.press("space")
    look(3, "finished", "ensemble")
    terminal.press("q")
    terminal.wait_exit()
    return looks


def _as_cast(terminal: Terminal, looks: dict[int, float]) -> str:
    """What arrived and when, as asciicast 2: a heading, then a line for each read."""
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "glov demo"}
    lines, at, before, place = [json.dumps(header)], 0.0, terminal.started_at, 0
    decode = codecs.getincrementaldecoder("utf-8")().decode  # a letter may come in two reads
    for read, (arrived, size) in enumerate(terminal.arrivals):
        at += looks.get(read, min(arrived - before, LONGEST_PAUSE))
        before = arrived
        text = decode(bytes(terminal.raw[place : place + size]))
        place += size
        lines.append(json.dumps([round(at, 3), "o", text], ensure_ascii=False))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
