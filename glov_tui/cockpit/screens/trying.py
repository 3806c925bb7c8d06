"""What the screens share that try something on the models of a run that is paused."""

from __future__ import annotations

from collections.abc import Callable

from engine.run.commands import Command, EndExperiment
from engine.session.interface import Session
from engine.storage.run_folder import run_argument
from glov_tui.cockpit.panes.pane import PaneScreen
from glov_tui.cockpit.screens.dialog import LeftOnce
from glov_tui.common.text import clean


class TryingScreen(LeftOnce[None], PaneScreen):
    """What is tried ends with the screen, if it has the controls: another one's is let alone."""

    def __init__(
        self, session: Session, send: Callable[[Command], None], drives: Callable[[], bool]
    ) -> None:
        """``send`` is the app's: it shows what comes of it at once.

        ``drives``: whether this screen has the controls of the run.
        """
        super().__init__()
        self._session, self._send, self._drives = session, send, drives

    @property
    def _trying(self) -> bool:
        """Whether something is tried."""
        tried = self._session.state.experiment
        return tried is not None and tried.running and not self._session.ended

    @property
    def _may_give_up(self) -> bool:
        """Whether escape ends what is tried: who only watches leaves the screen by it."""
        return self._trying and self._drives()

    @property
    def _run(self) -> str:
        """The run as a shell takes it."""
        return clean(run_argument(self._session.folder))

    def action_give_up(self) -> None:
        """End what is being tried; what it has found so far stays."""
        self._send(EndExperiment())

    def action_close(self) -> None:
        """Back; what is being tried ends."""
        self.dismiss(None)

    def on_unmount(self) -> None:
        """However the screen is left, what is being tried ends with it."""
        if self._may_give_up:
            self._session.send(EndExperiment())
