"""What the command palette offers beside Textual's own: every action of the cockpit, and of a
screen with panes that lies over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.going import GoingActions
from glov_tui.cockpit.keys import KEYS, PAST_KEYS, with_ids
from glov_tui.cockpit.panes.pane import PaneScreen
from glov_tui.cockpit.panes.registry import PANES


def own_commands(app: GoingActions, screen: Screen[Any]) -> Iterator[SystemCommand]:
    """The actions that are possible now, on the cockpit or on the screen that lies over it."""
    over = screen if isinstance(screen, PaneScreen) else None
    for key in with_ids(KEYS if app.past is None else (*PAST_KEYS, *KEYS)):
        name = key.action.partition("(")[0]
        if not (app.past_allows(name) and app.attached_allows(name) and app.going_allows(name)):
            continue
        if name != "pane" and (over is None or name in over.APP_ACTIONS):
            title = f"{key.description} ({app.get_key_display(key)})"
            yield SystemCommand(title, key.tooltip or "", _runner(app, key.action))
    if over is None:
        came = f"What came of the last list ({bound_key(app, 'inject')})"
        yield SystemCommand("Injected templates", came, _runner(app, "injected"))
        notes = f"All notes ({bound_key(app, 'note')}, f2)"
        yield SystemCommand(notes, "The lab book", _runner(app, "lab_book"))
        for number, name in enumerate(PANES, 1):
            yield SystemCommand(
                f"Pane: {name} ({number})", "", _runner(app, f"show_pane('{name}')")
            )
        return
    for binding in screen.BINDINGS:
        if isinstance(binding, Binding):
            title = f"{over.NAME}: {binding.description} ({app.get_key_display(binding)})"
            yield SystemCommand(title, binding.tooltip or "", _runner(app, binding.action, screen))


def _runner(app: GoingActions, action: str, within: Screen[Any] | None = None) -> Any:
    async def run() -> None:
        await app.run_action(action, within)

    return run
