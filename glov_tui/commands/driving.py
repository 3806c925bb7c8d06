"""Taking up a run in the way that was asked for: on the screen, without one, or detached."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.common.errors import UserError
from glov_tui.terminal.streams import tell


@dataclass(frozen=True, slots=True)
class How:
    """Where a run is driven from.

    Raises:
        UserError: if both of two ways are asked for.
    """

    headless: bool
    detach: bool
    as_json: bool
    low_bandwidth: bool
    places: Mapping[str, Any] = field(default_factory=dict)  # see ``engine.config.places``
    trusted: bool = False  # also where somebody else may have written the run

    def __post_init__(self) -> None:
        if self.detach and self.headless:
            raise UserError("--detach returns at once and --headless stays to the end: give one")


def new_run(source: str, overrides: list[str], run_dir: Path | None, how: How) -> int:
    """Begin a run of a configuration, and ``drive`` it.

    Raises:
        UserError: if the configuration is wrong, or the folder can't be written or holds a run.
    """
    from engine.session.beginning import begin_run

    folder = begin_run(source, overrides, run_dir)
    return drive(folder, replace(how, trusted=True))


def resume_run(run: str, overrides: list[str], how: How) -> int:
    """Take up a run where it ended; ``overrides`` say where its data and models are now.

    Raises:
        UserError: if there is no such run or it can't be taken up, or a key can't be set.
    """
    from engine.storage.run_folder import find_run

    folder = find_run(run)
    return drive(folder, replace(how, places=_places_of(folder, overrides)))


def fork_run(run: str, at_step: int, overrides: list[str], run_dir: Path | None, how: How) -> int:
    """Write a new run from the end of a step of another one, and ``drive`` it.

    Raises:
        UserError: if there is no such run or step, a key can't be set, or it can't be written.
    """
    from engine.storage.fork import write_fork
    from engine.storage.run_folder import find_run, new_run_folder

    parent = find_run(run)
    folder = run_dir or new_run_folder(parent.resolve().name.partition("-fork-")[0] + "-fork")
    if not write_fork(parent, at_step, folder, overrides, trusted=how.trusted):
        tell(
            f"glov: no step is left after step {at_step}, so the fork only ends anew; "
            f"--set steps=N with an N over {at_step} gives it some"
        )
    return drive(folder, replace(how, trusted=True))


def _places_of(folder: Path, overrides: list[str]) -> Mapping[str, Any]:
    """What ``--set`` says of a run that is taken up."""
    if not overrides:
        return {}
    from engine.config.places import read_places
    from engine.storage.journal import read_state
    from engine.storage.run_folder import run_argument

    config = read_state(folder).config
    assert config is not None  # a journal begins with it
    return read_places(config, overrides, run_argument(folder))


def drive(folder: Path, how: How) -> int:
    """Take up a run; returns the exit code of the command line contract.

    Raises:
        UserError: if it can't be taken up.
    """
    if how.detach:
        from glov_tui.commands.on_screen import detach

        return detach(folder, how.as_json, how.trusted, how.places)
    headless = how.headless or how.as_json
    if not headless and not has_terminal():
        tell("glov: no terminal here, so this runs headless")
        headless = True
    if headless:
        from engine.session.local import LocalSession
        from glov_tui.commands.headless import drive as drive_headless

        gc.enable()
        session = LocalSession.resume(folder, trusted=how.trusted, places=how.places)
        return drive_headless(session, how.as_json)
    from engine.remote.client import RemoteSession
    from glov_tui.commands.on_screen import drive_on_screen
    from glov_tui.commands.showing import screen_name

    screen = RemoteSession.of_new_engine(folder, screen_name(), how.trusted, how.places)
    return drive_on_screen(screen, how.low_bandwidth)


def has_terminal() -> bool:
    """Whether a screen can be shown here."""
    return sys.stdin.isatty() and sys.stdout.isatty()
