"""The screens of what the engine measures, and of what it tries: steering, the lab, its machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glov_tui.cockpit.attached import AttachedActions
from glov_tui.common.glyphs import ASCII, UNICODE

if TYPE_CHECKING:
    from glov_tui.cockpit.lab.settings import LabValues


class MeasuredActions(AttachedActions):
    """Opens them; they show what the cockpit shows, a past too, but for the lab."""

    _lab_values: LabValues | None = None

    def action_lab(self) -> None:
        """Open the steering lab."""
        from glov_tui.cockpit.lab.settings import LabValues
        from glov_tui.cockpit.screens.lab import LabScreen

        if self._lab_values is None:
            self._lab_values = LabValues()
        values, ascii_only = self._lab_values, self.ascii_only
        lab = LabScreen(self.session, self._send, self._drives, self._edit, values, ascii_only)
        self._open(lab)

    def action_steering_over_time(self) -> None:
        """Show the map of layers by steps."""
        from glov_tui.cockpit.screens.steering_over_time import SteeringScreen

        self._open(SteeringScreen(lambda: self.shown, self._open_replies, self.ascii_only))

    def _open_replies(self, step: int) -> None:
        """Show a step's replies, with and without steering."""
        from glov_tui.cockpit.screens.step_replies import Looked, StepRepliesScreen

        looked: Looked = "present"
        if self.past is not None:
            looked = "replay" if self.is_replay else "past"
        replies = StepRepliesScreen(
            self.session, self._send, self._drives, step, looked, self.ascii_only
        )
        self._open(replies)

    def _drives(self) -> bool:
        return self.has_controls

    def action_machine(self) -> None:
        """Show the engine's machine, and where the time of the steps went."""
        from glov_tui.cockpit.screens.machine import MachineScreen

        glyphs = ASCII if self.ascii_only else UNICODE
        self._open(MachineScreen(lambda: self.shown, glyphs, lambda: self.past is None))
