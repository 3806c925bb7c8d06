"""``glov config``: configurations written to a file, or printed, with every key explained."""

from __future__ import annotations

import tomllib
from pathlib import Path

import typer

from engine.common.errors import UserError
from engine.common.files import write_atomic
from engine.config.toml_file import format_config, load_config, preset_file, preset_names
from engine.search.begun import as_begun
from glov_tui.common.text import escape_json, escape_toml
from glov_tui.terminal.streams import tell


def write_config(path: Path, preset: str, force: bool) -> None:
    """Write a preset to a file, or to standard output where the path is ``-``.

    Raises:
        UserError: if there is no such preset, or the file is there or can't be written.
    """
    if preset not in preset_names():
        load_config(preset)  # says which presets there are
    data = tomllib.loads(preset_file(preset).read_text()).get("data", {})
    on_folder = data.get("dataset") == "image-folder" and "path" not in data
    overrides = ["data.path=images"] if on_folder else []
    loaded = as_begun(load_config(preset_file(preset), overrides))
    text = escape_toml(format_config(loaded, comments=True))
    if str(path) == "-":
        typer.echo(text)
        return
    try:
        if path.exists() and not force:
            raise UserError(f"{path} exists; give --force to replace it")
        write_atomic(path, text, private=False)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from error
    name = f"./{path}" if str(path) in preset_names() else path
    tell(f"wrote {path}: edit it, then `glov run {name}`")


def print_config(source: str, overrides: list[str], as_json: bool) -> None:
    """Print a configuration as it would run, with all defaults.

    Raises:
        UserError: if it is wrong.
    """
    loaded = as_begun(load_config(source, overrides))
    if as_json:
        typer.echo(escape_json(loaded.model_dump_json(indent=2)))
    else:
        typer.echo(escape_toml(format_config(loaded, comments=True)), nl=False)
