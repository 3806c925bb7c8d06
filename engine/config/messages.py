"""What is wrong with a configuration: one line a key, with its value and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.common.validation import problem, shown
from engine.config.keys import all_keys, is_table, key_hint


def explain(error: ValidationError) -> str:
    """Every wrong key of a ``RunConfig``, a line each."""
    by_key: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors():
        by_key.setdefault(_key(detail), []).append(detail)
    return "\n".join(_line(key, details) for key, details in by_key.items())


def _key(detail: ErrorDetails) -> str:
    """The key that the user wrote. What pydantic adds is left out: tried types, items of a list."""
    parts = [str(part) for part in detail["loc"]]
    if detail["type"] == "extra_forbidden":
        return ".".join(parts)
    known = all_keys()
    while parts and ".".join(parts) not in known:
        parts.pop()
    return ".".join(parts)


def _line(key: str, details: Sequence[ErrorDetails]) -> str:
    first = details[0]
    if first["type"] == "extra_forbidden":
        hint = key_hint(key)
        return f"{key}: there is no such key{'; ' if hint else ''}{hint}"
    wrongs = list(dict.fromkeys(problem(detail) for detail in details))
    # Of a key that takes one thing or another, one is told once: should be a, or b.
    said = ", or ".join([wrongs[0], *(wrong.removeprefix("should be ") for wrong in wrongs[1:])])
    if not key:
        return said
    if is_table(key):
        inner = next(k for k in all_keys() if k.startswith(f"{key}."))
        return f"{key} = {shown(first['input'])}: {key} is a table; give its keys, such as {inner}"
    return f"{key} = {shown(first['input'])}: {said}"
