"""Details of a template: what it made of images, with pictures where the terminal can show any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from engine.analysis.image_predictions import Confusion, ImageSample, LookedAt
from engine.common.kept import Kept
from engine.session.local import LocalSession
from engine.session.replay import ReplaySession
from engine.storage.journal import read_state
from glov_tui.cockpit.app import GlovApp
from glov_tui.cockpit.image_samples import image_lines
from glov_tui.cockpit.screens.details import DetailsScreen
from glov_tui.widgets.spans import Line
from glov_tui.widgets.text_view import TextView
from tests.support.patience import until
from tests.support.sessions import settle
from tests.support.small_runs import demo, drive
from tests.support.tiny_llava import save_tiny_llava

HERE = Path(__file__)


def sample(
    name: str, predicted: str | None, answer: str | None = None, file: Path | None = HERE
) -> ImageSample:
    taken = None if predicted is None else 0.75
    return ImageSample(f"train/{name}/1.png", file, name, 0.125, predicted, taken, answer)


def looked(*samples: ImageSample, unseen: str | None = None) -> LookedAt:
    wrong = sum(not one.is_right for one in samples)
    confusions = (Confusion("cup", "bell\x1b[2J", 3, 5), Confusion("cup", None, 1, 5))
    return LookedAt(len(samples) - wrong, len(samples), samples, confusions, unseen)


def text(lines: list[Line]) -> str:
    return "\n".join("".join(part for part, _ in line) for line in lines)


CUP, BELL = sample("cup", "bell", "a bell, or so"), sample("bell", "bell")
DRAWN: Line = tuple([("▀", "#000000 #ffffff")] * 14)


def test_truth_prediction_answer_and_file_stand_beside_the_picture() -> None:
    lines = image_lines(looked(CUP, BELL), {CUP.path: [DRAWN] * 7}, 92, (14, 7))
    shown = text(lines)
    first = next(line for line in lines if line[:1] == DRAWN[:1])
    assert text([first]).startswith("▀" * 14 + " cup 12% ")
    assert "bell 12%  right" in text([first])  # the other one, beside it
    assert "taken for bell 75%" in shown and 'answer: "a bell, or so"' in shown
    assert "train/cup/1.png" in shown
    assert "1 of 2 wrong" in shown
    assert all(cell_len(text([line])) <= 92 for line in lines)


def test_without_pictures_names_stand() -> None:
    shown = text(image_lines(looked(CUP, BELL), {}, 92, None))
    assert "cup 12%  taken for bell 75%  train/cup/1.png" in shown
    assert "▀" not in shown
    gone = looked(CUP, BELL, unseen="the images were in /x, which is not there")
    shown = text(image_lines(gone, {}, 92, (14, 7)))
    assert "names only: the images were in /x, which is not there" in shown


def test_an_image_that_cannot_be_read_says_why() -> None:
    shown = text(image_lines(looked(CUP), {CUP.path: "it is \x1b[2J broken"}, 92, (14, 7)))
    assert "train/cup/1.png it is \ufffd[2J broken" in " ".join(shown.split())


def test_confused_classes_are_counted_and_harmless() -> None:
    shown = text(image_lines(looked(CUP), {}, 92, None))
    assert "3 of 5   cup taken for bell\ufffd[2J" in shown
    assert "1 of 5   cup taken for no class" in shown


@pytest.mark.parametrize("width", [44, 68, 92, 140])
@pytest.mark.parametrize("box", [None, (14, 7)])
def test_long_texts_stay_within_the_width(width: int, box) -> None:
    long = sample("a very long name of a class " * 3, None, "word " * 200)
    wide = sample("漢字" * 20, "漢字" * 20)
    lines = image_lines(looked(long, wide, CUP), {long.path: [DRAWN] * 3}, width, box)
    shown = text(lines)
    cards = shown.partition("wrong ones first")[2].split("\n")[1:]
    assert all(cell_len(line) <= width for line in cards)
    assert "…" in shown and len(lines) < 60


# -- in the cockpit -------------------------------------------------------------------------


async def opened(pilot: Pilot[Any], wanted: str) -> str:
    """The details of the best template, once they say this."""
    await settle(pilot)
    await pilot.press("end")
    await settle(pilot)
    await pilot.press("enter")
    assert isinstance(pilot.app.screen, DetailsScreen)
    view = pilot.app.screen.query_one(TextView)
    await until(lambda: wanted in view.plain, f"{wanted!r} in the details")
    return view.plain


async def test_a_replay_shows_what_its_templates_made_of_images(undisturbed: Path) -> None:
    app = GlovApp(ReplaySession.open(undisturbed))
    best = read_state(undisturbed).ranking[0]
    async with app.run_test(size=(120, 40)) as pilot:
        shown = await opened(pilot, "▀")
        assert f"{best.n - best.hits} of {best.n} wrong" in shown
        assert "most confused classes" in shown and "train/" in shown
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "▀" in app.screen.query_one(TextView).plain
        await pilot.press("escape")
        assert not isinstance(app.screen, DetailsScreen)


async def test_without_colours_names_stand(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = GlovApp(ReplaySession.open(undisturbed))
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await opened(pilot, "wrong ones first")
        assert "▀" not in shown and "taken for" in shown and ".png" in shown


async def test_a_dialog_that_is_closed_at_once_leaves_nothing_behind(undisturbed: Path) -> None:
    app = GlovApp(ReplaySession.open(undisturbed))
    async with app.run_test(size=(80, 24)) as pilot:
        for _ in range(3):
            await settle(pilot)
            await pilot.press("enter", "escape")
        await pilot.pause()
        assert app.return_code in (None, 0) and len(app.screen_stack) == 1


async def test_a_run_of_an_encoder_decoder(tmp_path: Path, kept: Kept) -> None:
    model = save_tiny_llava(tmp_path / "llava")
    config = demo(
        "steps=0",
        "vlm.kind=encoder-decoder",
        f"vlm.model={model}",
        "vlm.precision=fp32",
        "seed_template=What is shown?",
    )
    folder = tmp_path / "run"
    state = drive(LocalSession.create(config, folder, kept=kept))
    assert state.status == "finished", state.error
    app = GlovApp(ReplaySession.open(folder))
    async with app.run_test(size=(120, 40)) as pilot:
        shown = await opened(pilot, "▀")
        assert state.seed is not None
        assert f"{state.seed.n - state.seed.hits} of {state.seed.n} wrong" in shown


async def test_pictures_are_small_on_a_slow_line(undisturbed: Path) -> None:
    wide, small = [], []
    for found, kib in ((wide, 12.0), (small, 5.0)):
        app = GlovApp(ReplaySession.open(undisturbed), kib_per_second=kib)
        async with app.run_test(size=(120, 40)) as pilot:
            found += [line.count("▀") for line in (await opened(pilot, "▀")).splitlines()]
    assert max(wide) == 4 * max(small) or max(wide) == 2 * max(small)
