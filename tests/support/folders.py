"""Folders of files for the readers; nothing in them is an image unless a test makes one."""

from __future__ import annotations

import os
from pathlib import Path

CLASSES = ("bird", "cat", "dog")


def make(root: Path, *paths: str | bytes) -> Path:
    for path in paths:
        file = root / os.fsdecode(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"never opened by the reader")
    return root


def classes(
    root: Path, before: str = "", names: tuple[str, ...] = CLASSES, within: str = "", count: int = 4
) -> Path:
    """``count`` images per class at ``root/before<class>/within``."""
    return make(root, *(f"{before}{n}/{within}{i}.png" for n in names for i in range(count)))
