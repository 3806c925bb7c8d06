"""Configuration keys that make no difference to a run: by its search, by ``steering.mode``, and by
the kinds of its models and how the VLM answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from engine.common.wording import listed
from engine.config import RunConfig
from engine.config.keys import all_keys, is_table
from engine.config.toml_file import load_config, preset_file, preset_names
from engine.run.edits import Edit, SetOption
from engine.run.state import RunState
from engine.search.registry import find_search, is_steered
from engine.vlm.families import why_unused

_MODE = "steering.mode"
_OF_THE_MACHINE = ("llm.device", "llm.dtype", "llm.attention")  # nobody expects much of them


def is_unused(config: RunConfig, key: str) -> bool:
    """Whether a run of this configuration would be the same with any other value of the key."""
    if not find_search(config).uses(key) or _why_not(config, key) is not None:
        return True
    if key == "search.templates":
        return config.search.kind != "ds-temp"
    return key.startswith("steering.") and key != _MODE and not is_steered(config)


def unused_remarks(config: RunConfig) -> Iterator[str]:
    """Sentences on keys that somebody gave a value and the run does not use."""
    given = _given(config)
    search = [key for key in given if not find_search(config).uses(key)]
    if config.steering.mode == "off":  # then they make no difference to any search
        search = [key for key in search if not key.startswith("steering.")]
    if not find_search(config).asks:  # its name says that it needs none of a search's
        search = ["steps"] if config.steps else []  # which only a fork can be given
    if search:
        yield _sentence(search, _why(config))
    reasons: dict[str, list[str]] = {}
    for key in given:
        why = _why_not(config, key)
        told_below = key.startswith("steering.") or key in _OF_THE_MACHINE
        if why is not None and not told_below and not _is_of_a_preset(config, key):
            reasons.setdefault(why, []).append(key)
    for why, keys in reasons.items():
        yield _sentence(keys, why)
    if config.llm.is_served and find_search(config).steers:
        yield (
            f"the LLM is on a server ({config.llm.base_url}), which gives no hidden states: it is "
            "asked, and not steered (steering.mode = off)"
        )


def _why_not(config: RunConfig, key: str) -> str | None:
    """Why a key is not used by the models as they are."""
    section, _, name = key.partition(".")
    if section == "llm":
        return config.llm.why_unused(name)
    if section == "steering" and config.llm.is_served:
        return f"llm.kind is {config.llm.kind}, and a server gives no hidden states"
    return why_unused(config, key)


def _given(config: RunConfig) -> list[str]:
    """Keys whose values are not the defaults."""
    default = RunConfig.model_construct()
    return [
        key for key in all_keys() if not is_table(key) and _of(config, key) != _of(default, key)
    ]


def _is_of_a_preset(config: RunConfig, key: str) -> bool:
    """Whether a preset that does not use it either has the value: for whoever changes another key,
    such as the demo's embedder.
    """
    return any(
        _of(preset, key) == _of(config, key) and _why_not(preset, key) is not None
        for preset in _presets()
    )


@cache
def _presets() -> tuple[RunConfig, ...]:
    images = {"data.path": "."}  # some have none, for whoever uses them
    return tuple(load_config(preset_file(name), values=images) for name in preset_names())


def _sentence(keys: list[str], why: str) -> str:
    return f"{listed(keys)} can make no difference: {why}"


def unused_problem(state: RunState, edit: Edit) -> str | None:
    """Why an edit could change nothing, None if it could."""
    config = state.config
    if config is None or not isinstance(edit, SetOption) or find_search(config).uses(edit.key):
        return None
    return _sentence([edit.key], _why(config))


def _why(config: RunConfig) -> str:
    names = find_search(config).unused
    unused = " and no ".join(f"{name}.*" if is_table(name) else name for name in names)
    return f"search.kind is {config.search.kind}, which uses no {unused}"


def _of(config: RunConfig, key: str) -> object:
    section, _, name = key.rpartition(".")
    return getattr(getattr(config, section) if section else config, name)
