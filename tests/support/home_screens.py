"""What tests of home need: some runs, and what the screen says."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Static

from engine.storage.run_folder import EVENTS
from glov_tui.cockpit.runs.home import HomeApp
from glov_tui.widgets.key_bar import KeyBar
from glov_tui.widgets.row_table import RowTable
from tests.support.written_runs import write_run


def some_runs(folder: Path) -> None:
    write_run(folder / "one", curve=(40, 60))
    write_run(folder / "two", "data.dataset=demo-harbour", curve=(40, 70))
    write_run(folder / "cut", curve=(50,), finished=False)
    write_run(folder / "broken")
    (folder / "broken" / EVENTS).write_text('{"a": "\\u001b[2J"}\n')


def shown(app: HomeApp) -> str:
    screen = app.screen_stack[0]
    table = screen.query_one(RowTable)
    parts = [str(widget.content) for widget in screen.query(Static) if widget.display]
    return "\n".join([*parts, *(table.line(at) for at in range(len(table.keys)))])


def names(app: HomeApp) -> list[str]:
    return [Path(key).name for key in app.screen_stack[0].query_one(RowTable).keys]


def keys_of(app: HomeApp) -> str:
    return str(app.screen.query_one(KeyBar).content)
