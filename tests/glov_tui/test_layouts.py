"""The screen as text at each size, held against the files in layouts/.

After a wanted change, write them anew and look at the difference:

    GLOV_WRITE_LAYOUTS=1 pytest tests/glov_tui/test_layouts.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from engine import events as ev
from engine.edits import SetOption
from engine.prompt_template import normalise
from glov_tui.app import PANES, GlovApp
from tests.glov_tui.sessions import HeldSession, loaded, one_step

LAYOUTS = Path(__file__).with_name("layouts")
SIZES = ((200, 50), (120, 40), (100, 30), (80, 24))
BEST = "a <category> in blue light."


def a_run(folder: Path) -> HeldSession:
    """Two steps done, steering on, one edit that waits, stopped."""
    session = HeldSession(
        folder,
        *loaded(),
        *one_step(1, {BEST: 7, "a <category> at night.": 3}, BEST),
        ev.StepStarted(step=2),
        ev.SteeringPrepared(
            step=2,
            positive=normalise(BEST),
            negative=normalise("a photo of a <category>."),
            mode="last-token",
            pool="no-bos",
            layers=(3,),
            alpha=0.5,
            norms=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
            ratios=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
            neighbour_cosines=(0.0, 0.93, 0.9, 0.85, 0.8, -0.75),
        ),
        ev.SteeringMeasured(
            step=2,
            attempt=1,
            tokens=90,
            kl=0.31,
            changed=0.12,
            raised=((" blue", 0.12), ("\n", 0.034)),
            lowered=((" photo", -0.21), ("  ", -0.0345)),
        ),
        *one_step(2, {"a small <category> in the rain.": 7})[1:],
        ev.Edited(number=1, step=3, edit=SetOption(key="steering.alpha", value=0.75)),
        ev.RunStopped(step=2),
    )
    session.ended = True
    return session


def captured(app: GlovApp) -> str:
    """The rows of the screen, with clock times and memory made equal."""
    rows = [
        "".join(segment.text for segment in strip).rstrip()
        for strip in app.screen._compositor.render_strips()
    ]
    text = "\n".join(rows) + "\n"
    text = re.sub(r"\d\d:\d\d:\d\d", "hh:mm:ss", text)
    return re.sub(r"\d+\.\d/\d+\.\d GiB|RAM [\d.]+ GiB|[\d.]+ MiB", "memory", text)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_layout(tmp_path: Path, size: tuple[int, int]) -> None:
    app = GlovApp(a_run(tmp_path))
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.7)
        parts = [captured(app)]
        if size == (80, 24):  # one pane at a time: all of them
            for number in range(1, len(PANES) + 1):
                await pilot.press(str(number))
                await pilot.pause(0.2)
                parts.append(captured(app))
    text = "\n".join(parts)
    path = LAYOUTS / f"{size[0]}x{size[1]}.txt"
    if os.environ.get("GLOV_WRITE_LAYOUTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
