"""Paths as people write them: on a command line, in a file or in the environment."""

from __future__ import annotations

import os
from pathlib import Path

from engine.common.errors import UserError


def user_path(text: str) -> Path:
    """The path, with a leading ``~`` or ``~name`` as that person's home folder.

    A shell leaves the ``~`` of ``--run-dir=~/runs``, and of what is quoted, as it is. A folder that
    is really named so is written ``./~``.

    Raises:
        UserError: if there is no such home folder, or the text is empty, as that of a variable that
            was not set: it would be the folder that one is in.
    """
    if not text:
        raise UserError("a path is empty; write . for the folder that you are in")
    if text.split("/")[0] == "~" and os.environ.get("HOME") == "":  # ~/x would be /x
        raise UserError(f"{text}: HOME is empty; set it, or write the path out")
    expanded = os.path.expanduser(text)  # noqa: PTH111 (Path's own takes ./~ for ~)
    if expanded.startswith("~"):
        raise UserError(
            f"{text}: there is no home folder {text.partition('/')[0]}; write the path out, or "
            "./~... for a folder that is named so"
        )
    return Path(expanded)


def names_folder(text: str) -> bool:
    """Whether a path, as it was typed, can only be a folder's: it ends in a slash."""
    return text.endswith((os.sep, f"{os.sep}.", f"{os.sep}.."))


def why_not_there(path: Path) -> str | None:
    """Why there is nothing at this path, as a sentence; None where there is something.

    ``Path.exists`` raises for names that are too long and in folders of others.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file or folder"
    except (OSError, ValueError) as error:  # a link to itself, a zero byte
        return _why_unreachable(error)
    return None


def reachable(path: Path) -> Path:
    """The path, as one that can be looked for: ``Path.exists`` and the like don't raise for it.

    Raises:
        UserError: naming the path, if its name is too long, it is in a folder of another's, or so.
    """
    try:
        path.exists()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {_why_unreachable(error)}") from None
    return path


def _why_unreachable(error: OSError | ValueError) -> str:
    return f"it can't be looked for: {getattr(error, 'strerror', None) or error}"


def environment_path(variable: str) -> Path | None:
    """The path in an environment variable, None where it is not set or empty.

    Raises:
        UserError: naming the variable, if its home folder is not there, or it can't be looked for.
    """
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        return reachable(user_path(text))
    except UserError as error:
        raise UserError(f"{variable}={error}") from None
