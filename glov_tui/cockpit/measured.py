"""The screens of what the engine measures: its machine, and its steering over time."""

from __future__ import annotations

from glov_tui.cockpit.past import PastActions
from glov_tui.common.glyphs import ASCII, UNICODE


class MeasuredActions(PastActions):
    """Opens them; they show what the cockpit shows, a past too."""

    def action_steering_over_time(self) -> None:
        """Show the map of layers by steps."""
        from glov_tui.cockpit.screens.steering_over_time import SteeringScreen

        self._open(SteeringScreen(lambda: self.shown, self._open_replies, self.ascii_only))

    def _open_replies(self, step: int) -> None:
        """Show a step's replies, with and without steering."""
        from glov_tui.cockpit.screens.step_replies import StepRepliesScreen

        is_past = self.past is not None and not self.is_replay
        self._open(StepRepliesScreen(self.session, step, self._send, is_past, self.ascii_only))

    def action_machine(self) -> None:
        """Show the engine's machine, and where the time of the steps went."""
        from glov_tui.cockpit.screens.machine import MachineScreen

        glyphs = ASCII if self.ascii_only else UNICODE
        self._open(MachineScreen(lambda: self.shown, glyphs, lambda: self.past is None))
