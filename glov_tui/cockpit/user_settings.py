"""What a person's own file says of the screen: its theme and its keys, and what is wrong there.

``config.toml`` has them, beside what is told when away::

    [screen]
    theme = "high-contrast"
    [keys]
    step-once = "."
    redraw = ["ctrl+l", "f5"]

What can't be used is said in words, with its line; the rest holds. A theme that is chosen on the
screen is remembered in a file of our own: nobody's hand-written file is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, _character_to_key

from engine.common.config_folder import config_folder
from engine.common.errors import UserError
from engine.common.files import write_atomic
from engine.common.names import nearest
from engine.config.user_file import read_user_file, user_file

REMEMBERED = "theme.txt"
"""A file beside ``config.toml``: the name of the theme that was chosen last."""
_MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}
_SAME = {
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+left_square_bracket": "escape",
}
"""Keys that terminals send as others: a program can't tell them apart."""
_NAMED = {key.value for key in Keys} | set(KEY_NAME_REPLACEMENTS.values()) | {"space"}


@dataclass(frozen=True)
class UserSettings:
    """``keys`` are by the id of a binding; ``theme`` None is where nothing was chosen."""

    theme: str | None = None
    is_written: bool = False  # the theme is in the person's file, not only remembered
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_settings(
    bindings: Sequence[Binding], taken: Mapping[str, str], themes: Iterable[str]
) -> UserSettings:
    """The settings that hold. Never raises: what is wrong is in ``problems``.

    Args:
        bindings: those that can have other keys, by their ids.
        taken: keys that no binding can have, and what they do.
        themes: the names of all themes.
    """
    try:
        path = user_file()
        values = read_user_file(path)
    except UserError as error:
        return UserSettings(_remembered(themes), problems=(str(error),))
    try:
        lines = _Lines(path)
    except OSError:
        lines = _Lines(None)
    theme, problems = _theme_of(values.get("screen", {}), themes, lines)
    keys, wrong = _keys_of(values.get("keys", {}), bindings, taken, lines)
    chosen = theme or _remembered(themes)
    return UserSettings(chosen, theme is not None, keys, (*problems, *wrong))


def theme_of_user(themes: Iterable[str]) -> str | None:
    """The theme to begin in, of the person's file or else of last time; None: nothing is chosen.

    What is wrong in the file is for `read_settings` to say.
    """
    return read_settings((), {}, themes).theme


def remember_theme(name: str) -> None:
    """Begin with this theme from now on.

    Raises:
        OSError, UserError: if it can't be written.
    """
    folder = config_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(folder / REMEMBERED, f"{name}\n")


def _remembered(themes: Iterable[str]) -> str | None:
    try:
        name = (config_folder() / REMEMBERED).read_text(encoding="utf-8")[:100].strip()
    except (OSError, UserError, ValueError):
        return None
    return name if name in themes else None


