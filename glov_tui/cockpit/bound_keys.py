"""Keys in sentences: as they are bound, which a person's own file decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.binding import Binding

from glov_tui.cockpit.keys import KEYS, PAST_KEYS, with_ids

KeyOf = Callable[[str], str]
"""The key of the binding with an id, for sentences that are made without an app."""


def bound_key(app: App[Any], name: str) -> str:
    """The key of the binding with this id, such as ``find-next``, as the footer shows it.

    Raises:
        StopIteration: there is no such id.
    """
    return app.get_key_display(_named(name))


def bound_keys(app: App[Any], name: str) -> tuple[str, ...]:
    """All keys of the binding with this id, as Textual names them.

    Raises:
        StopIteration: there is no such id.
    """
    keys: str = app._keymap.get(name) or _named(name).key
    return tuple(keys.split(","))


def _named(name: str) -> Binding:
    return next(key for key in with_ids([*PAST_KEYS, *KEYS]) if key.id == name)


def keys_for(app: App[Any]) -> KeyOf:
    """What gives the keys as this app has them."""
    return lambda name: bound_key(app, name)
