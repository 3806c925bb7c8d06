"""What is done to runs from home: opened, taken up, stopped, forked, compared, charted, deleted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.screen import Screen

from engine.analysis.listed_run import ListedRun
from engine.analysis.run_list import Listing
from engine.common.errors import UserError
from engine.common.wording import counted, listed
from glov_tui.cockpit.runs.live_table import LiveTableApp
from glov_tui.cockpit.runs.memory import HomeMemory
from glov_tui.cockpit.runs.opening import (
    OpensRuns,
    begin_demo,
    open_run,
    replay_run,
    resume_run,
)
from glov_tui.common.text import clean, cut
from glov_tui.widgets.row_table import RowTable

if TYPE_CHECKING:
    from engine.sweeps.deleting import Loss

POLL_SECONDS = 0.05
_ON_A_ROW = {"mark", "resume", "stop", "fork", "replay", "delete", "chart"}
_AT_REST = {"resume", "delete"}
_ANYWHERE = {"help_quit", "redraw", "simulate_key", "focus_next", "focus_previous"}
"""What works on the screens over the list too."""


class HomeActions(LiveTableApp[Listing], OpensRuns):
    """The actions of home on the run under the cursor, or on those that are marked."""

    memory: HomeMemory
    screen_name: str
    count_marked: int = 0  # of the runs that are there
    _asides: int = 0  # things that are done on threads

    @property
    def selected(self) -> ListedRun | None:
        """The run under the cursor."""
        raise NotImplementedError

    def chosen(self) -> list[ListedRun]:
        """The marked runs, else the one under the cursor."""
        raise NotImplementedError

    def is_followed(self) -> bool:
        """Whether a run is shown next."""
        return self.opened is not None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what can't be done now from the footer."""
        if len(self.screen_stack) > 1 and action not in _ANYWHERE:
            return False
        run = self.selected
        if action in _ON_A_ROW and run is None:
            return False
        if action == "stop":
            return run is not None and run.is_under_way
        if action in _AT_REST and run is not None and run.is_under_way:
            return False
        is_one = run is not None and not run.is_sweep and run.status != "damaged"
        if action in ("resume", "replay", "fork") and not is_one:
            return False
        if action == "resume":
            return run is not None and run.status != "finished"
        if action == "compare":
            return self.count_marked > 1 or (run is not None and run.is_sweep)
        if action == "unmark":
            return self.count_marked > 0
        return True

    # -- opening -----------------------------------------------------------------------------

    @on(RowTable.RowChosen)
    def _open_chosen(self) -> None:
        """Show the run under the cursor."""
        run = self.selected
        if run is None:
            return
        if run.status == "damaged":
            self.notify(clean(run.problem or ""), severity="error", timeout=10)
        else:
            self.open_next(run.name, partial(open_run, run.folder, self.screen_name))

    def action_resume(self) -> None:
        """Take the run up where it ended."""
        run = self.selected
        if run is not None:
            self.open_next(run.name, partial(resume_run, run.folder, self.screen_name))

    def action_replay(self) -> None:
        """Play the run back."""
        run = self.selected
        if run is not None:
            self.open_next(run.name, partial(replay_run, run.folder))

    def action_demo(self) -> None:
        """Begin a run of the demo; not where an answer was typed before its question was there."""
        if not self._asides:
            self.open_next("the demo", partial(begin_demo, self.screen_name))

    # -- what changes runs -------------------------------------------------------------------

    def action_stop(self) -> None:
        """Ask for the run to stop, once a person has said yes."""
        run = self.selected
        if run is None:
            return
        what = f"all runs of {run.name}" if run.is_sweep else run.name
        question = clean(f"Stop {what} at the next safe point? Nothing is lost: it can go on.")

        def answered(answer: str | None) -> None:
            if answer == "s":
                self.notify(clean(f"{run.name} stops at its next safe point."), timeout=5)
                self.do_aside(partial(_stop, run), lambda: None)

        self._ask("stop", question, {"n": "Let it go on", "s": "Stop"}, answered)

    def action_fork(self) -> None:
        """Ask for a folder, and write a fork from the last step that is done."""
        from glov_tui.cockpit.screens.fork import ForkScreen

        run = self.selected
        if run is not None and run.train_accuracy is None:
            self.notify("A run can be forked once its seed template is scored.", timeout=6)
        elif run is not None:
            write = partial(self._write_fork, run.folder)
            self.push_once(ForkScreen(run.folder, run.done, run.planned, write))

    def _write_fork(self, parent: Path, step: int, text: str, changes: list[str]) -> str | None:
        from engine.storage.fork import write_fork
        from engine.storage.run_folder import as_listed
        from glov_tui.cockpit.screens.fork import fork_folder

        try:
            folder = fork_folder(text)
            write_fork(parent, step, folder, changes)
        except UserError as error:
            return clean(str(error), keep_newlines=True)
        self.notify(clean(f"{folder.name}: forked at step {step}; r takes it up."), timeout=10)
        self.memory.selected = as_listed(folder)
        self.look_soon()
        return None

    def action_delete(self) -> None:
        """Say what is lost, and delete the run's folder once a person has said yes."""
        from engine.sweeps.deleting import what_is_lost

        run = self.selected
        if run is None or self._asides:
            return
        found: list[Loss] = []

        def ask() -> None:
            question = _what_goes(run, found[0])
            self._ask(
                "delete", question, {"n": "Keep it", "y": "Delete"}, answered
            )  # no key held down does

        def answered(answer: str | None) -> None:
            if answer == "y":
                self.do_aside(partial(_delete, run.folder, found[0]), deleted)

        def deleted() -> None:
            self.notify(clean(f"{run.name} is deleted."), timeout=5)
            self.memory.marked.pop(run.folder, None)
            self.memory.keep()
            self.look_soon()

        self.do_aside(lambda: found.append(what_is_lost(run.folder)), ask)

    # -- several runs ------------------------------------------------------------------------

    def action_compare(self) -> None:
        """Compare the marked runs."""
        from glov_tui.cockpit.runs.comparison import ComparisonScreen

        self.push_once(ComparisonScreen([run.folder for run in self.chosen()], self._glyphs))

    def action_chart(self) -> None:
        """Show the marked runs, or this one, on one chart."""
        from glov_tui.cockpit.runs.chart import ChartScreen

        self.push_once(ChartScreen([run.folder for run in self.chosen()], self._glyphs))

    # -- small helpers -----------------------------------------------------------------------

    def push_once(self, screen: Screen[None]) -> None:
        """Open a screen, unless one of its kind is there: keys may come twice in one read."""
        if not any(type(shown) is type(screen) for shown in self.screen_stack):
            self.push_screen(screen)

    def _ask(
        self,
        title: str,
        question: str,
        answers: dict[str, str],
        answered: Callable[[str | None], None],
    ) -> None:
        from glov_tui.cockpit.screens.question import QuestionScreen

        if len(self.screen_stack) == 1:
            self.clear_notifications()
            self.push_screen(QuestionScreen(title, question, answers), answered)

    def do_aside(self, act: Callable[[], object], done: Callable[[], None]) -> None:
        """Do something that takes a while on a thread, then ``done`` here; errors are said."""
        problems: list[str] = []
        self._asides += 1

        def run() -> None:
            try:
                act()
            except UserError as error:
                problems.append(str(error))
            except Exception as error:  # the screen goes on, whatever a folder holds
                problems.append(f"{type(error).__name__}: {error}")

        thread = threading.Thread(target=run, name="glov-aside", daemon=True)
        thread.start()

        def poll() -> None:
            if thread.is_alive():
                return
            timer.stop()
            self._asides -= 1
            if problems:
                self.notify(clean(problems[0]), severity="error", timeout=15)
                self.look_soon()
            else:
                done()

        timer = self.set_interval(POLL_SECONDS, poll)


