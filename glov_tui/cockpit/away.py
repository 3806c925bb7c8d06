"""Telling a person who looks elsewhere, by the terminal: news of the run, and its progress.

What the engine tells by a program or an address of the user's, it tells by itself; the key turns
off both, by a mark in the run's folder (``engine.storage.quiet``).
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.common.errors import UserError
from engine.common.ownership import why_denied
from engine.run.state import RunState
from engine.storage.quiet import is_quiet, set_quiet
from glov_tui.cockpit.noting import NoteActions
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.common.text import clean
from glov_tui.terminal.telling import (
    ProgressState,
    TmuxClient,
    Told,
    ask_tmux,
    notification,
    progress_sequence,
    what_it_takes,
    what_tmux_lacks,
)
from glov_tui.terminal.tty import Terminal, tell_terminal

if TYPE_CHECKING:
    from engine.config.notify import NotifyConfig
    from engine.run.news import News, Watch

LOOK_SECONDS = 1.0
"""How often it is looked whether another screen has turned it off or on."""


@dataclass
class _Telling:
    """What is known once the user's file was read."""

    settings: NotifyConfig
    watch: Watch
    told: Told  # what the terminal takes
    client: TmuxClient | None = None
    progress: tuple[ProgressState, int] = ("clear", 0)  # that the terminal shows


class AwayActions(NoteActions):
    """Watches the run for the terminal's sake, from some time after the first paint on."""

    _terminal: Terminal | None = None
    _telling: _Telling | None = None
    _quiet = False
    _quiet_at = float("-inf")
    _told_shown: bool | None = None  # by the status line

    def _begin_telling(self) -> None:
        """Read the user's file; tmux is asked on a thread, as it may take its time."""
        if self.is_replay or self._telling is not None or not self.is_running:
            return
        from engine.config.notify import NotifyConfig, read_notify
        from engine.run.news import Watch

        try:
            settings = read_notify()
        except UserError as error:
            self.notify(clean(str(error)), title="Told when away", severity="warning", timeout=10)
            settings = NotifyConfig(on=(), progress="off", terminal="off")
        after = settings.stalled_after
        watch = Watch(self.session.state, settings.on, settings.every, stalled_after=after)
        environ = dict(os.environ) if self._terminal is not None else {}  # in a browser: none
        telling = _Telling(settings, watch, _takes(environ, settings, None))
        self._telling = telling
        self.app_resume_signal.subscribe(self, lambda _: self._forget_progress())

        def ask() -> None:
            telling.client = ask_tmux(environ)
            telling.told = _takes(environ, settings, telling.client)

        if telling.told.through == "tmux":
            threading.Thread(target=ask, name="glov-ask-tmux", daemon=True).start()

    def _tell_away(self, state: RunState) -> None:
        """Look at the run's state; at each tick of the pump."""
        telling = self._telling
        if telling is None:
            return
        now = time.monotonic()
        if now - self._quiet_at >= LOOK_SECONDS:
            self._quiet_at, self._quiet = now, is_quiet(self.session.folder)
        self._mark_told()
        news = telling.watch.look(state)
        is_away = telling.settings.always or not self.app_focus
        if news is not None and is_away and not self._quiet:
            self._notify_terminal(news)
        if telling.told.progress:
            self._show_progress(state)

    def _notify_terminal(self, news: News) -> None:
        assert self._telling is not None
        sequence = notification(self._telling.told, news.title, news.text, f"glov-{os.getpid()}")
        if sequence:
            tell_terminal(self, sequence)

    def _show_progress(self, state: RunState) -> None:
        assert self._telling is not None
        progress: tuple[ProgressState, int] = ("clear", 0) if self._quiet else progress_of(state)
        if progress != self._telling.progress:
            self._telling.progress = progress
            tell_terminal(self, progress_sequence(*progress), progress_sequence("clear"))

    def _forget_progress(self) -> None:
        if self._telling is not None:  # it was cleared when the terminal was left
            self._telling.progress = ("clear", 0)

    def _mark_told(self) -> None:
        told = None if not self._tellers() else not self._quiet
        if told == self._told_shown:
            return
        self._told_shown = told
        for line in self.screen_stack[0].query(StatusLine):  # none while the app closes
            line.told = told
            line.show(self.shown)

    def _tellers(self) -> list[str]:
        """What tells now, in words."""
        telling = self._telling
        if telling is None:
            return []
        found = []
        if telling.told.dialect is not None and telling.settings.on:
            through = f" through {telling.told.through}" if telling.told.through else ""
            found.append(f"this terminal ({_named(telling.told.dialect)}{through})")
        if telling.told.progress:
            found.append("its progress bar")
        if telling.settings.command:
            found.append("your command")
        if telling.settings.webhook is not None or telling.settings.webhook_env is not None:
            found.append("your webhook")
        return found

    def action_tell_away(self) -> None:
        """Tell nothing of this run any more, or all of it again."""
        from engine.config.user_file import user_file

        tellers = self._tellers()
        if not tellers:
            self.notify(
                "Nothing tells you here: it is not known that this terminal can. [notify] in "
                f"{user_file()} names a command, a webhook or what the terminal takes.",
                title="Told when away",
                timeout=12,
            )
            return
        try:
            set_quiet(self.session.folder, not self._quiet)
        except OSError as error:
            reason = why_denied(error, self.session.folder)
            self.notify(clean(reason), title="Told when away", severity="error")
            return
        self._quiet, self._quiet_at = not self._quiet, time.monotonic()
        self._mark_told()
        what = "off for this run" if self._quiet else f"on, by {', '.join(tellers)}"
        self.notify(f"{what}{self._hindered()}", title="Told when away", timeout=8)

    def _hindered(self) -> str:
        """What keeps tmux from passing it on."""
        client = self._telling.client if self._telling is not None else None
        lacks = "" if self._quiet else what_tmux_lacks(client)
        return f". {lacks}" if lacks else ""


def progress_of(state: RunState) -> tuple[ProgressState, int]:
    """What the tab of the terminal shows: the share of steps that are done, in percent."""
    steps = state.config.steps if state.config is not None else 0
    percent = 100 * state.steps_done // steps if steps else 0
    match state.status:
        case "loading":
            return "busy", 0
        case "running":
            return "normal", percent
        case "paused":
            return "held", percent
        case "failed":
            return "error", percent
    return "clear", 0


def _takes(environ: dict[str, str], settings: NotifyConfig, client: TmuxClient | None) -> Told:
    return what_it_takes(environ, settings.terminal, settings.progress, client)


def _named(dialect: str) -> str:
    return dialect.replace("osc", "OSC ")
