"""The model hub: where it is, and whether it can be reached. Imports no library of the hub's.

Without a network each library tries the hub file by file, each try with its own timeouts and
retries: a minute passes before the first message. So it is looked at once, before.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

DEFAULT_ENDPOINT = "https://huggingface.co"
SECONDS = 2.0
_OFF = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def endpoint() -> str:
    """The hub's address: $HF_ENDPOINT, or the public one."""
    return os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT


def is_switched_off() -> bool:
    """Whether the user's environment says that the hub is not to be asked."""
    return any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in _OFF)


def why_unreachable(seconds: float = SECONDS) -> str | None:
    """Why the hub can't be reached, None if it can; after ``seconds`` at most.

    Behind a proxy it counts as reachable: only the proxy knows.
    """
    from urllib.request import getproxies  # slow: not before the first paint

    if getproxies().get("https") or getproxies().get("all"):
        return None
    host = endpoint().split("//")[-1].split("/")[0]
    name, _, port = host.partition(":")
    found: list[str | None] = []

    def connect() -> None:
        try:
            socket.create_connection((name, int(port or 443)), seconds).close()
            found.append(None)
        except (OSError, ValueError) as error:
            found.append(str(error))

    # Looking up a name has no timeout of its own.
    thread = threading.Thread(target=connect, name="glov-hub", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else f"no answer in {seconds:g} s"


def cache() -> Path:
    """The folder that the hub's libraries keep what was downloaded in."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.path.expandvars(os.environ[name])).expanduser()
    general = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{general}/huggingface"
    return Path(os.path.expandvars(home)).expanduser() / "hub"


def is_cached(repository: str) -> bool:
    """Whether anything of a repository (``org/name``) is in the cache.

    sentence-transformers may have one of its own.
    """
    own = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    folders = [cache(), *([Path(own)] if own else [])]
    name = f"models--{repository.replace('/', '--')}"
    return any((folder / name).is_dir() for folder in folders)


def do_without() -> None:
    """Have the hub's libraries of this process use their caches only, and fail at once."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:  # imported already, and reads its variable no more
        constants.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
