"""Make the screenshots in this folder: a real demo run, paused in step 8, and the steering lab.

python docs/screenshots.py
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path

from engine.config.toml_file import load_config
from engine.run import events as ev
from engine.run.commands import InjectTemplate, MakeEdit, Pause, Stop
from engine.run.edits import SetOption
from engine.run.state import RunState
from engine.session.local import LocalSession
from glov_tui.cockpit.app import GlovApp

HERE = Path(__file__).parent
SIZES = ((200, 50), (120, 40), (80, 24))
STEP, TOKENS = 8, 6  # pause here


async def main() -> None:
    """Run the demo to the middle of a step, with a person's edits, and take the pictures."""
    session: LocalSession | None = None
    paused = threading.Event()
    tokens = 0

    def watch(event: ev.Event, state: RunState) -> None:
        nonlocal tokens
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

    with tempfile.TemporaryDirectory() as folder:
        config = load_config("demo", ["evaluation.every=2"])
        session = LocalSession.create(config, Path(folder) / "demo", watch)
        session.start()
        await asyncio.to_thread(paused.wait)
        for width, height in SIZES:
            await take(session, width, height, "accuracy" if height < 30 else None)
        await take_lab(session, 120, 40)
        session.send(Stop())
        session.wait()


async def take(session: LocalSession, width: int, height: int, pane: str | None) -> None:
    """One picture of the cockpit at this size, as an SVG."""
    app = GlovApp(session)
    async with app.run_test(size=(width, height)) as pilot:
        if pane is not None:
            app.action_show_pane(pane)
        await pilot.pause(1.5)
        svg = app.export_screenshot(title="glov demo")
    (HERE / f"cockpit-{width}x{height}.svg").write_text(svg, encoding="utf-8")


async def take_lab(session: LocalSession, width: int, height: int) -> None:
    """The steering lab after a comparison on the paused run."""
    app = GlovApp(session)
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.press("t", "enter")
        while (tried := session.state.experiment) is None or tried.running:
            await pilot.pause(0.1)
        await pilot.pause(1.5)
        svg = app.export_screenshot(title="glov demo: steering lab")
    (HERE / f"lab-{width}x{height}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
