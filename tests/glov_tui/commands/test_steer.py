"""``glov steer`` on the shipped LLM: a comparison, a grid, a lens, and wrong calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
