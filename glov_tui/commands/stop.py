"""``glov stop``: the end of a run that is under way, from outside."""

from __future__ import annotations

from engine.remote.stopping import stop_engine
from engine.storage.journal import read_state
from engine.storage.run_folder import find_run, run_argument
from engine.storage.run_status import status_now
from glov_tui.terminal.streams import tell


def stop_run(run: str) -> None:
    """Stop a run, and say how it goes on.

    Raises:
        UserError: if there is no such run, or no engine at work on it that can be stopped.
    """
    folder = find_run(run)
    stop_engine(folder)
    status = status_now(read_state(folder).status, folder)
    how = "shows the result" if status == "finished" else "goes on"
    tell(f"{status}; glov resume {run_argument(folder)} {how}")
