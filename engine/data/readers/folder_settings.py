"""``dataset.toml``: what a person says of a folder of images."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.common.errors import DataError
from engine.common.names import quoted, same_name
from engine.common.toml_reading import read_toml
from engine.common.validation import shown

SETTINGS_FILE = "dataset.toml"
KEYS = ("name", "description", "ignore", "classes")


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """The content of dataset.toml. The keys of ``classes`` are spelled by ``same_name``."""

    name: str | None = None
    description: str | None = None
    ignore: tuple[str, ...] = ()
    classes: dict[str, str] = field(default_factory=dict)


def read_settings(path: Path) -> FolderSettings:
    """Read a dataset.toml; without one, there is nothing to say.

    Raises:
        DataError: naming the file and the key that is wrong.
    """
    if not os.path.lexists(path):
        return FolderSettings()
    content = read_toml(path, DataError)
    for key in content:
        if key not in KEYS:
            raise DataError(f"{path}: unknown key {quoted(key)}; allowed are {', '.join(KEYS)}")
    classes = content.get("classes", {})
    if not isinstance(classes, dict):
        raise DataError(f'{path}: classes must be a table of folder = "class name"')
    for key in KEYS:
        if key in classes and not isinstance(classes[key], str):
            raise DataError(
                f"{path}: {key} is under [classes]; it belongs at the top, before the first [table]"
            )
    return FolderSettings(
        name=_text(path, "name", content.get("name")),
        description=_text(path, "description", content.get("description")),
        ignore=_patterns(path, content.get("ignore", [])),
        classes={
            same_name(folder): _text(path, f"classes.{folder}", name) or folder
            for folder, name in classes.items()
        },
    )


def _patterns(path: Path, value: Any) -> tuple[str, ...]:
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(isinstance(p, str) and p for p in patterns):
        raise DataError(
            f"{path}: ignore is {shown(value)}; it must be a list of names such as "
            '["masks", "*_seg.png"]'
        )
    return tuple(patterns)


def _text(path: Path, key: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{path}: {key} is {shown(value)}; it must be a text")
    return value.strip()
