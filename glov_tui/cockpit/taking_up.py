"""A run that came to rest: it is said for as long as it rests, and one key takes it up again."""

from __future__ import annotations

from functools import partial

from engine.remote.client import SILENCE_SECONDS
from engine.run.state_facts import ENDED
from engine.session.following import FollowedSession
from engine.storage.run_folder import run_argument
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.going import GoingActions
from glov_tui.cockpit.panes.ending import Ending, EndingLine
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.runs.opening import take_up
from glov_tui.common.text import clean


class TakingUpActions(GoingActions):
    """``resume`` goes on after a pause, and with a run whose engine has ended."""

    @property
    def can_take_up(self) -> bool:
        """Whether the run rests before its last step, and this screen can lead to it going on."""
        remote = self.remote
        if self.past is not None or remote is None or self.is_leaving or self.around is None:
            return False
        return remote.ended and remote.state.status in ("stopped", "failed")

    @property
    def ending(self) -> Ending | None:
        """How the run that is shown came to rest, where it is not finished."""
        if self.is_replay and not (isinstance(self.session, FollowedSession) and self.shows_all):
            return None  # what is shown is of before
        remote, state = self.remote, self.session.state
        leave = f"{bound_key(self, 'leave')} leaves"
        if remote is not None and remote.lost and not remote.ended:
            process = f"`kill {remote.engine_pid}`" if remote.engine_pid else "`kill`"
            why = (
                f"{remote.lost}. It is tried again all the time; what is shown is of before. The "
                f"run goes on: {process} ends its engine in order, and then it can be taken up."
            )
            return Ending("lost", leave, why)
        if remote is not None and remote.is_silent and not (remote.ended or state.status in ENDED):
            process = f"`kill -CONT {remote.engine_pid}`" if remote.engine_pid else "`kill -CONT`"
            why = (
                f"Nothing has come for {SILENCE_SECONDS:.0f} s, and what is shown is of before. If "
                f"it is suspended, {process} has it go on; else its machine is busy, or a library "
                "holds it. What you ask for is done when it goes on."
            )
            return Ending("silent", leave, why)
        if state.status not in ("stopped", "failed"):
            return None
        if self.can_take_up or self._opening is not None:
            ways_on = f"{bound_key(self, 'pause')} goes on, {leave}"
        else:
            ways_on = f"`glov resume {run_argument(self.session.folder)}` goes on, {leave}"
        if state.status == "stopped":
            return Ending("stopped", ways_on)
        cut_off = remote is not None and remote.interrupted
        return Ending("interrupted" if cut_off else "failed", ways_on, state.error or "")

    def show_ending(self) -> None:
        """Say it below the status line, for as long as it is so."""
        ending = self.ending
        screen = self.screen_stack[0]
        for line in screen.query(EndingLine):  # none while the app closes
            if line.say(ending):
                screen.query_one(StatusLine).ending = ending.kind if ending is not None else None
                self.refresh_bindings()
                if ending is not None and len(self.screen_stack) > 1:  # it may be covered
                    said = clean(ending.why or ending.ways_on, keep_newlines=True)
                    self.notify(said, title=ending.title, severity=ending.severity, timeout=30)

    def action_resume(self) -> None:
        """Go on after a pause; with a run that rests, in a new engine or as its screen."""
        if not self.can_take_up:
            super().action_resume()
            return
        remote = self.remote
        assert remote is not None and self.around is not None
        name = self.session.folder.name
        self.open_next(name, partial(take_up, remote, self.around.screen_name))
