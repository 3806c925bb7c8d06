"""What a shell offers while a command is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.storage.run_folder import EVENTS
from engine.sweeps.plan import SWEEP
from glov_tui.commands.completion import (
    complete_dataset,
    complete_key,
    complete_preset,
    complete_run,
    complete_run_or_sweep,
)


def offered(typed: str, folder: Path) -> list[str]:
    """What bash is given for a command line that ends in the word to complete."""
    environment = {
        **os.environ,
        "_GLOV_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
        "GLOV_RUNS_DIR": str(folder),
    }
    code = "import sys; sys.argv[0] = 'glov'; from glov_tui.cli import main; main()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.stdout.split()


def test_a_shell_is_given_names_of_runs(tmp_path: Path) -> None:
    for name in ("demo-one", "demo-two", "pets"):
        (tmp_path / name).mkdir()
        (tmp_path / name / EVENTS).touch()
    assert offered("glov resume demo-", tmp_path) == ["demo-one", "demo-two"]
    assert offered("glov attach lat", tmp_path) == ["latest"]


def test_the_demo_says_and_offers_its_two_vlms(tmp_path: Path) -> None:
    assert offered("glov demo --vlm ", tmp_path) == ["clip", "llava"]
    assert offered("glov demo --vlm l", tmp_path) == ["llava"]


def test_sweeps_are_offered_where_they_can_be_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, file in (("one", EVENTS), ("two", SWEEP), ("three", "notes.txt")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path))
    assert list(complete_run("")) == ["one", "latest"]
    assert list(complete_run_or_sweep("")) == ["one", "two", "latest"]
    assert list(complete_run_or_sweep("tw")) == ["two"]
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "three" / "notes.txt"))  # no folder
    assert list(complete_run_or_sweep("")) == ["latest"]


def test_keys_values_presets_and_data_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "steering.alpha=" in list(complete_key("steering.al"))
    assert "llm=" not in list(complete_key("ll"))  # a table, no key
    assert list(complete_key("steering.alpha_unit=")) == [
        "steering.alpha_unit=absolute",
        "steering.alpha_unit=relative",
    ]
    assert list(complete_key("steering.mode=cross")) == [
        "steering.mode=cross-attention",
        "steering.mode=cross-attention-all",
    ]
    assert list(complete_key("llm.trust_remote_code=t")) == ["llm.trust_remote_code=true"]
    assert list(complete_preset("cl")) == ["clip-paper"]
    assert "demo-cabinet" in list(complete_dataset("demo-"))
    monkeypatch.setenv("GLOV_RUNS_DIR", str(tmp_path / "nothing"))
    assert list(complete_run("")) == ["latest"]