class _Lines:
    """Where a key stands in a file, in words."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._places: dict[tuple[str, str], int] = {}
        table = ""
        text = path.read_text(encoding="utf-8", errors="replace") if path is not None else ""
        for number, line in enumerate(text.splitlines(), 1):
            if heading := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
                table = heading[1]
            elif key := re.match(r"\s*[\"']?([^\"'=#\s]+)[\"']?\s*=", line):
                self._places.setdefault((table, key[1]), number)

    def of(self, table: str, key: str) -> str:
        """``/home/me/.config/glov/config.toml, line 7: [keys] pause``."""
        number = self._places.get((table, key))
        where = f"{self._path}, line {number}" if number else f"{self._path}"
        return f"{where}: [{table}] {key}"


def _theme_of(
    table: Mapping[str, Any], themes: Iterable[str], lines: _Lines
) -> tuple[str | None, list[str]]:
    problems = [
        f"{lines.of('screen', key)}: there is no such key; there is theme"
        for key in table
        if key != "theme"
    ]
    theme = table.get("theme")
    if theme is None:
        return None, problems
    names = sorted(themes)
    if theme in names:
        return theme, problems
    near = nearest(theme, names) if isinstance(theme, str) else None
    hint = f'did you mean "{near}"?' if near else f"there are {', '.join(names)}"
    problems.append(f"{lines.of('screen', 'theme')}: there is no theme {theme!r}; {hint}")
    return None, problems


def _keys_of(
    table: Mapping[str, Any],
    bindings: Sequence[Binding],
    taken: Mapping[str, str],
    lines: _Lines,
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Keys of the bindings that are to have others, and of those that share a key with them."""
    before: dict[str, tuple[str, ...]] = {}
    for binding in bindings:
        if binding.id is not None:
            mine = (*before.get(binding.id, ()), *binding.key.split(","))
            before[binding.id] = tuple(dict.fromkeys(mine))
    problems: list[str] = []
    asked: dict[str, tuple[str, ...]] = {}
    for name, value in table.items():
        try:
            asked[name] = _wanted(name, value, before, taken)
        except ValueError as problem:
            problems.append(f"{lines.of('keys', name)}: {problem}")
    while clash := _clash(before, asked):
        name, key, other = clash
        del asked[name]
        problems.append(
            f"{lines.of('keys', name)}: {key} is the key of {other}, "
            f"so {name} keeps {', '.join(before[name])}; give {other} another one too"
        )
    # Textual takes a key from all that have it when one of them gets another.
    shared = {
        other
        for name in asked
        for other, keys in before.items()
        if other not in asked and set(keys) & set(before[name])
    }
    return {**{name: before[name] for name in sorted(shared)}, **asked}, problems


def _wanted(
    name: str, value: Any, before: Mapping[str, tuple[str, ...]], taken: Mapping[str, str]
) -> tuple[str, ...]:
    """The keys that a line of the file asks for.

    Raises:
        ValueError: what is wrong, in words.
    """
    if name not in before:
        near = nearest(name, list(before))
        hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(before))}"
        raise ValueError(f"no action has this name; {hint}")
    keys = [value] if isinstance(value, str) else value
    if not (isinstance(keys, list) and keys and all(isinstance(key, str) for key in keys)):
        raise ValueError(f'found {value!r}; write a key, as "s" or "ctrl+s", or a list of keys')
    found = []
    for key in keys:
        long = _long_name(key)
        if long is None:
            raise ValueError(
                f'there is no key {key!r}; write one as "s", "S", "f5", "ctrl+s" or "space"'
            )
        if long in _SAME:
            raise ValueError(f"{key} is {_SAME[long]} in a terminal, and can't be told from it")
        if long in taken:
            raise ValueError(f"{key} {taken[long]}, and can't have another meaning")
        found.append(long)
    return tuple(dict.fromkeys(found))


def _long_name(key: str) -> str | None:
    """A key as Textual names it; None where there is none.

    Shift and a letter are its capital, as terminals send it; shift and another character may be
    anything.
    """
    *modifiers, base = key.strip().split("+") if key.strip() != "+" else ["+"]
    modifiers = sorted({modifier.lower() for modifier in modifiers})
    if not set(modifiers) <= _MODIFIERS or not base:
        return None
    if modifiers == ["shift"] and len(base) == 1:
        return base.upper() if base.isalpha() and len(base.upper()) == 1 else None
    if len(base) == 1:
        base = _character_to_key(base.lower() if modifiers else base)
    elif base.lower() not in _NAMED and not re.fullmatch(r"f([1-9]|1\d|2[0-4])", base.lower()):
        return None
    else:
        base = base.lower()
    return "+".join([*modifiers, base])


def _clash(
    before: Mapping[str, tuple[str, ...]], asked: Mapping[str, tuple[str, ...]]
) -> tuple[str, str, str] | None:
    """A name that was to get a key that another one has, the last such in the file."""
    now = {**before, **asked}
    for name in reversed(list(asked)):
        for other, keys in now.items():
            if other == name or set(before[name]) & set(before[other]):
                continue
            both = set(keys) & set(asked[name])
            if both:
                return name, min(both), other
    return None
