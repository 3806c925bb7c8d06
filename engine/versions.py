"""Versions of what a run's numbers depend on; reads metadata, imports none of it."""

from __future__ import annotations

import importlib.metadata
import platform

_LIBRARIES = ("glov-tui", "torch", "transformers", "open_clip_torch", "numpy")


def versions() -> dict[str, str]:
    """Versions that a run's numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
