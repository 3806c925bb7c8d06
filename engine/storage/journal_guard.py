"""Whether the file of a journal is still the one that its process appends to, and untouched."""

from __future__ import annotations

import os
from pathlib import Path

from engine.common.wording import counted
from engine.storage.run_folder import run_argument


class JournalGuard:
    """Knows which file is appended to, and says what others have done to it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """
        Raises:
            OSError: if the file can't be looked at.
        """
        self._path = path
        self._descriptor = descriptor
        own, there = os.fstat(descriptor), path.stat()
        self.deleted = not own.st_nlink
        # Not so on every file system: some make up their numbers of files.
        self._named = (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)

    def problem(self, size: int) -> str | None:
        """What was done to the file, which should have ``size`` bytes; None if nothing was.

        Raises:
            OSError: if it can't be looked at.
        """
        path, name = self._path, run_argument(self._path.parent)
        own = os.fstat(self._descriptor)
        try:
            there = path.stat()
        except FileNotFoundError:
            there = None
        if there is None:
            return (
                f"{path} was deleted or moved while the run was driven, so that nothing more of it "
                "can be kept. Where it still is, in another place or a backup, `glov resume` goes "
                "on from its end; else start the run anew"
            )
        other = self._named and (own.st_dev, own.st_ino) != (there.st_dev, there.st_ino)
        if other or not own.st_nlink:
            return (
                f"{path} was replaced by another file while the run was driven, so that nothing "
                f"more of it can be kept. `glov check {name}` says what the new one is worth"
            )
        if own.st_size < size:
            return (
                f"{path} was cut from {size} to {own.st_size} bytes by somebody else "
                f"while the run was driven. `glov check {name}` says what is wrong with it; "
                f"`glov resume {name}` does again what is missing at its end"
            )
        if own.st_size > size:
            return (
                f"{counted(own.st_size - size, 'byte')} were written to {path} by somebody else "
                f"while the run was driven. `glov check {name}` says which line they are; "
                "a copy cut before it can be resumed"
            )
        return None
