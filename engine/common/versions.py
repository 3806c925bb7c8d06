"""Versions of what a run's numbers depend on; reads metadata, imports none of it."""

from __future__ import annotations

import platform

import engine

_LIBRARIES = ("torch", "transformers", "open_clip_torch", "numpy")


def own_versions() -> dict[str, str]:
    """Of glov and Python: all that is known at no cost."""
    return {"glov-tui": engine.__version__, "python": platform.python_version()}


def versions() -> dict[str, str]:
    """Versions that a run's numbers depend on."""
    import importlib.metadata  # slow: not before the first paint

    found = own_versions()
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
