"""Command lines of glov, as the tests of a real terminal start them."""

from __future__ import annotations

import sys
from pathlib import Path


def glov(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "glov_tui", *arguments]


def demo(folder: Path, *overrides: str) -> list[str]:
    options = [part for text in overrides for part in ("--set", text)]
    return glov("demo", "--run-dir", str(folder), *options)
