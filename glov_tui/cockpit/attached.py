"""Screens that come and go: who holds the controls of a run, and how a screen is left."""

from __future__ import annotations

import signal
import time

from textual.events import Event, Key, Paste

from engine.remote.client import RemoteSession
from engine.remote.controls import HAND_OVER_SECONDS, Controls
from engine.remote.messages import AskForControls, GiveControls, KeepControls, StillHere
from engine.run.commands import Command, Stop
from engine.run.state import ENDED
from engine.storage.run_folder import run_argument
from glov_tui.cockpit.actions import DRIVING
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.past import PastActions
from glov_tui.common.text import clean
from glov_tui.terminal.pastes import pasted

LEAVE_SECONDS = 5.0  # to wait for the engine's next safe point
CTRL_C_SECONDS = 3.0
SAY_HERE_SECONDS = 2.0  # at most that often
_NEEDS_CONTROLS = DRIVING | {"lab"}
_CONTROLS = frozenset(["ask_for_controls", "give_controls", "keep_controls"])


class AttachedActions(PastActions):
    """Asking for the controls, giving and keeping them; detaching and stopping.

    Only a ``RemoteSession`` can be watched from elsewhere; others are this screen's own.
    """

    is_leaving = False  # the run was told to stop
    _ctrl_c_at = float("-inf")
    _said_here_at = float("-inf")
    _known_controls: Controls | None = None

    @property
    def remote(self) -> RemoteSession | None:
        """The session, if its engine is in another process."""
        return self.session if isinstance(self.session, RemoteSession) else None

    @property
    def refused(self) -> str | None:
        """Why no engine could be started, if none could."""
        return self.remote.refused_start if self.remote is not None else None

    @property
    def has_controls(self) -> bool:
        """Whether this screen may drive the run; the first one may before it is connected."""
        remote = self.remote
        return remote is None or remote.controls is None or remote.controls.holder == remote.number

    def attached_allows(self, action: str) -> bool:
        """Whether an action is for a screen that has the controls, or for one that has not."""
        if action in _CONTROLS:
            controls = self.remote and self.remote.controls
            if not controls or self.session.ended:
                return False
            if action == "ask_for_controls":
                return not self.has_controls
            return self.has_controls and bool(controls.asking)
        return self.has_controls or action not in _NEEDS_CONTROLS

    def may_drive(self) -> bool:
        """Whether there is an engine to drive and this screen has the controls.

        Says so where there is none, and asks for them where it has not.
        """
        if self.session.ended or self.session.state.status in ENDED:
            self.notify(
                "The run has ended. What you typed stays here until you close it.",
                severity="warning",
                timeout=8,
            )
            return False
        if self.has_controls:
            return True
        self.action_ask_for_controls()
        return False

    def _send(self, command: Command) -> None:
        if self.may_drive():
            super()._send(command)

    def action_ask_for_controls(self) -> None:
        """Ask for the controls; they come at once where nobody holds them."""
        assert self.remote is not None and self.remote.controls is not None
        self.remote.send(AskForControls())
        holder = clean(self.remote.controls.name(self.remote.controls.holder))
        self.notify(
            f"{holder} has the controls and is asked for them. They come when no key is pressed "
            f"there for {HAND_OVER_SECONDS:.0f} s.",
            markup=False,
            timeout=6,
        )

    def action_give_controls(self) -> None:
        """Give the controls to whoever asked first."""
        assert self.remote is not None
        self.remote.send(GiveControls())

    def action_keep_controls(self) -> None:
        """Turn down who asked for the controls."""
        assert self.remote is not None
        self.remote.send(KeepControls())

    def _controls_changed(self) -> bool:
        """Look at who watches now; say what has changed, and return whether anything has."""
        remote = self.remote
        if remote is None or remote.controls is self._known_controls:
            return False
        before, now, me = self._known_controls, remote.controls, remote.number
        self._known_controls = now
        for line in self.screen_stack[0].query(StatusLine):  # none while the app closes
            line.attached = _described(now, me) if now is not None else ""
            line.engine_pid = remote.engine_pid
        self.refresh_bindings()
        if now is None:
            return True
        if before is None:
            if now.holder != me:
                self._tell(f"{clean(now.name(now.holder))} has the controls. c asks for them.")
        elif before.holder != now.holder:
            mine = now.holder == me
            who = "You have" if mine else f"{clean(now.name(now.holder))} has"
            self._tell(f"{who} the controls now.")
        elif me in before.asking and me not in now.asking:
            self._tell(f"{clean(now.name(now.holder))} keeps the controls.")
        new = [n for n in now.asking if before is None or n not in before.asking]
        if now.holder == me and new:
            self.bell()
            first = "" if self.screen is self.screen_stack[0] else "close this first, then "
            self._tell(
                f"{clean(now.name(new[0]))} asks for the controls: {first}c gives, C keeps them. "
                f"They go when no key is pressed for {HAND_OVER_SECONDS:.0f} s."
            )
        return True

    async def on_event(self, event: Event) -> None:
        """Any key says that somebody is here, and does not lose the controls for not answering.

        What is pasted is shown as what it is, in whatever field.
        """
        if isinstance(event, Paste):
            event.text = pasted(event.text)
        if isinstance(event, Key) and self.has_controls and self._is_asked:
            now = time.monotonic()
            if now - self._said_here_at >= SAY_HERE_SECONDS and self.remote is not None:
                self._said_here_at = now
                self.remote.send(StillHere())
        await super().on_event(event)

    @property
    def _is_asked(self) -> bool:
        return self._known_controls is not None and bool(self._known_controls.asking)

    def _tell(self, text: str) -> None:
        self.notify(text, title="Controls", markup=False, timeout=5)

    # -- leaving -----------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Quit; asks first where that may stop the run."""
        from glov_tui.cockpit.screens.question import QuestionScreen

        if self.session.ended or not self.has_controls or self.session.state.status in ENDED:
            self.exit()
            return

        def answered(answer: str | None) -> None:
            if answer == "s":
                self.leave()
            elif answer == "d":
                self.exit()

        stop = "Stop and quit"
        self.clear_notifications()  # they would lie on the question where the screen is small
        if self.remote is None:
            question = "Stop the run and quit? Nothing is lost: it can be resumed."
            self._open(QuestionScreen(question, {"n": "Stay", "s": stop}), answered)
            return
        name = run_argument(self.session.folder)
        question = (
            "Detach, and the run goes on without a screen, or stop it?\n\n"
            f"Detached: glov attach {name}\nStopped: glov resume {name}"
        )
        answers = {"n": "Stay", "d": "Detach", "s": stop}
        self._open(QuestionScreen(question, answers), answered)

    def _told(self, number: signal.Signals) -> None:
        """A hang-up ends the screen and not the run; SIGTERM ends both where they began as one."""
        if number == signal.SIGHUP:
            self.exit()
        else:
            self._end()

    def action_help_quit(self) -> None:
        """Ctrl+c: the first asks for a second, the second leaves."""
        now = time.monotonic()
        if self.is_replay or now - self._ctrl_c_at < CTRL_C_SECONDS:
            self._end()
        else:
            self._ctrl_c_at = now
            what = "stop the run and quit" if self._stops_with_me else "detach; the run goes on"
            self.notify(f"Press ctrl+c again to {what}.", timeout=CTRL_C_SECONDS)

    @property
    def _stops_with_me(self) -> bool:
        return self.has_controls and (self.remote is None or self.remote.starts_engine)

    def _end(self) -> None:
        if self._stops_with_me:
            self.leave()
        else:
            self.exit()

    def leave(self) -> None:
        """Stop the engine at its next safe point, then exit."""
        if self.is_leaving or self.session.ended:
            self.exit()
            return
        self.is_leaving = True
        self._send(Stop())
        self.set_timer(LEAVE_SECONDS, self.exit)  # a model that hangs must not keep the screen

    async def action_quit(self) -> None:
        """Textual's own quit keys and commands ask as ours do."""
        self.action_leave()


def _described(controls: Controls, me: int | None) -> str:
    """A field for the status line, empty while nobody else is there."""
    holder = clean(controls.name(controls.holder))
    if controls.holder == me:
        if controls.asking:
            asker = clean(controls.name(controls.asking[0]))
            return f"{asker} asks for the controls (c: give, C: keep)"
        return f"{len(controls.screens)} screens" if len(controls.screens) > 1 else ""
    if me in controls.asking:
        return f"asked {holder} for the controls"
    return f"watching, {holder} has the controls (c: ask)"
