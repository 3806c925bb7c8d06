"""What is imported after the first paint, before it is asked for.

Where glov is upgraded or moved while a screen is open, what is imported only then is another
version, or not there: the screen could not even say how the run goes on.
"""

from __future__ import annotations

import contextlib
import importlib
import threading

LATE = (
    "engine.prompts.reply",
    "engine.search.meta_prompt",
    "engine.storage.fork",
    "glov_tui.cockpit.all_keys",  # and with it all screens
    "glov_tui.commands.headless",  # and with it what is said at the end
)


def import_late() -> None:
    """Import it all on a thread of its own. What can't be imported says so when it is needed."""
    threading.Thread(target=_import, name="glov-imports", daemon=True).start()


def _import() -> None:
    for name in LATE:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
