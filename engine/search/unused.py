"""Configuration keys that make no difference to a run, by its search and by ``steering.mode``."""

from __future__ import annotations

from engine.config import RunConfig
from engine.config.keys import all_keys, is_table
from engine.run.edits import Edit, SetOption
from engine.run.state import RunState
from engine.search.registry import find_search, is_steered

_MODE = "steering.mode"


def is_unused(config: RunConfig, key: str) -> bool:
    """Whether a run of this configuration would be the same with any other value of the key."""
    if not find_search(config).uses(key):
        return True
    return key.startswith("steering.") and key != _MODE and not is_steered(config)


def unused_remark(config: RunConfig) -> str:
    """A sentence on keys that somebody gave a value and the search does not use; or nothing."""
    search, default = find_search(config), RunConfig.model_construct()
    if not search.asks:  # its name says that it needs none of what makes a search
        return ""
    keys = [
        key
        for key in all_keys()
        if not is_table(key) and not search.uses(key) and _of(config, key) != _of(default, key)
    ]
    if config.steering.mode == "off":  # then they make no difference to any search
        keys = [key for key in keys if not key.startswith("steering.")]
    if not keys:
        return ""
    return f"{' and '.join(keys)} can make no difference: {_why(config)}"


def unused_problem(state: RunState, edit: Edit) -> str | None:
    """Why an edit could change nothing, None if it could."""
    config = state.config
    if config is None or not isinstance(edit, SetOption) or find_search(config).uses(edit.key):
        return None
    return f"{edit.key} can make no difference: {_why(config)}"


def _why(config: RunConfig) -> str:
    names = find_search(config).unused
    unused = " and no ".join(f"{name}.*" if is_table(name) else name for name in names)
    return f"search.kind is {config.search.kind}, which uses no {unused}"


def _of(config: RunConfig, key: str) -> object:
    section, _, name = key.rpartition(".")
    return getattr(getattr(config, section) if section else config, name)
