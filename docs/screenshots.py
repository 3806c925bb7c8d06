"""Make the pictures of the screen in this folder, from a real demo run.

python docs/screenshots.py

The cockpit at five sizes, paused in the middle of step 8; at one size what is opened from there
(the lab, why a template won, steering over time), the result at the end, and the list of runs.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.commands import InjectTemplate, MakeEdit, Pause, Resume
from engine.run.edits import SetOption
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.fork import write_fork
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.runs.home import HomeApp
from glov_tui.cockpit.runs.memory import HomeMemory

HERE = Path(__file__).resolve().parent
SIZES = ((200, 50), (120, 40), (100, 30), (80, 24), (60, 20))
SPECIAL = (100, 30)  # the size of all other pictures
STEPS, STEP, TOKENS = 10, 8, 30  # in which step, and behind how many tokens, the run is paused
SETTLED = 1.5  # seconds from when nothing changes any more


async def main() -> None:
    """Run the demo to the middle of a step, with a person's edits, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        # The runs, the theme and the colours of whoever makes them are not to be seen.
        for name in ("GLOV_RUNS_DIR", "NO_COLOR"):
            os.environ.pop(name, None)
        os.environ |= {"GLOV_CONFIG_DIR": f"{folder}/config", "TERM": "xterm-256color"}
        os.chdir(folder)
        paused, finished = threading.Event(), threading.Event()
        session = _session(Path("runs/demo"), paused, finished)
        session.start()
        await asyncio.to_thread(paused.wait)
        for size in SIZES:
            await take(GlovApp(session), "cockpit", size=size)
        await take(GlovApp(session), "why", "w")
        await take(GlovApp(session), "steering", "S")
        await take(GlovApp(session), "lab", "t", then=lambda pilot: _tried(pilot, session))
        await take(GlovApp(session), "grid", "t2", then=lambda pilot: _tried(pilot, session, "v"))
        session.send(Resume())
        await asyncio.to_thread(finished.wait)
        session.wait()
        await take(GlovApp(session), "result", "r")
        for step in (3, 5):
            write_fork(session.folder, step, Path(f"runs/from-step-{step}"))
        await take(HomeApp(HomeMemory()), "home")


def _session(folder: Path, paused: threading.Event, finished: threading.Event) -> LocalSession:
    session: LocalSession | None = None
    tokens = 0

    def watch(event: ev.Event, state: RunState) -> None:
        nonlocal tokens
        if isinstance(event, ev.RunFinished):
            finished.set()
        if session is None:  # the first event comes while it is made
            return
        if isinstance(event, ev.StepFinished) and event.step == 3:
            session.send(InjectTemplate(text="a photo of a <category> in blue light."))
        if isinstance(event, ev.StepFinished) and event.step == 5:
            session.send(MakeEdit(edit=SetOption(key="steering.alpha", value=0.75)))
        if isinstance(event, ev.TokensStreamed) and event.step == STEP:
            tokens += 1
            if tokens == TOKENS:
                session.send(Pause())
        if isinstance(event, ev.RunPaused):
            paused.set()

    config = load_config("demo", ["evaluation.every=2", f"steps={STEPS}"])
    session = LocalSession.create(config, folder, watch)
    return session


async def take(
    app: App[Any],
    name: str,
    keys: str = "",
    size: tuple[int, int] = SPECIAL,
    then: Callable[[Pilot[Any]], Any] | None = None,
) -> None:
    """One picture of an app at this size, after these keys, as an SVG."""
    async with app.run_test(size=size) as pilot:
        await pilot.pause(SETTLED)
        await pilot.press(*keys)
        if then is not None:
            await then(pilot)
        await pilot.pause(SETTLED)
        app.clear_notifications()
        await pilot.pause()
        svg = app.export_screenshot(title=f"glov: {name}")
    path = HERE / f"{name}-{size[0]}x{size[1]}.svg"
    path.write_text(svg, encoding="utf-8")


async def _tried(pilot: Pilot[Any], session: LocalSession, *keys: str) -> None:
    """An experiment of the lab, to its end."""
    before = session.state.experiment
    await pilot.press("enter")
    while (tried := session.state.experiment) is None or tried is before or tried.running:
        await pilot.pause(0.1)
    await pilot.press(*keys)


if __name__ == "__main__":
    asyncio.run(main())
