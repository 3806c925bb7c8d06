"""The whole configuration of the run: read, searched and copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine.run.state import RunState
from glov_tui.cockpit.config_lines import Key, config_lines, config_text
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.common.glyphs import Glyphs
from glov_tui.widgets.find_line import FindLine
from glov_tui.widgets.item_view import ItemView
from glov_tui.widgets.key_bar import KeyBar

LOOK_SECONDS = 1.0  # between two looks at whether something was edited
ABOUT = "bold: not the default; edits stand below their key"


class ConfigScreen(Dialog[None]):
    """Every key with its value, its default where that is another, and who edited it when."""

    OPENED_BY: ClassVar[str] = "configuration"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "end_find", "End search", key_display="esc", tooltip="End the search"),
        Binding("escape,q", "dismiss(None)", "Close", key_display="esc"),
        Binding("slash", "find", "Find", key_display="/", tooltip="Look for a text"),
        Binding("n", "go(1)", "Next place", tooltip="The next place of what is looked for"),
        Binding("N", "go(-1)", "Before", key_display="N", tooltip="The place before it"),
        Binding("y", "copy", "Copy key", tooltip="Copy the key as --set takes it (OSC 52)"),
        Binding("Y", "copy_all", "Copy all", key_display="Y", tooltip="Copy all as a TOML file"),
    ]
    DEFAULT_CSS = """
    ConfigScreen { align: center middle; }
    ConfigScreen > ItemView {
        width: 94%; max-width: 150; height: 1fr; border: round $accent;
        padding: 0 1; background: $surface;
    }
    """

    def __init__(self, state: Callable[[], RunState], glyphs: Glyphs) -> None:
        """``state`` gives the state that is shown now."""
        super().__init__()
        self._state = state
        self._glyphs = glyphs
        self._shown: RunState | None = None
        self._keys: list[Key] = []

    def compose(self) -> ComposeResult:
        """The keys over the line of a search."""
        yield ItemView(self._glyphs.changed)
        yield FindLine()
        yield KeyBar()

    def on_mount(self) -> None:
        """Fill it, and follow edits."""
        self._view.say_what_is_below(self._view, ABOUT)
        self._view.focus()
        self.watch(self, "focused", self._focus_moved, init=False)
        self._show()
        self.set_interval(LOOK_SECONDS, self._show)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape ends a search first; n and N need one."""
        if action in ("end_find", "go"):
            return any(line.is_open for line in self.query(FindLine))
        return True

    @property
    def _view(self) -> ItemView:
        return self.query_one(ItemView)

    def _show(self) -> None:
        state, before = self._state(), self._shown
        if before is not None and _said(state) == _said(before):
            return
        self._shown = state
        lines, begins, self._keys = config_lines(state)
        if not lines:
            lines = [(("The configuration is shown here once the run has begun.", "dim"),)]
        self._view.heading = f"configuration: {len(self._keys)} keys"
        self._view.set_items(lines, begins)

    def action_find(self) -> None:
        """Look for a text."""
        self.query_one(FindLine).begin(self._view)

    def action_go(self, by: int) -> None:
        """The next place, or the one before."""
        self.query_one(FindLine).go(by)

    def action_end_find(self) -> None:
        """End the search: back to the old place while it is typed, else here."""
        line = self.query_one(FindLine)
        line.end(back=line.is_typing)

    def _focus_moved(self, focused: Widget | None) -> None:
        self.query_one(FindLine).focus_went_to(focused)

    @on(FindLine.Changed)
    def _find_changed(self) -> None:
        self.refresh_bindings()

    def action_copy(self) -> None:
        """Copy the key under the cursor."""
        at = self._view.cursor
        if at is None:
            return
        key = self._keys[at]
        if key.value is None:
            self.notify(f"{key.name} is not set: there is nothing to copy.", timeout=3)
            return
        self.app.copy_to_clipboard(key.assignment)
        self.notify(f"Copied {key.name} (if the terminal takes OSC 52).", timeout=3)

    def action_copy_all(self) -> None:
        """Copy the whole configuration."""
        config = self._state().config
        if config is not None:
            self.app.copy_to_clipboard(config_text(config))
            self.notify("Copied all as TOML (if the terminal takes OSC 52).", timeout=3)


def _said(state: RunState) -> tuple[object, ...]:
    return state.config, state.edits, state.pending
