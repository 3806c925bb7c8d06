"""The screen as text at each size, held against the files in layouts/.

After a wanted change, write them anew and look at the difference:

    GLOV_WRITE_LAYOUTS=1 pytest tests/glov_tui/cockpit/test_layouts.py
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pytest

from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.run.experiment import CompareSettings, ReadLens, ScanSettings, SteeringSetting
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.panes.registry import PANES
from glov_tui.widgets import key_bar
from tests.support.sessions import (
    HeldSession,
    compared,
    lens_read,
    loaded,
    measured,
    one_step,
    settle,
    traced,
    tried,
)

LAYOUTS = Path(__file__).with_name("layouts")
SIZES = ((200, 50), (120, 40), (100, 30), (80, 24))
BEST = "a <category> in blue light."


@pytest.fixture(autouse=True)
def _notices_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a test takes: they go after some seconds, or with a key once they were seen."""
    monkeypatch.setattr(key_bar, "READ_SECONDS", math.inf)
    show = key_bar.KeyBar.show_notice

    def for_ever(bar, title, message, severity, _seconds) -> None:
        show(bar, title, message, severity, 1e6)

    monkeypatch.setattr(key_bar.KeyBar, "show_notice", for_ever)


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
async def test_layout(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    app = GlovApp(a_run(tmp_path / "run"))
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        parts = [captured(app)]
        if size == (80, 24):  # one pane at a time: all of them
            for number in range(1, len(PANES) + 1):
                await pilot.press(str(number))
                await settle(pilot)
                parts.append(captured(app))
    hold_against(f"{size[0]}x{size[1]}.txt", parts)


def hold_against(name: str, parts: list[str]) -> None:
    text = "\n".join(parts)
    path = LAYOUTS / name
    if os.environ.get("GLOV_WRITE_LAYOUTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def a_lab(folder: Path) -> HeldSession:
    """Paused after a step, with a comparison, a grid and a lens to be shown one by one."""
    steps = one_step(1, {BEST: 7, "a <category> at night.": 3}, BEST)
    edit = SetOption(key="steering.alpha", value=0.75)
    paused = (ev.Edited(number=1, step=2, edit=edit), ev.RunPaused(step=1))
    return HeldSession(folder, *loaded(), *steps, *paused)


def found() -> list[list[ev.Event]]:
    """What each of the three experiments of the lab finds."""
    setting = SteeringSetting(layers=(3,), alpha=0.5)
    off = SteeringSetting(mode="off", layers=())
    begin = ["Here", " is", " one", ":", "\n", '"', "a", " photo", " of"]
    plain = traced([*begin, " a", " <", "cat", "egory", ">", " in", " soft", " light", "."], 0.0)
    steered = traced([*begin, " one", " <", "cat", "egory", ">", " at", " 図", " night"])
    steered = steered.model_copy(update={"kl": tuple(2.0 ** (i - 10) for i in range(17))})
    replies = compared((plain, plain), (plain, steered))
    scan = ScanSettings(setting=setting, layers=(0, 2, 3, 5), alphas=(0.25, 0.5, 1.0, 2.0))
    cells = [measured(n, alpha, 0.4 + n * 0.05) for n in scan.layers for alpha in scan.alphas]
    return [
        tried(CompareSettings(left=off, right=setting, replies=2), replies),
        tried(scan, *cells),
        tried(ReadLens(), lens_read(6)),
    ]


@pytest.mark.parametrize(
    ("size", "ascii_only"), [*((size, False) for size in SIZES), ((80, 24), True)]
)
async def test_lab_layout(tmp_path: Path, size: tuple[int, int], ascii_only: bool) -> None:
    session = a_lab(tmp_path)
    app = GlovApp(session)
    app.ascii_only = ascii_only
    parts = []
    async with app.run_test(size=size) as pilot:
        await pilot.press("t")
        for number, events in enumerate(found(), 1):
            await pilot.press(str(number))
            session.apply(*events)
            await settle(pilot)
            parts.append(captured(app))
    hold_against(f"lab-{'ascii-' if ascii_only else ''}{size[0]}x{size[1]}.txt", parts)
