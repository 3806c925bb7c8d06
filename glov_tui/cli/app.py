"""What the commands of ``glov`` are registered at."""

from __future__ import annotations

from typing import Annotated

import typer

from glov_tui.commands.wrong_calls import CleaningGroup

app = typer.Typer(
    name="glov",
    cls=CleaningGroup,
    help="Optimise the prompts of a vision-language model with GLOV, and watch it live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from engine.common.versions import own_versions

        typer.echo(f"glov {own_versions()['glov-tui']}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option("--version", help="Say the version.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Optimise the prompts of a vision-language model with GLOV, and watch it live."""
