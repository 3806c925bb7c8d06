"""Steering over time: a screen over the cockpit with the map of layers by steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from engine.run.state import RunState
from glov_tui.cockpit.panes.pane import Pane, PaneScreen
from glov_tui.cockpit.screens.dialog import LeftOnce
from glov_tui.cockpit.steering_map import SteeringMap
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.terminal.terminal_kind import shows_shades
from glov_tui.widgets.key_bar import KeyBar


class SteeringScreen(LeftOnce[None], PaneScreen):
    """The app's pump repaints it."""

    NAME = "Steering over time"
    APP_ACTIONS: ClassVar[frozenset[str]] = frozenset(
        ["pause", "resume", "step_once", "help", "leave", "redraw"]
    )
    OPENED_BY: ClassVar[str] = "steering-over-time"
    CLOSES: ClassVar[str] = "close"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Back", tooltip="Back to the cockpit"),
        Binding(
            "enter", "replies", "Replies", tooltip="The step's replies, with and without steering"
        ),
        Binding("v", "measure", "Norm, ratio", tooltip="Shade by norm, or by ratio"),
        Binding(
            "plus,equals_sign",
            "bin(-1)",
            "Finer",
            key_display="+",
            tooltip="Fewer steps to a column",
        ),
        Binding("minus", "bin(1)", "Coarser", key_display="-", tooltip="More steps to a column"),
        Binding("0", "fit", "Fit", tooltip="All steps in view"),
    ]
    DEFAULT_CSS = """
    SteeringScreen {
        layout: vertical;
        .about { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; }
    }
    """

    def __init__(
        self,
        shown: Callable[[], RunState],
        open_step: Callable[[int], None],
        ascii_only: bool = False,
    ) -> None:
        """``shown`` is the state that the screen shows, ``open_step`` shows a step's replies."""
        super().__init__()
        self._shown = shown
        self._open_step = open_step
        self._ascii = ascii_only
        self._ready = False

    def compose(self) -> ComposeResult:
        """The map, and the keys."""
        yield Static("steering over time: layers by steps", classes="about", markup=False)
        glyphs = ASCII if self._ascii else UNICODE
        yield SteeringMap(glyphs, self._ascii, shows_shades())
        yield KeyBar()

    @property
    def _map(self) -> SteeringMap:
        return self.query_one(SteeringMap)

    def on_mount(self) -> None:
        """Show the state at once."""
        self._ready = True
        self._map.map.focus()
        self.call_after_refresh(lambda: self._map.show(self._shown()))

    def panes(self) -> Iterable[Pane]:
        """What the pump repaints."""
        if self._ready:
            yield from cast(Iterable[Pane], self.query(SteeringMap))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a map there is only the way back."""
        if action in ("measure", "replies", "bin", "fit"):
            return self._ready and self._map.selected is not None
        return True

    def action_close(self) -> None:
        """Back to the cockpit."""
        self.dismiss(None)

    def action_measure(self) -> None:
        """Shade by the other measure."""
        self._map.next_measure()

    def action_bin(self, by: int) -> None:
        """More or fewer steps to a column."""
        self._map.change_bin(by)

    def action_fit(self) -> None:
        """All steps in view."""
        self._map.fit()

    def action_replies(self) -> None:
        """As enter on the map."""
        self._map.map.action_choose()

    @on(SteeringMap.StepChosen)
    def _step_chosen(self, event: SteeringMap.StepChosen) -> None:
        event.stop()
        self._open_step(event.step)
