"""``glov export``: what a run found, as a file for elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import typer
from typing_extensions import TypedDict

from engine.analysis.export.exported import read_exported
from engine.analysis.export.formats import find_format
from engine.analysis.export.writing import export, make_content
from engine.common.errors import ConfigError
from engine.common.record import Count
from engine.storage.run_folder import find_run
from glov_tui.commands.headless import say
from glov_tui.common.text import clean
from glov_tui.terminal.printing import print_json

TO_STDOUT = "-"


class ExportFacts(TypedDict):
    """What was written."""

    format: str
    path: str
    bytes: Count  # of the file, or of all files in the folder


@dataclass(frozen=True)
class ExportRequest:
    """What was asked for."""

    run: str
    format: str
    out: str | None  # as it was typed
    overrides: Sequence[str]
    force: bool
    trusted: bool
    as_json: bool


def export_run(request: ExportRequest) -> None:
    """Write an export, and print where it is; or print a text itself.

    Raises:
        UserError: if there is no such run or format, if the run has nothing for it, or if it can't
            be written.
    """
    form = find_format(request.format)
    on_stdout = request.out == TO_STDOUT
    if on_stdout and (not form.is_text or request.as_json):
        other = "--json, which prints where it is" if form.is_text else f"--format {request.format}"
        raise ConfigError(f"--out - prints a text, so it does not go with {other}")
    run = read_exported(find_run(request.run), request.overrides, request.trusted, say)
    if on_stdout:
        typer.echo(make_content(run, request.format), nl=False)
        return
    path = export(run, request.format, request.out, request.force)
    if request.as_json:
        files = [path] if path.is_file() else list(path.iterdir())
        size = sum(file.stat().st_size for file in files)
        facts: ExportFacts = {"format": request.format, "path": str(path), "bytes": size}
        print_json(facts)
        return
    typer.echo(clean(str(path)))
