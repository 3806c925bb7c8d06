"""Looking for a text in the pane that has the focus, or filtering the templates.

While a search is open, keys look and never drive: n and N go from place to place, and what would
change the run does nothing.
"""

from __future__ import annotations

from textual import on
from textual.widget import Widget

from glov_tui.cockpit.actions import DRIVING
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.layout import PaneLayout
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.widgets.find_line import FindLine
from glov_tui.widgets.text_view import TextView

_OF_A_SEARCH = ("find_next", "end_find")
_DRIVING = DRIVING | {"lab", "take_controls"}
_KEYS_OF_A_FILTER = {("step_once", ()), ("anchor", ("negative",))}
"""What n and N do while the templates are not filtered."""


class FindActions(PaneLayout):
    """``/`` and what follows; the line of the search belongs to the screen of the panes."""

    _follows_focus = False

    @property
    def _find_line(self) -> FindLine | None:
        # Among the screen's children, not in all that it has: every key of the footer asks.
        within = self.screen_stack[0].children if self.screen_stack else ()
        return next((child for child in within if isinstance(child, FindLine)), None)

    @property
    def _filtered(self) -> ExamplesPane | None:
        """The list of templates, while it is filtered and has the focus."""
        pane = self._focused
        return pane if isinstance(pane, ExamplesPane) and pane.is_filtered else None

    def find_allows(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Whether an action is for what is shown: a search, a filter, or neither."""
        line = self._find_line
        searches = line is not None and line.is_open and len(self.screen_stack) == 1
        if action == "end_find":
            return searches
        if action in _OF_A_SEARCH:
            return searches or (self._filtered is not None and len(self.screen_stack) == 1)
        if searches:
            return action not in _DRIVING
        return self._filtered is None or (action, parameters) not in _KEYS_OF_A_FILTER

    def action_find(self) -> None:
        """Look for a text in the pane that has the focus; templates are filtered."""
        line, pane = self._find_line, self.screen_stack[0].focused
        if line is None or not isinstance(pane, TextView):
            self.action_show_pane("examples")
            self.screen_stack[0].query_one(ExamplesPane).start_filter()
            self.refresh_bindings()
            return
        if not self._follows_focus:
            self._follows_focus = True
            self.watch(self.screen_stack[0], "focused", self._find_focus_moved, init=False)
        names = ("find-next", "find-before", "find")
        next_one, before, other = (bound_key(self, name) for name in names)
        line.begin(pane, (next_one, before, other))

    def action_show_pane(self, name: str) -> None:
        """Go to a pane; a search whose text has no room ends with that."""
        line = self._find_line
        if line is not None and line.lost_its_view:
            line.end(back=False)
        super().action_show_pane(name)

    def action_find_next(self, by: int) -> None:
        """The next place, or the one before; of filtered templates the next row."""
        line, filtered = self._find_line, self._filtered
        if line is not None and line.is_open:
            line.go(by)
        elif filtered is not None:
            filtered.next_row(by)

    def action_end_find(self) -> None:
        """End the search: back to the old place while it is typed, else here."""
        line = self._find_line
        if line is not None:
            line.end(back=line.is_typing)

    def _find_focus_moved(self, focused: Widget | None) -> None:
        line = self._find_line
        if line is not None:
            line.focus_went_to(focused)

    @on(FindLine.Changed)
    def _find_changed(self) -> None:
        self.refresh_bindings()
