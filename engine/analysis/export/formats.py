"""The formats that a run can be exported to: a row each. No heavy import here."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name

from engine.analysis.export.exported import Writer
from engine.common.errors import ConfigError
from engine.common.names import quoted, what_there_is


@dataclass(frozen=True, slots=True)
class Format:
    """How a run can be exported."""

    about: str  # what comes of it, as a clause
    ending: str  # of the name of the file, or of the folder
    where: str  # the ``Writer``, imported when it is needed
    is_folder: bool = False
    is_text: bool = True

    def load(self) -> Writer:
        """What writes it."""
        writer: Writer = resolve_name(self.where)
        return writer


_ROOM = "engine.analysis.export"

FORMATS: dict[str, Format] = {
    "html": Format(
        "a report: curve, templates, phrases, edits, steering, confusions, images; one page",
        ".html",
        "engine.analysis.report.page:write",
    ),
    "md": Format(
        "best template, ensemble, leaderboard and phrases as Markdown",
        ".md",
        f"{_ROOM}.as_markdown:write",
    ),
    "csv": Format("all templates as a table", ".csv", f"{_ROOM}.as_csv:write"),
    "json": Format(
        "the whole result, as with --json, and phrases", ".json", f"{_ROOM}.as_json:write"
    ),
    "python": Format(
        "a script that classifies images: open_clip, or transformers for a VLM that answers",
        ".py",
        f"{_ROOM}.as_python:write",
    ),
    "python-transformers": Format(
        "the same for a CLIP that transformers has too, without open_clip",
        "-transformers.py",
        f"{_ROOM}.as_python:write_transformers",
    ),
    "head": Format(
        "the ensemble as a classifier head (safetensors); loads the VLM, so it takes a while",
        ".safetensors",
        f"{_ROOM}.as_head:write",
        is_text=False,
    ),
    "tensorboard": Format(
        "event files for TensorBoard, in a folder",
        "-tensorboard",
        f"{_ROOM}.as_tensorboard:write",
        is_folder=True,
        is_text=False,
    ),
}
"""By the name that a command line has for it."""


def find_format(name: str) -> Format:
    """The format of this name.

    Raises:
        ConfigError: naming those there are.
    """
    if name not in FORMATS:
        raise ConfigError(f"--format {quoted(name)}: {what_there_is(name, list(FORMATS))}")
    return FORMATS[name]
