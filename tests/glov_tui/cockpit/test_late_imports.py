"""A screen goes on where glov is replaced under it: what it needs later is there, or it says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from glov_tui.cockpit.app import GlovApp
from tests.support import ROOT
from tests.support.sessions import HeldSession, cockpit, loaded, settle

ENDING = """
import sys
from glov_tui.cockpit.late import _import
import glov_tui.commands.on_screen, glov_tui.cockpit.app
_import()
before = set(sys.modules)
import glov_tui.commands.headless
from glov_tui.cockpit.screens import (
    details, editor, export, fork, help, inject, lab, options, question
)
print(sorted(name for name in set(sys.modules) - before if name.startswith(("glov", "engine"))))
"""


def test_what_screens_and_endings_need_is_imported_before_it_is_asked_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"


async def test_a_key_whose_code_is_gone_says_so_and_the_screen_stays(
    tmp_path: Path, monkeypatch
) -> None:
    async with cockpit(HeldSession(tmp_path, *loaded()), (120, 40)) as (pilot, app):
        assert isinstance(app, GlovApp)

        def gone() -> None:
            raise ImportError("cannot import name 'HelpScreen'")

        monkeypatch.setattr(app, "action_help", gone)
        await pilot.press("question_mark")
        await settle(pilot)
        said = " ".join(str(app.query_one("KeyBar").render()).split())
        assert "glov was changed while this screen was open" in said and "HelpScreen" in said
        assert app.is_running
