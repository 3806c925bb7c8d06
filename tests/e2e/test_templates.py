"""A template in a real terminal: why it won, in pictures, and its accuracy on the test split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.run import events as ev
from engine.run.edits import SetOption
from engine.storage.journal import read_journal, read_state
from tests.support.command import demo, stop_and_quit
from tests.support.terminal import Terminal

ENV = {"COLORTERM": "truecolor", "NO_COLOR": None}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Terminal, Path]]:
    """A run that is paused on a wide screen: whoever uses it leaves it like that."""
    folder = tmp_path_factory.mktemp("held") / "run"
    with Terminal(demo(folder, "steps=400"), columns=160, rows=45, env=ENV) as terminal:
        terminal.wait_until(
            lambda: re.search(r"step ([3-9]|\d\d+)/400", terminal.text), "two steps"
        )
        terminal.press("space")
        terminal.wait_for("paused")
        yield terminal, folder
        stop_and_quit(terminal)


def test_why_it_won_with_pictures_of_what_only_one_gets_right(held) -> None:
    terminal, _ = held
    terminal.press("2", "home", "w")
    terminal.wait_for("why did it win?", "is one better?", "McNemar's exact p", "gain and lose")
    terminal.wait_for("taken for what", "where the two see different classes")
    assert "rank 1 of" in terminal.text and "seed" in terminal.text  # the best against the seed
    for _ in range(6):
        if "images that only A" not in terminal.text:
            terminal.press("n")
    terminal.wait_for("images that only", "▀▀▀▀", "train/")
    terminal.press("p")
    terminal.wait_for("P+")
    terminal.press("escape")
    terminal.wait_gone("why did it win?")


def test_a_test_on_demand_is_a_persons_and_the_best_is_tested_every_few_steps(held) -> None:
    terminal, folder = held
    terminal.press("2", "home", "T")
    terminal.wait_for("test accuracy of this template", "You alone see test accuracies")
    terminal.press("m")
    terminal.wait_for("Only you see it: the search does not.", "which only you see")
    terminal.press("T")
    terminal.wait_for("is known")
    terminal.press("e")
    terminal.wait_for("evaluation.best_every = 5")
    terminal.press("T")
    terminal.wait_for("The best is measured every 5 steps")
    terminal.press("e")
    terminal.wait_for("evaluation.best_every = 0")
    facts = read_journal(folder).events
    tested = [e for e in facts if isinstance(e, ev.TestMeasured) and e.subject == "asked"]
    best = read_state(folder).best
    assert best is not None and [e.templates for e in tested] == [(best.text,)]
    edits = [e.edit for e in facts if isinstance(e, ev.Edited)]
    assert [SetOption(key="evaluation.best_every", value=n) for n in (5, 0)] == edits
