"""The configuration of a run as lines: each key with its value, its default, and its edits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from engine.config import RunConfig
from engine.run.edits import SetOption
from engine.run.events import Edited
from engine.run.state import RunState
from glov_tui.common.text import clean
from glov_tui.widgets.spans import Line

A_PERSON = "a person at a screen"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: ``name`` with its section, as ``--set`` takes it."""

    name: str
    value: Any
    default: Any
    edits: tuple[Edited, ...] = ()

    @property
    def assignment(self) -> str:
        """``steering.alpha=0.5``, as ``--set`` and a TOML file take it."""
        return f"{self.name}={written(self.value)}"


def config_keys(state: RunState) -> list[Key]:
    """Every key of the run's configuration as it is now, in the order of a file."""
    if state.config is None:
        return []
    by_key: dict[str, list[Edited]] = {}
    for edited in state.edits:
        if isinstance(edited.edit, SetOption):
            by_key.setdefault(edited.edit.key, []).append(edited)
    return [
        Key(name, value, default, tuple(by_key.get(name, ())))
        for name, value, default in _keys(state.config)
    ]


def _keys(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    fields = type(section).model_fields
    nested = [name for name in fields if isinstance(getattr(section, name), BaseModel)]
    for name, field in fields.items():
        if name not in nested:
            default = field.get_default(call_default_factory=True)
            yield prefix + name, getattr(section, name), default
    for name in nested:
        yield from _keys(getattr(section, name), f"{prefix}{name}.")


def written(value: Any) -> str:
    """A value in one line, as a file has it; - where there is none."""
    if value is None or value is PydanticUndefined:
        return "-"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, ensure_ascii=False, default=str)


def config_lines(state: RunState) -> tuple[list[Line], list[int], list[Key]]:
    """The lines, those with which a key begins, and the keys. Another than the default is bold."""
    keys = config_keys(state)
    waiting = {edited.number for edited in state.pending}
    width = max((len(key.name) for key in keys), default=0)
    lines: list[Line] = []
    begins: list[int] = []
    section = ""
    for key in keys:
        table = key.name.rpartition(".")[0]
        if table != section:
            section = table
            lines += [(), ((f"[{table}]", "mark"),)]
        begins.append(len(lines))
        lines.append(_key_line(key, width))
        for edited in key.edits:
            lines.append(_edit_line(edited, state, edited.number in waiting))
    return lines, begins, keys


def _key_line(key: Key, width: int) -> Line:
    is_other = key.value != key.default
    style = "note" if key.edits else "strong" if is_other else ""
    line: Line = ((f"{key.name:<{width}}  ", style or "dim"),)
    line = (*line, (clean(written(key.value)), style))
    return (*line, (f"   default {clean(written(key.default))}", "dim")) if is_other else line


def _edit_line(edited: Edited, state: RunState, waits: bool) -> Line:
    edit = edited.edit
    assert isinstance(edit, SetOption)
    who = clean(edited.author) or A_PERSON
    why = f": {clean(edited.reason)}" if edited.reason else ""
    when = state.when(edited.step) if waits else f"from step {edited.step} on"
    value = "the default" if edit.value is None else clean(written(edit.value))
    state_now = "waits, " if waits else ""
    return (("    ", ""), (f"{state_now}{when}: {value}", "note"), (f"  by {who}{why}", "dim"))


def config_text(config: RunConfig) -> str:
    """All of it as a TOML file."""
    from engine.config.toml_file import format_config
    from glov_tui.common.text import escape_toml

    return escape_toml(format_config(config))
