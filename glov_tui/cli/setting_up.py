"""The commands for configurations, data sets and the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glov_tui.cli.app import app
from glov_tui.commands.arguments import AsJson, ConfigArgument, Override, SomeConfig, parse_path
from glov_tui.commands.completion import complete_dataset, complete_preset, complete_source

PANEL = "Machine and data"

config_app = typer.Typer(help="Write and inspect configurations.", no_args_is_help=True)
app.add_typer(config_app, name="config", rich_help_panel=PANEL)


@config_app.command("init")
def config_init(
    path: Annotated[
        Path, typer.Argument(help="File to write; - for standard output.", parser=parse_path)
    ],
    preset: Annotated[
        str, typer.Option(help="Preset to start from.", autocompletion=complete_preset)
    ] = "clip-paper",
    force: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Write a configuration in which every key is explained."""
    from glov_tui.commands.config import write_config

    write_config(path, preset, force)


@config_app.command("show")
def config_show(
    config: ConfigArgument,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Print a configuration as it would run, with all defaults."""
    from glov_tui.commands.config import print_config

    print_config(config, override or [], as_json)


@app.command(rich_help_panel=PANEL)
def datasets(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A data set: how to get it, and whether what is here is right.",
            autocompletion=complete_dataset,
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the data sets, or with this one.",
            show_default="$GLOV_DATA_DIR",
            parser=parse_path,
            metavar="FOLDER",
        ),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="Form to read: folder, webdataset, torchvision, hub or auto.",
            autocompletion=complete_source,
        ),
    ] = "auto",
    fetch: Annotated[bool, typer.Option("--fetch", help="Get what plain downloads get.")] = False,
    no_images: Annotated[
        bool, typer.Option("--no-images", help="No sample images in the terminal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the data sets that a configuration can name, or say all about one."""
    from glov_tui.commands.datasets import print_chosen

    raise typer.Exit(
        print_chosen(name, path, source, fetch=fetch, as_json=as_json, images=not no_images)
    )


@app.command(rich_help_panel=PANEL)
def doctor(config: SomeConfig = None, override: Override = None, as_json: AsJson = False) -> None:
    """Say what this machine has, and whether a configuration's LLM server answers."""
    from glov_tui.commands.doctor import report

    raise typer.Exit(report(as_json, config, override or []))
