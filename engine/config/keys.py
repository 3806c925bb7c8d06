"""The keys of a configuration: their names, which of them take text, and where one belongs."""

from __future__ import annotations

import difflib
import types
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from engine.config import RunConfig


@cache
def all_keys() -> tuple[str, ...]:
    """Every key by its dotted name, tables included."""
    return tuple(_annotations())


def is_text(key: str) -> bool:
    """Whether a key's values are text, and nothing but text; False where there is no such key."""
    annotation = _annotations().get(key)
    return annotation is not None and _is_text(annotation)


def is_table(key: str) -> bool:
    """Whether the name is that of a table of keys, such as ``llm``."""
    return _is_section(_annotations().get(key))


def few_values(key: str) -> tuple[str, ...]:
    """The values of a key that has few of them, in their order; none where it takes any."""
    annotation = _annotations().get(key)
    if annotation is bool:
        return ("true", "false")
    values = get_args(annotation) if get_origin(annotation) is Literal else ()
    return tuple(value for value in values if isinstance(value, str))


def key_hint(key: str) -> str:
    """Where a key that does not exist may belong, or what may be meant; empty where nothing is."""
    name = key.rpartition(".")[2]
    if key in all_keys():  # "llm.model" = ... in a file: one name with a dot in it
        return f"write {key}, unquoted"
    if name in all_keys() and is_table(name):
        return f"{name} is a table of its own: [{name}]"
    homes = [known for known in all_keys() if known.rpartition(".")[2] == name]
    if name in homes:
        return f"{name} belongs at the top, before the first [table] (--set {name}=...)"
    if homes:
        tables = " or ".join(f"[{home.rpartition('.')[0]}]" for home in homes)
        return f"{name} belongs under {tables} (--set {homes[0]}=...)"
    plain = key.lower().replace("-", "_")
    near = difflib.get_close_matches(plain, all_keys(), n=1)
    if not near:
        last = {known.rpartition(".")[2]: known for known in all_keys()}
        near = [last[n] for n in difflib.get_close_matches(plain.rpartition(".")[2], last, n=1)]
    return f"did you mean {near[0]}?" if near else ""


@cache
def _annotations() -> dict[str, Any]:
    return dict(_walk(RunConfig, ""))


def _walk(model: type[BaseModel], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, info in model.model_fields.items():
        found.append((prefix + name, info.annotation))
        if _is_section(info.annotation):
            found += _walk(info.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]
    return found


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_text(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_text(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return all(_is_text(part) for part in get_args(annotation) if part is not types.NoneType)
    if origin is Literal:
        return all(isinstance(value, str) for value in get_args(annotation))
    return annotation is str
