"""Screens that come and go: who holds the controls of a run, and how a screen is left."""

from __future__ import annotations

import signal
import time

from textual.events import Event, Paste

from engine.common.wording import counted
from engine.remote.client import RemoteSession
from engine.remote.controls import Controls
from engine.remote.messages import TakeControls
from engine.run.commands import Command, Stop
from engine.run.state_facts import ENDED
from engine.storage.run_folder import run_argument
from glov_tui.cockpit.actions import DRIVING
from glov_tui.cockpit.away import AwayActions
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.common.text import clean
from glov_tui.terminal.pastes import pasted

LEAVE_SECONDS = 5.0  # to wait for the engine's next safe point
CTRL_C_SECONDS = 3.0
_NEEDS_CONTROLS = DRIVING | {"lab", "test"}


class AttachedActions(AwayActions):
    """Taking the controls, and being told who has taken them; detaching and stopping.

    Only a ``RemoteSession`` can be watched from elsewhere; others are this screen's own.
    """

    is_leaving = False  # the run was told to stop
    quits = False  # all of glov is to be left, not this screen only
    _ctrl_c_at = float("-inf")
    _known_controls: Controls | None = None
    _held: bool | None = None  # whether this screen had the controls then
    _last_holder: int | None = None
    _told_of_loss: tuple[int | None, float | None] | None = None  # by ``may_drive``

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
        if action == "take_controls":
            return not (self.has_controls or self.session.ended)
        if action == "resume" and self.session.ended:
            return True  # nobody drives a run that rests
        return self.has_controls or action not in _NEEDS_CONTROLS

    def may_drive(self) -> bool:
        """Whether there is an engine to drive and this screen has the controls.

        Says so where there is none. Where another screen has them it is said who, and they are
        taken at the second time: what was typed is not to be lost, nor sent unawares.
        """
        if self.session.ended or self.session.state.status in ENDED:
            self.notify(
                "The run has ended. What you typed stays here until you close it.",
                severity="warning",
                timeout=8,
            )
            return False
        remote = self.remote
        if self.has_controls or remote is None or remote.controls is None:
            return True
        loss = (remote.controls.holder, remote.controls.taken_at)
        if self._told_of_loss == loss:
            remote.send(TakeControls())  # what is sent next comes after it
            return True
        self._told_of_loss = loss
        self._tell(f"{_who_has_them(remote.controls)}. The same key again takes them back.")
        return False

    def _send(self, command: Command) -> None:
        if self.may_drive():
            super()._send(command)

    def action_take_controls(self) -> None:
        """Take the controls; the screen that has them is told."""
        if self.remote is not None:
            self.remote.send(TakeControls())

    def _controls_changed(self) -> bool:
        """Look at who watches now; say what has changed, and return whether anything has."""
        remote = self.remote
        if remote is None or remote.controls is self._known_controls:
            return False
        now, me, held = remote.controls, remote.number, self._held
        self._known_controls = now
        take = bound_key(self, "take-controls")
        for line in self.screen_stack[0].query(StatusLine):  # none while the app closes
            line.attached = _described(now, me, take) if now is not None else ""
            line.engine_pid = remote.engine_pid
        self.refresh_bindings()
        if now is None:
            return True
        holder, self._held = now.holder, now.holder == me
        if held and not self._held:
            self.bell()
            self._tell(f"{_who_has_them(now)}. {take} takes them back.")
        elif self._held and held is False:
            self._tell("You have the controls now.")
        elif not self._held and holder != self._last_holder:
            self._tell(f"{_who_has_them(now)}. {take} takes them.")
        self._last_holder = holder
        return True

    async def on_event(self, event: Event) -> None:
        """What is pasted is shown as what it is, in whatever field."""
        if isinstance(event, Paste):
            event.text = pasted(event.text)
        await super().on_event(event)

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
            self._open(QuestionScreen("quit", question, {"n": "Stay", "s": stop}), answered)
            return
        name = run_argument(self.session.folder)
        question = (
            "Detach, and the run goes on without a screen, or stop it?\n\n"
            f"Detached: glov attach {name}\nStopped: glov resume {name}"
        )
        answers = {"n": "Stay", "d": "Detach", "s": stop}
        self._open(QuestionScreen("quit", question, answers), answered)

    def _told(self, number: signal.Signals) -> None:
        """A hang-up ends the screen and not the run; SIGTERM ends both where they began as one."""
        self.quits = True
        if number == signal.SIGHUP:
            self.exit()
        else:
            self._end()

    def action_help_quit(self) -> None:
        """Ctrl+c: the first asks for a second, the second leaves."""
        now = time.monotonic()
        if self.is_replay or now - self._ctrl_c_at < CTRL_C_SECONDS:
            self.quits = True
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


def _who_has_them(controls: Controls) -> str:
    """``pts/3 took the controls at 14:05:09``."""
    holder = clean(controls.name(controls.holder))
    if controls.taken_at is None:
        return f"{holder} has the controls"
    at = time.strftime("%H:%M:%S", time.localtime(controls.taken_at))
    return f"{holder} took the controls at {at}"


def _described(controls: Controls, me: int | None, take: str) -> str:
    """A field for the status line, empty while nobody else is there; the key takes them."""
    if controls.holder != me:
        return f"watching, {_who_has_them(controls)} ({take}: take)"
    screens = sum(one.role == "screen" for one in controls.screens)
    scripts = len(controls.screens) - screens  # some only watch
    parts = [counted(screens, "screen")] if screens > 1 else []
    return ", ".join([*parts, counted(scripts, "script")] if scripts else parts)
