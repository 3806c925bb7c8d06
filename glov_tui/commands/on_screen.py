"""Driving a run on the screen: the terminal prepared, the app run, and the result said after it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from engine.common.errors import UserError
from engine.common.ownership import why_denied
from engine.remote.client import RemoteSession
from engine.run.state_facts import ENDED
from engine.session.interface import Session
from engine.session.replay import ReplaySession
from engine.storage.journal import is_driven, read_state
from engine.storage.run_folder import LOG, run_argument
from glov_tui.commands.home import go_on
from glov_tui.commands.showing import (
    END_SECONDS,
    byte_budget,
    cockpit_on,
    let_go,
    screen_name,
    set_textual_defaults,
)

BROWSER_DRIVER = "glov_tui.terminal.browser:BrowserDriver"
_BROWSER_DRIVERS = (BROWSER_DRIVER, "textual.drivers.web_driver:WebDriver")


def is_in_browser(environ: Mapping[str, str]) -> bool:
    """Whether this process was started to be shown in a browser, by textual-serve or as it does."""
    return environ.get("TEXTUAL_DRIVER") in _BROWSER_DRIVERS


def replay_on_screen(session: ReplaySession, low_bandwidth: bool = False) -> int:
    """Play a run back in the cockpit; returns the exit code.

    What is written meanwhile goes to a file of its own: the run may be somebody else's.
    """
    set_textual_defaults()
    from glov_tui.cockpit.going import Around
    from glov_tui.terminal.tty import screen_descriptors

    budget = byte_budget(low_bandwidth)
    descriptor, name = tempfile.mkstemp(prefix="glov-replay-", suffix=".txt")
    os.close(descriptor)
    with screen_descriptors(Path(name)) as terminal:
        app = cockpit_on(terminal, session, budget, Around(screen_name()))
        crashed = bool(app.return_code) or go_on(terminal, budget, app)
    if crashed:
        from glov_tui.commands.headless import EXIT_FAILED, say

        say(f"glov: the cockpit crashed; the traceback is in {name}")
        return EXIT_FAILED
    Path(name).unlink(missing_ok=True)
    return 0


def drive_on_screen(session: Session, low_bandwidth: bool = False) -> int:
    """Show a session in the cockpit; returns the exit code of the command line contract.

    A screen that was left while the run is under way says how to come back to it. The terminal is
    as it was before. From there a person may go on to other runs.

    Raises:
        UserError: if the run's log can't be written, or its engine can't be started.
    """
    set_textual_defaults()
    from glov_tui.cockpit.going import Around
    from glov_tui.terminal.tty import screen_descriptors

    budget = byte_budget(low_bandwidth)
    log = session.folder / LOG
    with ExitStack() as stack:
        try:
            terminal = stack.enter_context(screen_descriptors(log))
        except OSError as error:
            raise UserError(
                f"{log} can't be written: {why_denied(error, log)}. "
                f"`glov replay {run_argument(session.folder)}` shows a run without writing to it"
            ) from error
        app = cockpit_on(terminal, session, budget, Around(screen_name()))
        while app.opened is not None and not (app.quits or app.return_code):
            let_go(app)  # the run has ended, and is taken up
            session = app.opened.session or session
            app = cockpit_on(terminal, session, budget, Around(screen_name()), app.theme)
        if app.is_leaving:
            session.wait(END_SECONDS)
        crashed = bool(app.return_code) or go_on(terminal, budget, app)
    if app.refused is not None:
        raise UserError(app.refused)
    from glov_tui.commands.headless import EXIT_DONE, EXIT_FAILED, say

    if crashed:
        say(f"glov: the cockpit crashed; the traceback is in {log}")
    if app.goes_home:  # what came of the run was seen there, and its session is closed
        if is_driven(session.folder):
            _say_goes_on(session.folder)
        return EXIT_FAILED if crashed else EXIT_DONE
    code = _say_how_it_is(session, told_to_stop=app.is_leaving)
    return EXIT_FAILED if crashed else code


def drive_in_browser(session: RemoteSession | ReplaySession, low_bandwidth: bool = False) -> int:
    """Show a session in a page of a browser, whose server is at the other end of two pipes.

    What is said after it goes to standard error, for the page. Returns the exit code.
    """
    set_textual_defaults()
    from glov_tui.cockpit.app import GlovApp
    from glov_tui.commands.headless import EXIT_DONE, EXIT_FAILED, say
    from glov_tui.terminal.browser import use_pipes

    use_pipes()
    budget = byte_budget(low_bandwidth)
    app = GlovApp(session, kib_per_second=budget)
    app.run()
    if app.is_leaving:
        session.wait(END_SECONDS)
    if app.return_code:
        say("glov: the cockpit crashed")
        return EXIT_FAILED
    remote = session if isinstance(session, RemoteSession) else None
    is_cut_off = remote is not None and remote.interrupted
    status = "interrupted" if is_cut_off else session.state.status
    if (remote is not None and remote.ended) or status in ENDED:
        say(f"The run is {status}.")
    elif app.is_leaving:
        say("The run was told to stop, and does so at its next safe point.")
    else:
        say("The run goes on.")
    return EXIT_DONE


def _say_how_it_is(session: Session, told_to_stop: bool) -> int:
    from glov_tui.commands.headless import EXIT_DONE, EXIT_INTERRUPTED, conclude, say

    if session.ended or session.state.status in ENDED:
        return conclude(session, as_json=False)
    if told_to_stop:
        say("told to stop: the run does so at its next safe point; then go on with:")
        say(f"glov resume {run_argument(session.folder)}")
        return EXIT_INTERRUPTED
    _say_goes_on(session.folder)
    return EXIT_DONE


def _say_goes_on(folder: Path) -> None:
    from glov_tui.commands.headless import say

    say("the run goes on")
    _say_ways_back(folder)


class Detached(TypedDict):
    """A run whose engine was started without a screen."""

    run: str  # the name of its folder
    folder: str
    pid: int  # of the engine's process


def detach(
    folder: Path,
    as_json: bool,
    trusted: bool = False,
    places: Mapping[str, Any] | None = None,
) -> int:
    """Start the engine of a run without a screen, and say how to come to it.

    Raises:
        UserError: if the run can't be taken up.
    """
    from engine.remote.process import start_engine
    from glov_tui.commands.headless import EXIT_DONE, say
    from glov_tui.terminal.printing import print_json

    state = read_state(folder)
    if state.status == "finished":
        raise UserError(
            f"{folder} is finished: `glov resume {run_argument(folder)}` shows the result"
        )
    process = start_engine(folder, trusted, places)
    if as_json:
        document: Detached = {"run": folder.name, "folder": str(folder), "pid": process.pid}
        print_json(document)
    else:
        say(f"run: {folder}")
        _say_ways_back(folder)
    return EXIT_DONE


def _say_ways_back(folder: Path) -> None:
    from glov_tui.commands.headless import say

    name = run_argument(folder)
    say(f"show it: glov attach {name}")
    say(f"stop it: glov stop {name}")
