"""The arrows of the house, seen in fresh processes; and those of its tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT
from tests.support.modules import modules_after

HEAVY = {"torch", "transformers", "open_clip", "textual", "numpy", "pydantic", "PIL"}


def test_the_command_line_imports_nothing_heavy() -> None:
    assert not modules_after("import glov_tui.cli") & HEAVY


def test_the_engine_knows_no_screen() -> None:
    loaded = modules_after(
        "import engine.session.interface, engine.session.loading, engine.run.result"
    )
    assert not loaded & {"textual", "rich", "typer", "glov_tui"}


def test_models_are_imported_only_when_loaded() -> None:
    loaded = modules_after("import engine.session.interface, engine.data.demo_world.vocabulary")
    assert not loaded & {"torch", "transformers", "open_clip"}


def test_screens_over_the_cockpit_are_imported_when_they_are_opened() -> None:
    loaded = modules_after("import glov_tui.cockpit.app")
    assert not {
        name
        for name in loaded
        if name.startswith(("glov_tui.cockpit.lab", "glov_tui.cockpit.screens."))
    }


def imported(path: Path) -> Iterator[str]:
    """The modules and names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: what a relative import means is not seen"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_no_test_imports_another() -> None:
    files = list((ROOT / "tests").rglob("*.py"))
    assert len(files) > 100
    for path in files:
        for name in imported(path):
            shared = name.startswith("tests.support.") or not name.startswith("tests")
            assert shared, f"{path} imports {name}: what several tests need is in tests/support/"


def test_the_first_paint_waits_for_no_arithmetic_and_for_no_reply_patterns() -> None:
    loaded = modules_after("import glov_tui.commands.on_screen, glov_tui.cockpit.app")
    assert not loaded & {"numpy", "torch", "tomlkit", "engine.prompts.reply_patterns"}
