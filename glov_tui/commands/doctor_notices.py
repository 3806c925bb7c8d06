"""What ``glov doctor`` says of the user's file and of who is told of a run: no secret of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict

from engine.common.errors import UserError
from engine.config.notify import NotifyConfig, read_notify
from engine.config.user_file import user_file
from glov_tui.terminal.telling import Told, ask_tmux, what_it_takes, what_tmux_lacks


class Notices(TypedDict):
    """Who is told of a run while its person is away."""

    file: str  # the user's, and whether there is one
    problem: NotRequired[str]  # why nothing of the file holds
    on: list[str]  # what is told of
    terminal: str  # how this one is told
    progress: bool  # whether this one shows it
    note: NotRequired[str]  # what tmux lacks
    command: str  # its program alone
    webhook: str  # whether there is one, never its address


def notices() -> Notices:
    """What holds for runs that are started here now."""
    settings, problem = NotifyConfig(), None
    try:
        path = user_file()
        file = f"{path}{'' if os.path.lexists(path) else ', which is not there'}"
        settings = read_notify(path)
    except UserError as error:
        file, problem = "can't be used", str(error)
        settings = NotifyConfig(on=(), progress="off", terminal="off")
    environ: Mapping[str, str] = os.environ if sys.stdout.isatty() else {}
    client = ask_tmux(environ)
    told = what_it_takes(environ, settings.terminal, settings.progress, client)
    found: Notices = {
        "file": file,
        "on": list(settings.on),
        "terminal": _terminal(told, settings, bool(environ)),
        "progress": told.progress,
        "command": _command(settings),
        "webhook": _webhook(settings),
    }
    if problem is not None:
        found["problem"] = problem
    if told.dialect is not None and (lacks := what_tmux_lacks(client)):
        found["note"] = lacks
    return found


def _terminal(told: Told, settings: NotifyConfig, is_there: bool) -> str:
    if not is_there:
        return "not told: standard output is no terminal"
    if settings.terminal == "off":
        return "not told: notify.terminal is off"
    if told.dialect is None:
        return "not told: it is not known to take any; notify.terminal says which it does"
    through = f" through {told.through}" if told.through else ""
    when = "always" if settings.always else "while it has not the focus"
    return f"{told.dialect.replace('osc', 'OSC ')}{through}, {when}"


def _command(settings: NotifyConfig) -> str:
    try:
        program = settings.program()
    except UserError as error:
        return str(error)
    if not program:
        return "none"
    name = program[0]
    if shutil.which(name):
        return name
    if "/" in name and Path(name).is_file():
        return f"{name} is no program (`chmod +x` makes a file one)"
    return f"{name} is not there"


def _webhook(settings: NotifyConfig) -> str:
    try:
        address = settings.address()
    except UserError as error:
        return str(error)
    return "none" if address is None else "yes"
