"""What the commands of ``glov`` are registered at."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.common.errors import UserError
from glov_tui.commands.arguments import LowBandwidth
from glov_tui.commands.wrong_calls import CleaningGroup

app = typer.Typer(
    name="glov",
    cls=CleaningGroup,
    help="Optimise the prompts of a vision-language model with GLOV, and watch it live.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from engine.common.versions import own_versions

        typer.echo(f"glov {own_versions()['glov-tui']}")
        raise typer.Exit


@app.callback()
def top(
    context: typer.Context,
    low_bandwidth: LowBandwidth = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Say the version.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Optimise the prompts of a vision-language model with GLOV, and watch it live.

    Without a command, on a terminal, it lists all runs, to open, drive and compare them from there.
    """
    called = context.invoked_subcommand
    if called is not None:
        if low_bandwidth:
            raise UserError(f"write it after the command: glov {called} --low-bandwidth")
        return
    from glov_tui.commands.driving import has_terminal
    from glov_tui.commands.home import show_home

    if not has_terminal():
        raise UserError("the list of runs needs a terminal; `glov runs` prints it")
    raise typer.Exit(show_home(low_bandwidth))
