"""What commands of ``glov`` take: arguments and options that several of them share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from glov_tui.commands.completion import (
    complete_key,
    complete_preset,
    complete_run,
    complete_run_or_sweep,
)


class DemoVLM(StrEnum):
    """The two families of VLMs that the demo shows."""

    CLIP = "clip"
    LLAVA = "llava"


class BackendKind(StrEnum):
    """What runs the runs of a sweep."""

    LOCAL = "local"
    RAY = "ray"


class Action(StrEnum):
    """What ``glov ctl`` tells or asks a run."""

    STATUS = "status"
    WATCH = "watch"
    PAUSE = "pause"
    RESUME = "resume"
    STEP = "step"
    STOP = "stop"
    EDIT = "edit"
    ALPHA = "alpha"
    LAYER = "layer"
    PROMPT = "prompt"
    INJECT = "inject"
    PIN = "pin"
    UNPIN = "unpin"
    BAN = "ban"
    ALLOW = "allow"
    ANCHORS = "anchors"
    UNDO = "undo"
    NOTE = "note"
    TEST = "test"
    SEND = "send"


class ImageSplit(StrEnum):
    """The two splits of a data set."""

    TEST = "test"
    TRAIN = "train"


Headless = Annotated[
    bool,
    typer.Option(
        "--headless", help="No screen: stay to the end, progress on stderr. Not with --detach."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]


def parse_path(text: str) -> Path:
    """A path as it was typed, ``~`` included; that there is something is for others to see."""
    from engine.common.user_path import reachable, user_path

    return reachable(user_path(text))


RunDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the run.",
        show_default="runs/NAME-DATE-TIME",
        parser=parse_path,
        metavar="FOLDER",
    ),
]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY.PATH=VALUE",
        help="A configuration key and what it is to be; may be given often.",
        autocompletion=complete_key,
    ),
]


LowBandwidth = Annotated[
    bool, typer.Option("--low-bandwidth", help="Repaint less: at most 5 KiB/s in place of 12.")
]
Detach = Annotated[
    bool,
    typer.Option(
        "--detach", help="No screen: return at once, `glov attach` shows it. Not with --headless."
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        help="A run's folder, its name in runs/ or the beginning of it, or latest.",
        autocompletion=complete_run,
    ),
]
RunOrSweepArgument = Annotated[
    str,
    typer.Argument(
        help="The folder of a run or a sweep, its name in runs/ or the beginning of it, or latest.",
        autocompletion=complete_run_or_sweep,
    ),
]
ConfigArgument = Annotated[
    str,
    typer.Argument(help="A TOML file, or the name of a preset.", autocompletion=complete_preset),
]
SomeConfig = Annotated[
    str | None,
    typer.Argument(
        help="A TOML file or a preset, whose LLM's server is asked whether it answers.",
        autocompletion=complete_preset,
    ),
]
TrustRun = Annotated[
    bool,
    typer.Option("--trust-run", help="Use the files and code that somebody else's run names."),
]
