"""``glov stop``: the end of a run or a sweep that is under way, from outside."""

from __future__ import annotations

from engine.common.errors import UserError
from engine.remote.stopping import stop_engine
from engine.storage.journal import read_state
from engine.storage.run_folder import run_argument
from engine.storage.run_status import status_now
from engine.sweeps.driving import is_driven, stop_sweep
from engine.sweeps.sweep import find_run_or_sweep, is_sweep, read_sweep
from glov_tui.terminal.streams import tell


def stop_run(run: str) -> None:
    """Stop a run or a sweep, and say how it goes on.

    Raises:
        UserError: if there is none of this name, or nothing at work on it that can be stopped.
    """
    folder = find_run_or_sweep(run)
    if is_sweep(folder):
        sweep = read_sweep(folder)
        if not is_driven(folder) and not sweep.is_left():
            name = run_argument(folder)
            raise UserError(
                f"{folder} is finished: there is nothing to stop; `glov compare {name}` shows what "
                "came of it"
            )
        stop_sweep(folder)
        tell(f"stopped; the same `glov sweep` with --sweep-dir {folder} goes on")
        return
    stop_engine(folder)
    status = status_now(read_state(folder).status, folder)
    how = "shows the result" if status == "finished" else "goes on"
    tell(f"{status}; glov resume {run_argument(folder)} {how}")
