"""Standard streams that are closed, full or read by nobody: a command ends well all the same."""

from __future__ import annotations

import contextlib
import io
import os
import sys

from glov_tui.common.text import clean

_NAMES = {0: "stdin", 1: "stdout", 2: "stderr"}


class _Output(io.FileIO):
    """Standard output that remembers why it could not be written."""

    lost: OSError | None = None

    def write(self, data: object) -> int:
        """Write bytes as ``io.FileIO`` does.

        Raises:
            OSError: if they can't be written.
        """
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            self.lost = error
            raise


_output: _Output | None = None


def prepare_streams() -> None:
    """Put /dev/null where standard input, output or error are closed (``<&-``); call it first.

    Else the next file to be opened, such as a run's journal, would take the number of the closed
    one, and get what libraries print.
    """
    global _output
    for descriptor, name in _NAMES.items():  # in this order: the lowest free number is taken
        try:
            os.fstat(descriptor)
        except OSError:
            _discard(descriptor)
        if getattr(sys, name) is None:
            mode = "w" if descriptor else "r"
            stream = open(descriptor, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    if sys.__stdout__ is not None and sys.stdout is sys.__stdout__ and not os.isatty(1):
        encoding = sys.__stdout__.encoding
        _output = _Output(1, "w", closefd=False)
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_output), encoding, errors="backslashreplace"
        )


def tell(text: str) -> None:
    """Print a sentence for the user on standard error, if that can be written; cleaned."""
    with contextlib.suppress(OSError):
        print(clean(text, keep_newlines=True), file=sys.stderr, flush=True)  # noqa: T201


def lost_output() -> str | None:
    """Write out what was printed so far; why some of it can't be written, None if all is.

    Whoever closed a pipe has read all that was wanted, so that is no loss. What can't be written
    is thrown away, as Python would try again at the end.
    """
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if not stream.closed:
                stream.flush()
        except OSError:
            _discard(descriptor)
    lost = _output.lost if _output is not None else None
    if lost is None or isinstance(lost, BrokenPipeError):
        return None
    return lost.strerror or str(lost)


def _discard(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null == descriptor:
        os.set_inheritable(null, True)
        return
    os.dup2(null, descriptor)
    os.close(null)
