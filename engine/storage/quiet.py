"""Whether a person wants to be told nothing of a run: a mark in its folder.

So it holds for its engine, for every screen, and after the run was taken up again. It is the same
for all of them without a word between them, and no fact of the run.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.storage.run_folder import QUIET


def is_quiet(folder: Path) -> bool:
    """Whether nothing is to be told of the run."""
    return os.path.lexists(folder / QUIET)


def set_quiet(folder: Path, quiet: bool) -> None:
    """Tell nothing of the run from now on, or all again.

    Raises:
        OSError: if the run's folder can't be written.
    """
    if quiet:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(folder / QUIET, flags, 0o600))
    else:
        (folder / QUIET).unlink(missing_ok=True)
