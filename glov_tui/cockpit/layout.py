"""Where the panes are: which fit, in which order, which one has the focus.

A terminal of 110x36 has room for all of them, one of 80x24 for three, a smaller one for one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, cast

from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.events import Resize
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from engine.run.state import RunState
from glov_tui.cockpit.attached import AttachedActions
from glov_tui.cockpit.panes.pane import Pane, PaneScreen
from glov_tui.cockpit.panes.registry import NUMBERS, PANES, screen_tabs

MIN_WIDTH, MIN_HEIGHT = 60, 20
NARROW, SHORT = 110, 36
"""Below this size there are three panes: the templates, the chart and one more."""


class PaneLayout(AttachedActions):
    """Lays the panes out by the size of the terminal, and moves the focus between them."""

    _cells = (80, 24)
    _drawn: RunState | None = None
    _drawn_on: Screen[Any] | None = None  # the screen at the top then
    _zoomed = False
    _beside = 0  # columns of what stands beside the panes
    _pane = "examples"
    _side = "steering"  # the third pane where three fit
    _focused: DOMNode | None = None  # the pane with the focus
    _last_focused: DOMNode | None = None  # the same, or the last one where none has it

    def on_resize(self, event: Resize) -> None:
        """Lay the panes out for another size."""
        if not self.screen_stack[0].query(f"#{PANES[0]}"):
            return  # the app was told to close before it was there
        self._cells = (event.size.width, event.size.height)
        self._set_layout()
        self._mark_current()
        self._drawn = None  # panes that come into view are drawn, also where the run says no more
        self.call_after_refresh(self._keep_focus)

    def _keep_focus(self) -> None:
        """While the terminal was too small nothing could have the focus: keys went nowhere."""
        if self.screen_stack[0].focused is None:
            self._focus_current()

    @property
    def _layout_name(self) -> str:
        """Which layout fits: wide and medium show all panes, small three, single one."""
        width, height = self._cells[0] - self._beside, self._cells[1]
        if self._zoomed or width < 80 or height < 24:
            return "single"
        if width < NARROW or height < SHORT:
            return "small"
        return "wide" if width >= 160 else "medium"

    def _order(self) -> tuple[str, ...]:
        """The panes in the order in which the layout places them."""
        if self._layout_name != "small":
            return PANES
        return ("examples", "accuracy", *(n for n in PANES if n not in ("examples", "accuracy")))

    def _is_in_view(self, name: str) -> bool:
        """Whether the layout has room for a pane."""
        if self._layout_name == "single":
            return name == self._pane
        return self._layout_name != "small" or name in ("examples", "accuracy", self._side)

    def _set_layout(self) -> None:
        width, height = self._cells
        screen = self.screen_stack[0]
        names = ("single", "small", "wide", "medium")
        classes = {f"-{name}": name == self._layout_name for name in names}
        classes["-too-small"] = width < MIN_WIDTH or height < MIN_HEIGHT
        screen.update_classes(classes)  # in one: for each all there is would be styled anew
        for box in screen.query("#panes"):  # none before the first layout
            order = self._order()
            if [child.id for child in box.children] != list(order):
                box.sort_children(key=lambda child: order.index(child.id or ""))

    def _mark_current(self) -> None:
        if self._pane not in ("examples", "accuracy"):
            self._side = self._pane
        screen = self.screen_stack[0]
        for name in PANES:
            pane = screen.query_one(f"#{name}")
            if pane.display != self._is_in_view(name):
                pane.display = not pane.display  # not by a class: all in it would be styled anew
        tabs = screen_tabs(self._pane, self._cells[0])
        self.screen_stack[0].query_one("#tabs", Static).update(tabs, layout=False)

    def _panes(self) -> Iterable[Pane]:
        """The panes in view: of the screens from the top down to one that hides the others."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, PaneScreen):
                yield from screen.panes()
            elif screen is self.screen_stack[0]:
                for name in ("status", "best", "machine", "scrubber", *PANES):
                    with contextlib.suppress(NoMatches):  # while the app closes
                        widget = screen.query_one(f"#{name}")
                        if widget.display:
                            yield cast(Pane, widget)
            if not screen.is_modal:
                return

    def action_show_pane(self, name: str) -> None:
        """Go to a pane, and show it where only one fits."""
        self._pane = name
        self._mark_current()
        self._focus_current()
        self._repaint(self.shown, by_user=True)

    def _focus_current(self) -> None:
        widget = self.screen_stack[0].query_one(f"#{self._pane}")
        within = [widget, *widget.query("RowTable, HBars")]
        next(target for target in within if target.can_focus).focus()

    def _focus_moved(self, focused: Widget | None) -> None:
        """Mark the pane that has the focus; tab and the mouse choose a pane as well.

        By a class: for ``:focus-within`` Textual styles all that is in both panes anew.
        """
        within = () if focused is None else focused.ancestors_with_self
        before, pane = self._focused, next((node for node in within if node.id in PANES), None)
        if pane is before:
            return
        self._focused = pane
        self._last_focused = pane if pane is not None else before
        for node in (before, pane):
            if node is not None:
                node.set_class(node is pane, "-focused", update=False)
                self.stylesheet.update_nodes([node])
        if pane is not None and pane.id is not None and pane.id != self._pane:
            self._pane = pane.id
            self._mark_current()

    def action_zoom(self) -> None:
        """Show one pane only, or all that fit."""
        if not self._zoomed and self._layout_name == "single":
            self.notify("Only one pane fits in this terminal.", timeout=3)
            return
        self._zoomed = not self._zoomed
        self._set_layout()
        self._mark_current()
        self._repaint(self.shown, by_user=True)

    def on_key(self, event: Any) -> None:
        """A number goes to a pane."""
        if event.key in NUMBERS and len(self.screen_stack) == 1:
            self.action_show_pane(PANES[int(event.key) - 1])
