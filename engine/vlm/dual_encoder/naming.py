"""What ``vlm.model`` may be for a dual encoder, read before open_clip is imported."""

from __future__ import annotations

from pathlib import Path

from engine.common.user_path import user_path

HUB = "hf-hub:"
FOLDER = "local-dir:"


def local_folder(name: str) -> Path | None:
    """The folder that a name means: one with a leading ``/``, ``./``, ``../`` or ``~``."""
    if name.startswith(("/", "./", "../", "~", FOLDER)) or name in (".", ".."):
        return user_path(name.removeprefix(FOLDER))
    return None


def listed_name(name: str) -> str:
    """A model's name as open_clip's list has it."""
    return name.replace("/", "-")
