"""``glov steer`` on the shipped LLM: a comparison, a grid, a lens, and wrong calls."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from engine.run import events as ev
from engine.storage.journal import read_journal, read_state
from glov_tui.cockpit.lab.obstacles import steer_command
from tests.support.command import called

TEXTS = ("--positive", "a dark <category>.", "--negative", "a <category>.")
PROMPT = ("--prompt", "Write a template.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two steps."""
    folder = tmp_path_factory.mktemp("steer")
    done = called("demo", "--headless", "--steps", "2", "--run-dir", "runs/r", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_comparison_of_a_run(folder: Path) -> None:
    journal = (folder / "runs/r/events.jsonl").read_bytes()
    done = called("steer", "r", "--replies", "2", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    comparison = result["comparison"]
    assert comparison["left"]["setting"]["mode"] == "off" and comparison["left"]["kl_nats"] == 0
    assert comparison["right"]["setting"]["layers"] == [3]
    assert comparison["right"]["kl_nats"] > 0
    assert [len(comparison[side]["replies"]) for side in ("left", "right")] == [2, 2]
    assert "<category>" in result["positive"] and result["positive"] != result["negative"]
    assert (folder / "runs/r/events.jsonl").read_bytes() == journal


def test_a_past_step_is_decoded_as_it_was(folder: Path) -> None:
    (step, replies) = steered_replies(folder / "runs/r")
    done = called("steer", "r", "--step", str(step), "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    sides = json.loads(done.stdout)["comparison"]
    told = [reply["text"] for reply in sides["right"]["replies"]]
    assert told == replies
    assert sides["left"]["setting"]["mode"] == "off"
    done = called("steer", "r", "--step", str(step), "--alpha", "2", "--replies", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "alpha 2" in done.stdout


def steered_replies(run: Path) -> tuple[int, list[str]]:
    """The last step that was steered, and its replies."""
    events = read_journal(run).events
    step = max(event.step for event in events if isinstance(event, ev.SteeringPrepared))
    mine = (e for e in events if isinstance(e, ev.CandidateProposed) and e.step == step)
    return step, [event.reply for event in mine]


def test_the_command_for_a_run_without_templates_to_steer_by_runs_as_it_is(folder: Path) -> None:
    done = called("demo", "--headless", "--steps", "1", "--run-dir", "runs/none", "--set",
                  "steering.mode=off", "--set", "seed=3", cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    state = read_state(folder / "runs/none")
    command = steer_command(replace(state, anchors=None), "none")
    assert command is not None and "--positive" in command
    _, *arguments = shlex.split(command)
    done = called(*arguments, "--replies", "1", cwd=folder)
    assert done.returncode == 0, done.stderr


def test_a_grid_with_fitness_and_the_lens(folder: Path) -> None:
    options = ("--layer", "1", "--layer", "3", "--alpha", "0.5", "--replies", "1")
    done = called("steer", "r", *options, "--fitness", "--lens", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    cells = result["grid"]["cells"]
    assert [(cell["layer"], cell["alpha"]) for cell in cells] == [(1, 0.5), (3, 0.5)]
    assert all(0 < cell["accuracy"] <= 1 for cell in cells if cell["templates"])
    assert [lens["layer"] for lens in result["lens"]] == list(range(6))


def test_without_a_run_as_text(tmp_path: Path) -> None:
    done = called("steer", *TEXTS, *PROMPT, "--mode", "actadd", "--replies", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "actadd, layer 3, alpha 0.5" in done.stdout
    assert "KL in nats" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((*TEXTS,), "give --prompt TEXT"),
        (("r", "--config", "demo"), "r: a run has its own configuration"),
        (("r", "--set", "seed=3"), "leave --config and --set out, or the run"),
        ((*PROMPT,), "give --positive TEXT and --negative TEXT"),
        ((*TEXTS, *PROMPT, "--mode", "sideways"), "--mode 'sideways'"),
        ((*TEXTS, *PROMPT, "--layer", "6"), "decoder layers 0 to 5"),
        ((*TEXTS, *PROMPT, "--layer", "9" * 23), "decoder layers 0 to 5"),
        ((*TEXTS, *PROMPT, "--replies", "100"), "--replies 100"),
        (("nowhere",), "nowhere"),
        (("--step", "2"), "--step 2: give the run whose step it is"),
        (("r", "--step", "2", "--seed", "0"), "--seed: --step 2 has its own"),
    ],
)
def test_wrong_calls(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = called("steer", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_wrong_with_a_steering_is_said(tmp_path: Path) -> None:
    strong = ("--alpha", "3", "--replies", "1", "--pool", "paper", "--json")
    done = called("steer", *TEXTS, *PROMPT, *strong, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (warning,) = json.loads(done.stdout)["warnings"]
    assert "steering.alpha = 3 is strong" in warning and "% of the hidden states' norm" in warning


def test_a_grid_says_how_strong_each_cell_is(tmp_path: Path) -> None:
    grid = ("--alpha", "0.25", "--alpha", "3.5", "--replies", "1")
    done = called("steer", *TEXTS, *PROMPT, *grid, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    mild, strong = (next(line for line in lines if f" {a} " in line) for a in ("0.25", "3.5"))
    assert "%!" in strong and "%!" not in mild and "% " in mild
    assert any("may break replies" in line for line in lines)
