"""Details that stay open beside the panes, where the terminal is wide enough for both."""

from __future__ import annotations

from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.looking import LookActions
from glov_tui.cockpit.panes.beside import BesideView

WIDE = 150  # columns from which all panes and the details have room
WIDE_FOR_ONE = 100  # the same for one pane
SHARE, LEAST = 0.4, 60  # of the width, and columns, of the details beside all panes


class BesideActions(LookActions):
    """``D`` opens and closes them; they go where there is no room, and come back with it."""

    _wants_details = False

    def action_details_beside(self) -> None:
        """Open the details beside the panes, or close them."""
        self._wants_details = not self._wants_details
        if self._wants_details and not self._beside_cells():
            self._wants_details = False
            one = f", or beside one pane ({bound_key(self, 'zoom')}) from {WIDE_FOR_ONE} on"
            self.notify(
                f"Details stay open in terminals of {WIDE} columns{one}. Enter opens them here.",
                timeout=6,
            )
            return
        if self._wants_details and not self.screen_stack[0].query(BesideView):
            folder = self.session.folder
            closes = bound_key(self, "details-beside")
            view = BesideView(self._selected, lambda: self.shown, folder, closes)
            self.screen_stack[0].query_one("#middle").mount(view)
        self._set_layout()
        self._mark_current()
        self._repaint(self.shown, by_user=True)

    def _beside_cells(self) -> int:
        """Columns of the details now; 0 where there are none."""
        width, height = self._cells
        if not self._wants_details:
            return 0
        if self._zoomed or width < 80 or height < 24:
            return width // 2 if width >= WIDE_FOR_ONE else 0
        return max(LEAST, round(SHARE * width)) if width >= WIDE else 0

    def _set_layout(self) -> None:
        self._beside = self._beside_cells()
        super()._set_layout()
        for view in self.screen_stack[0].query(BesideView):
            had_focus = view.has_focus
            if self._find_line is not None and self._wants_details:
                self._find_line.give_room(view, self._beside > 0)
            view.display = self._beside > 0
            if self._beside:
                view.styles.width = self._beside
                self.call_after_refresh(view.look)
            elif had_focus:
                self._focus_current()
