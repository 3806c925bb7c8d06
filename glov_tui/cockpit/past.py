"""Looking at a run's past: replays, earlier steps of a live run, and forks from a step."""

from __future__ import annotations

import shlex

from textual import on
from textual.widgets import Input

from engine.common.errors import UserError
from engine.run.state import RunState
from engine.session.interface import Session
from engine.session.replay import ReplaySession
from glov_tui.cockpit.actions import DRIVING, RunActions
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.keys import PAST_KEYS
from glov_tui.cockpit.panes.meta_prompt import MetaPromptPane
from glov_tui.cockpit.panes.scrubber import Scrubber
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.panes.steering import SteeringPane
from glov_tui.common.text import clean

_PAST_ACTIONS = frozenset(key.action.partition("(")[0] for key in PAST_KEYS)
_LIVE_ACTIONS = DRIVING | {"lab"}
"""Actions that are for the present of a run."""


class PastActions(RunActions):
    """What is shown is the session's state, or that of ``past`` where there is one.

    A replay is its own past; ``history`` reads the journal of a live run, whose engine goes on.
    """

    past: ReplaySession | None = None
    is_replay = False
    _plays = False  # when it was looked at last
    _said_of_past: tuple[tuple[str, ...], ReplaySession | None, int] | None = None

    def _begin_with(self, session: Session) -> None:
        self.session = session
        if isinstance(session, ReplaySession):
            self.past, self.is_replay = session, True

    @property
    def shown(self) -> RunState:
        """The state to draw."""
        return self.session.state if self.past is None else self.past.state

    @property
    def shows_all(self) -> bool:
        """Whether what is shown is the present, or the end of a replay."""
        return self.past is None or (self.is_replay and self.past.at_end)

    def past_allows(self, action: str) -> bool:
        """Whether an action is for what is shown: the present or a past."""
        if action in _PAST_ACTIONS:
            if self.past is None or action not in ("play", "hold"):
                return self.past is not None
            return self.past.playing == (action == "hold")
        if action in ("history", "tell_away"):
            return not self.is_replay
        return self.past is None or action not in _LIVE_ACTIONS

    def _takes_keys(self, action: str) -> bool:
        """Whether the keys of an action are not those of another screen, or text that is typed.

        The keys of the past come before those of the widget that has the focus.
        """
        if action not in _PAST_ACTIONS:
            return True
        return len(self.screen_stack) == 1 and not isinstance(self.focused, Input)

    def _mark_past(self) -> None:
        """Have the status line and the scrubber say what is shown."""
        screen = self.screen_stack[0]
        said: tuple[str, ...] = ()
        if self.is_replay:
            said = (self.past.label if self.past is not None else "replay",)
        elif self.past is not None:
            live, back = self.session.state, bound_key(self, "history")
            said = ("HISTORY", f"live: {live.status}, step {live.step} ({back}: back)")
        live_steps = 0 if self.is_replay else self.session.state.steps_done
        if (said, self.past, live_steps) == self._said_of_past:
            return
        self._said_of_past = (said, self.past, live_steps)
        for line in screen.query(StatusLine):  # none while the app closes
            line.past = said
        for pane in (*screen.query(SteeringPane), *screen.query(MetaPromptPane)):
            pane.past = bool(said)
        for scrubber in screen.query(Scrubber):
            scrubber.past, scrubber.live_steps = self.past, live_steps
        screen.set_class(bool(said), "-past")

    def action_history(self) -> None:
        """Look at earlier steps while the engine goes on, or at the present again."""
        if self.past is not None:
            self.past = None
        else:
            try:
                self.past = ReplaySession.open(self.session.folder)
            except UserError as error:
                self._say(error)
                return
            self.past.go_to(self.past.steps)
        self._moved()
        self.refresh_bindings()

    def action_play(self) -> None:
        """Play from here."""
        assert self.past is not None
        self.past.play()
        self._moved()

    def action_hold(self) -> None:
        """Stay where it is."""
        assert self.past is not None
        self.past.pause()
        self._moved()

    def _has_begun_or_ended_to_play(self) -> bool:
        """Whether it plays and did not before, or the other way round: by its end too."""
        plays, before = self.past is not None and self.past.playing, self._plays
        self._plays = plays
        return plays != before

    def action_go_by(self, by: int) -> None:
        """Go one step on or back."""
        assert self.past is not None
        if by > 0 and self.past.step == self.past.steps:
            self._read_news(self.past)
        self.past.go_by(by)
        self._moved()

    def action_go_to_begin(self) -> None:
        """Go to where only the seed template was scored."""
        assert self.past is not None
        self.past.go_to(0)
        self._moved()

    def action_go_to_end(self) -> None:
        """Go to the journal's end."""
        assert self.past is not None
        self._read_news(self.past)
        self.past.go_to_end()
        self._moved()

    def action_speed(self, by: int) -> None:
        """Play faster or slower."""
        assert self.past is not None
        self.past.change_speed(by)
        self._moved()

    @on(Scrubber.StepChosen)
    def _step_chosen(self, message: Scrubber.StepChosen) -> None:
        if self.past is not None:
            if message.step > self.past.steps:
                self._read_news(self.past)
            self.past.go_to(message.step)
            self._moved()

    def action_fork(self) -> None:
        """Ask for a folder, and write a fork from the step that is shown."""
        from glov_tui.cockpit.screens.fork import ForkScreen

        state = self.shown
        step = state.steps_done
        if state.test("seed") is None:
            self.notify("A run can be forked once its seed template is scored.", timeout=6)
            return
        steps = state.config.steps if state.config is not None else step
        self._open(ForkScreen(self.session.folder, step, steps, self._write_fork))

    def _write_fork(self, step: int, folder_text: str, changes: list[str]) -> str | None:
        from engine.storage.fork import write_fork
        from glov_tui.cockpit.screens.fork import fork_folder

        try:
            write_fork(self.session.folder, step, fork_folder(folder_text), changes)
        except UserError as error:
            return clean(str(error), keep_newlines=True)
        self.notify(
            clean(f"glov resume {shlex.quote(folder_text)}"),
            title=f"Forked at step {step}; start it with",
            markup=False,
            timeout=20,
        )
        return None

    def _read_news(self, past: ReplaySession) -> None:
        if self.is_replay:
            return
        try:
            past.reload()
        except UserError as error:
            self._say(error)

    def _say(self, error: UserError) -> None:
        self.notify(clean(str(error)), severity="error", markup=False, timeout=10)

    def _moved(self) -> None:
        self._repaint(self.shown, by_user=True)
