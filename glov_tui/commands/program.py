"""What is around every command: what is not imported for it, and how the process ends."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from glov_tui.terminal.streams import lost_output, prepare_streams, tell


def run_program(command: Callable[[], object]) -> None:
    """Run what the command line says, say in words what ends it, and leave with its exit code."""
    prepare_streams()
    # Imports make much that stays and little that goes: looking for cycles in it is a tenth of
    # the time to the first paint. Whatever runs for long turns it on again.
    gc.disable()
    _do_without_plugins()
    from engine.common.errors import UserError
    from engine.common.stop_signals import leave

    code: str | int | None = 0
    lost = None
    try:
        command()
    except SystemExit as end:
        code = end.code
    except UserError as error:  # of any command: its text is all that the user needs
        tell(f"glov: {error}")
        code = 2
    except KeyboardInterrupt:
        code = 130
    except OSError:
        lost = lost_output()
        if lost is None and _is_in_no_folder():
            tell("glov: the folder that you are in was deleted; cd to one that is there")
            code = 2
        elif lost is None:  # it was not about what is printed
            raise
    lost = lost_output() or lost
    if lost is not None:
        tell(f"glov: standard output can't be written: {lost}")
        code = 1
    leave(code if isinstance(code, int) else int(code is not None))


def _is_in_no_folder() -> bool:
    try:
        return not Path.cwd()
    except OSError:
        return True


def _do_without_plugins() -> None:
    """Have pydantic look for no plugins, here and in processes that are started from here.

    It reads the metadata of every installed package for them; and what looks for them imports
    a tenth of all that is imported before the first paint.
    """
    if os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__") == "__all__":
        none = ModuleType("pydantic.plugin._loader")
        none.get_plugins = tuple  # type: ignore[attr-defined]
        sys.modules.setdefault(none.__name__, none)
