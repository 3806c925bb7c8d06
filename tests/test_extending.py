"""Every recipe of docs/extending.md, made in a copy of the packages and run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import ROOT
from tests.support.forking import warm_glov
from tests.support.patience import CEILING_SECONDS
from tests.support.written_runs import write_run

PAGE = ROOT / "docs" / "extending.md"
_BLOCK = re.compile(
    r"(?:^`(?P<path>[^`\n]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_MOST_FILES = 3  # a new one, a registry, and the schema where a configuration names it


class Block(NamedTuple):
    path: str
    kind: str
    text: str


def recipes() -> dict[str, list[Block]]:
    _, *parts = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)
    return {
        part.split("\n")[0]: [
            Block(found["path"] or "", found["kind"], found["text"])
            for found in _BLOCK.finditer(part)
        ]
        for part in parts
    }


RECIPES = recipes()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the packages; the weights are linked."""
    root = tmp_path / "house"
    for package in ("engine", "glov_tui"):
        # With what is compiled; not with what another process is compiling just now.
        skipped = shutil.ignore_patterns("*.pyc.*", "weights")
        shutil.copytree(ROOT / package, root / package, ignore=skipped)
    (root / "engine/demo/weights").symlink_to(ROOT / "engine/demo/weights")
    return root


def make(house: Path, recipe: str) -> list[str]:
    """Apply a recipe; returns the arguments of its command, none where it has none."""
    command: list[str] = []
    for block in RECIPES[recipe]:
        path = house / block.path
        match block.kind:
            case "python":
                assert not path.exists(), f"{block.path} is there already"
                path.write_text(block.text, encoding="utf-8")
            case "diff":
                lines = block.text.splitlines(keepends=True)
                before = "".join(line[1:] for line in lines if line[0] in " -")
                after = "".join(line[1:] for line in lines if line[0] in " +")
                if lines[0].startswith("-"):  # the line goes on behind what the page shows of it
                    before, after = before.rstrip("\n"), after.rstrip("\n")
                text = path.read_text(encoding="utf-8")
                assert text.count(before) == 1, f"{block.path} has not once:\n{before}"
                path.write_text(text.replace(before, after), encoding="utf-8")
            case "console":
                program, *command = shlex.split(block.text.removeprefix("$ "))
                assert program == "glov"
    return command


Glovs = Callable[..., str]


@pytest.fixture
def glov(house: Path) -> Glovs:
    """Runs a command line of the copy, and gives what it prints."""

    def run(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": f"{house}{os.pathsep}{ROOT}"}
        done = warm_glov().run(arguments, house.parent, environment, house)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def result(house: Path, glov: Glovs, recipe: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(glov(*make(house, recipe)))
    return found


def events(house: Path, kind: str) -> Iterator[dict[str, Any]]:
    (journal,) = house.parent.glob("runs/*/events.jsonl")
    for line in journal.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["kind"] == kind:
            yield event


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_addition_is_one_new_file_and_lines_in_a_registry_and_the_schema(recipe: str) -> None:
    blocks = [block for block in RECIPES[recipe] if block.path]
    assert [block.kind for block in blocks].count("python") == 1
    assert 2 <= len(blocks) <= _MOST_FILES
    changed = {block.path for block in blocks if block.kind == "diff"}
    assert len(changed - {"engine/config/schema.py", "engine/config/llm.py"}) == 1


def test_an_llm_backend(house: Path, glov: Glovs) -> None:
    found = result(house, glov, "An LLM backend")
    assert any("red" in row["template"] for row in found["leaderboard"])
    (loaded,) = events(house, "models-loaded")
    assert loaded["llm"] == "echo" and loaded["llm_layers"] == 0
    # It can't be steered, which is said.
    config = next((house.parent / "runs").glob("*/config.toml"))
    arguments = ["run", str(config), "--headless", "--set", "steering.mode=last-token"]
    with pytest.raises(AssertionError, match="echo can't be steered"):
        glov(*arguments)
    texts = ("--positive", "a <category>", "--negative", "the <category>", "--prompt", "Write.")
    with pytest.raises(AssertionError, match="echo can't be steered"):
        glov("steer", *texts, "--set", "llm.kind=echo")


def test_a_family_of_vlms(house: Path, glov: Glovs) -> None:
    found = result(house, glov, "A family of VLMs")
    assert found["best"]["train_accuracy"] > found["baseline"]["train_accuracy"]
    (begun,) = events(house, "run-started")
    assert begun["config"]["seed_template"] == "What is this?"
    asked = next(events(house, "meta-prompt-composed"))["messages"]
    assert "You write questions about images" in asked[0]["content"]
    assert "Write one new question that is" in asked[-1]["content"]


def test_a_way_to_a_prediction(house: Path, glov: Glovs) -> None:
    found = result(house, glov, "A way to a prediction")
    # The demo's VLM names the class that it sees; where it names none, that is counted.
    assert found["best"]["train_accuracy"] > 0.25
    assert found["best"]["train_unnamed"] < found["best"]["train_images"] / 2
    (begun,) = events(house, "run-started")
    assert begun["config"]["vlm"]["answer"] == "mention"
    (journal,) = house.parent.glob("runs/*/events.jsonl")
    # It is taken for a way that writes answers, without a word of it anywhere else.
    assert "vlm.max_new_tokens can make no difference" not in journal.read_text(encoding="utf-8")


def test_a_data_set(house: Path, glov: Glovs) -> None:
    result(house, glov, "A data set")
    (loaded,) = events(house, "models-loaded")
    assert loaded["class_names"] == ["blue", "green", "red", "yellow"]
    assert loaded["train_size"] == 8
    assert "colours" in json.loads(glov("datasets", "--json"))


def test_a_search(house: Path, glov: Glovs) -> None:
    found = result(house, glov, "A search")
    assert found["steps"] == 2
    asked = list(events(house, "meta-prompt-composed"))
    assert not any(event["worst"] for event in asked) and len(asked[-1]["best"]) > 1


def test_a_steering_mode(house: Path, glov: Glovs) -> None:
    found = result(house, glov, "A steering mode")
    assert "noise" in json.dumps(found)


PILOT = """
import asyncio, tempfile
from pathlib import Path
from glov_tui.cockpit.app import GlovApp
from tests.support.sessions import HeldSession, loaded, one_step, settle


async def main() -> None:
    session = HeldSession(Path(tempfile.mkdtemp()), *loaded(), *one_step(1, {"my <category>": 7}))
    app = GlovApp(session)
    async with app.run_test(size=(200, 50)) as pilot:
        await settle(pilot)
        pane = app.query_one("#counts")
        assert pane.display and pane.size.height > 5, pane.size
        await pilot.press("1")
        assert app.focused is pane, app.focused
        rows = ["".join(s.text for s in strip) for strip in app.screen._compositor.render_strips()]
        for text in ("llm: 1", "seed: 1"):
            assert any(text in row for row in rows), rows
        await pilot.press("7")
        assert app.focused.id == "log", app.focused


asyncio.run(main())
"""


def test_an_export_format(house: Path, glov: Glovs) -> None:
    assert make(house, "An export format") == []
    run = write_run(house.parent / "one")
    assert glov("export", str(run), "--format", "text", "--out", "-") == "t\n"
    path = glov("export", str(run), "--format", "text").strip()
    assert path == str(run / "exports" / "one.txt") and Path(path).read_text() == "t\n"


def test_a_pane(house: Path) -> None:
    assert make(house, "A pane") == []
    done = subprocess.run(
        [sys.executable, "-c", PILOT],
        cwd=house.parent,
        env={**os.environ, "PYTHONPATH": f"{house}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=CEILING_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