def _stop(run: ListedRun) -> None:
    from engine.remote.stopping import stop_engine
    from engine.sweeps.driving import ask_to_stop

    if run.is_sweep:
        ask_to_stop(run.folder)
    else:
        stop_engine(run.folder)


def _delete(folder: Path, agreed: Loss) -> None:
    from engine.sweeps.deleting import delete

    delete(folder, agreed)


def _what_goes(run: ListedRun, loss: Loss) -> str:
    """What is asked before a folder is deleted."""
    if loss.link is not None:
        return clean(f"Delete the link {loss.folder}? What it leads to stays: {loss.link}")
    what = [counted(loss.runs, "run") if run.is_sweep else counted(run.done, "step")]
    if run.train_accuracy is not None:
        what.append(f"best {run.train_accuracy:.1%}")
    if loss.exports:
        what.append(counted(loss.exports, "export"))
    size = f"{counted(loss.files, 'file')}, {_size(loss.bytes)}"
    text = f"Delete {loss.folder} for good?\n\nLost: {listed(what)} ({size})."
    if loss.others:
        names = [cut(name, 30) for name in loss.others[:4]]
        more = f" and {len(loss.others) - 4} more" if len(loss.others) > 4 else ""
        text += f"\nAlso what is not glov's: {', '.join(names)}{more}"
    return clean(text, keep_newlines=True)


def _size(count: int) -> str:
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"
