"""Editing a text in the user's own editor."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from textual.app import App, SuspendNotSupported

from engine.common.errors import UserError
from glov_tui.terminal.screen_driver import suspended
from glov_tui.terminal.tty import spawn_on_terminal

FALLBACKS = ("nano", "vi")
MAX_BYTES = 1 << 20


class EditorError(UserError):
    """No editor, or one whose result can't be used; the text says what to do."""


def editor_command(environ: Mapping[str, str] | None = None) -> list[str]:
    """The editor to start, with its arguments: $VISUAL, $EDITOR, or one that is installed.

    Raises:
        EditorError: if there is none, or the variable can't be read as a command.
    """
    environ = os.environ if environ is None else environ
    for variable in ("VISUAL", "EDITOR"):
        value = environ.get(variable, "").strip()
        if not value:
            continue
        try:
            command = shlex.split(value)
        except ValueError as error:
            raise EditorError(f"${variable} is {value!r}, which is no command: {error}") from None
        if not command:
            continue
        if shutil.which(command[0], path=environ.get("PATH")) is None:
            raise EditorError(f"${variable} is {value!r}, but there is no program {command[0]!r}")
        return command
    for name in FALLBACKS:
        if found := shutil.which(name, path=environ.get("PATH")):
            return [found]
    raise EditorError("no editor found: set $EDITOR, for example to 'nano' or 'vim'")


def edit_with(
    text: str,
    command: Sequence[str],
    run: Callable[[Sequence[str]], int],
    suffix: Literal[".txt", ".md"] = ".txt",
) -> str | None:
    """Have ``text`` edited in a file that only this user can read, gone afterwards.

    ``run`` starts a command and returns its exit status. Returns the new text, or None if it is
    as before or the editor ended with an error (as ``:cq`` in vim does, to abandon an edit).

    Raises:
        EditorError: if the editor can't be started, or its result is no UTF-8 text of at most
            1 MiB; such a result is kept, and the error says where.
        OSError: if there can be no temporary file.
    """
    folder = Path(tempfile.mkdtemp(prefix="glov-"))  # only this user may enter it
    path = folder / f"edit{suffix}"
    keep = False
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            # Editors want a line end at the end of a file; it is taken off again.
            file.write(f"{text}\n".encode(errors="replace"))
        try:
            status = run([*command, str(path)])
        except OSError as error:
            raise EditorError(f"{command[0]} can't be started: {error.strerror}") from error
        if status == 127:
            raise EditorError(f"{shlex.join(command)} ended with status 127: no such program")
        if status != 0:
            return None
        try:
            edited = _read(path)
        except ValueError as error:
            keep = True
            raise EditorError(f"{error}; it is kept in {path}") from None
        return None if edited in (None, text, text.replace("\r\n", "\n")) else edited
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path) -> str | None:
    """The edited text; None if the editor removed the file.

    Raises:
        ValueError: if it can't be used.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(data) > MAX_BYTES:
        raise ValueError("the edited text is larger than 1 MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"the edited text is not UTF-8 in line {line}") from None
    return text.replace("\r\n", "\n").removesuffix("\n")


def edit_text(app: App[Any], text: str, suffix: Literal[".txt", ".md"] = ".txt") -> str | None:
    """Edit ``text`` with the app suspended; None if nothing is to be changed.

    What goes wrong is shown as a notification.
    """
    problem: str | None = None
    edited: str | None = None
    try:
        command = editor_command()
        with suspended(app):
            edited = edit_with(text, command, spawn_on_terminal, suffix)
    except EditorError as error:
        problem = str(error)
    except OSError as error:
        problem = f"no temporary file for the editor: {error.strerror}"
    except SuspendNotSupported:
        problem = "an external editor needs a terminal"
    if problem is not None:
        app.notify(problem, title="Editor", severity="error", markup=False)
    return edited
