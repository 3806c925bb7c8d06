"""The ``glov`` command. Nothing heavy is imported here: help must cost what Typer costs."""

from __future__ import annotations

import copy
import sys

import typer

from glov_tui.cli import driving, results, setting_up  # noqa: F401  (each registers its commands)
from glov_tui.cli.app import app
from glov_tui.commands.driving import has_terminal
from glov_tui.commands.program import run_program


def _with_only(name: str) -> typer.Typer:
    """The app with the one command that was called: Typer reads the signature of each it has."""
    called = [
        c for c in app.registered_commands if c.callback and (c.name or c.callback.__name__) == name
    ]
    if not called:
        return app
    single = copy.copy(app)
    single.registered_commands, single.registered_groups = called, []
    return single


def _home() -> None:
    from glov_tui.commands.home import show_home

    sys.exit(show_home())


def main() -> None:
    """Entry point of the ``glov`` command."""
    if len(sys.argv) == 1 and has_terminal():  # without Typer, which reads every command first
        run_program(_home)
    run_program(_with_only(sys.argv[1] if len(sys.argv) > 1 else ""))
