"""The result that is printed at the end: whole at every width."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.run import events as ev
from glov_tui.commands.headless import EXIT_DONE, conclude
from tests.support.sessions import HeldSession, loaded, one_step

BEST = "a photo of a <category>, turned upside down, in blue light, with left and right swapped."


@pytest.mark.parametrize("width", [100, 60])
def test_a_template_that_counts_twice_stands_once(
    tmp_path: Path, capsys, monkeypatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    measured = ev.TestMeasured(
        step=1, subject="ensemble", templates=("a <category>.", "the <category>.", "a <category>."),
        selection="greedy", hits=70, n=100, seconds=0.0,
        probability=0.612,
    )  # fmt: skip
    session = HeldSession(tmp_path, *loaded(), measured, ev.RunFinished(step=1))
    assert conclude(session, as_json=False) == EXIT_DONE
    printed = capsys.readouterr().out
    assert "ensemble" in printed and "(greedy)" in printed
    assert " P 61.2%" in printed
    assert printed.count("2x a <category>.") == 1 and printed.count(" the <category>.") == 1
    assert conclude(session, as_json=True) == EXIT_DONE
    ensemble = json.loads(capsys.readouterr().out)["ensemble"]
    assert ensemble["templates"] == list(measured.templates)
    assert ensemble["selection"] == "greedy"


@pytest.mark.parametrize("width", [200, 80, 60, 40])
def test_templates_and_accuracies_stand_in_few_lines(
    tmp_path: Path, capsys, monkeypatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    step = one_step(1, {BEST: 7}, BEST)
    session = HeldSession(tmp_path, *loaded(), *step, ev.RunFinished(step=1))
    assert conclude(session, as_json=False) == EXIT_DONE
    printed = capsys.readouterr().out
    words = " ".join(printed.split())
    for known in ("seed", "best", "ensemble", "few-shot", "70.0%", "45.0%"):
        assert known in words, printed
    assert "a photo of a" in words
    assert len(printed.splitlines()) < 20, printed
    if width < 80:
        assert BEST in words
