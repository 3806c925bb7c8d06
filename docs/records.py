"""Records as tables: the fields of a class, their types, ranges, defaults and comments.

Knows pydantic models and typed dictionaries. What a field means is the comment behind it in the
source; one on lines of its own holds for the fields below it that have none.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Union,
    get_args,
    get_origin,
)

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import get_type_hints, is_typeddict

from engine.common.record import Dumped

_UNBOUNDED = 2**53  # a range up to here is that of all whole numbers of JSON
_PLAIN = {
    str: ("text", "texts"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    bool: ("true or false", "true or false"),
    NoneType: ("null", "null"),
    Any: ("any value", "any values"),
}


class Row(NamedTuple):
    """One field. ``type`` and ``meaning`` are Markdown, ``default`` JSON, or None."""

    name: str
    type: str
    default: str | None
    meaning: str


def rows(record: type) -> Iterator[Row]:
    """The fields of a record, in order."""
    comments = _comments(record)
    if issubclass(record, BaseModel):
        for name, info in record.model_fields.items():
            made = info.default_factory is not None  # anew for each record
            value = {} if info.default_factory is dict else info.default
            fixed = len(get_args(info.annotation)) == 1 and get_args(info.annotation) == (value,)
            told = not (info.is_required() or fixed or (made and value != {}))
            default = _json(value) if told else None
            meaning = _markdown(info.description or comments.get(name, ""))
            yield Row(name, _ranged(_wording(info.annotation), info.metadata), default, meaning)
        return
    for name, hint in get_type_hints(record, include_extras=True).items():
        origin: Any = get_origin(hint)
        optional = origin is NotRequired
        inner = get_args(hint)[0] if optional else hint
        meaning = _markdown(comments.get(name, ""))
        absent = "; may be absent" if optional else ""
        yield Row(name, _wording(inner) + absent, None, meaning)


def table(found: Iterable[Row]) -> list[str]:
    """The lines of a Markdown table; a column in which nothing stands is left out."""
    cells = [
        (f"`{r.name}`", r.type, f"`{r.default}`" if r.default else "", r.meaning) for r in found
    ]
    heads = ("field", "type", "default", "meaning")
    kept = [i for i in range(len(heads)) if any(row[i] for row in cells)]
    lines = [[heads[i] for i in kept], ["---"] * len(kept)]
    lines += [[row[i].replace("|", "\\|") for i in kept] for row in cells]
    return ["|" + "".join(f" {cell} |" if cell else " |" for cell in line) for line in lines]


def about(record: type) -> str:
    """The docstring of a record, as Markdown."""
    return _markdown(inspect.cleandoc(vars(record).get("__doc__") or ""))


def inner_records(annotation: Any) -> Iterator[type]:
    """The records that an annotation or a record holds directly, in order."""
    if is_record(annotation):
        if issubclass(annotation, BaseModel):
            hints = [info.annotation for info in annotation.model_fields.values()]
        else:
            hints = list(get_type_hints(annotation, include_extras=True).values())
        for hint in hints:
            yield from _records_in(hint)
    else:
        yield from _records_in(annotation)


def is_record(annotation: Any) -> bool:
    """Whether it is a class that has fields."""
    return inspect.isclass(annotation) and (
        is_typeddict(annotation) or issubclass(annotation, BaseModel)
    )


def _records_in(annotation: Any) -> Iterator[type]:
    if is_record(annotation):
        yield annotation
        return
    for inner in get_args(annotation):
        if isinstance(inner, Dumped):
            yield inner.record
        elif not isinstance(inner, str | int | FieldInfo):
            yield from _records_in(inner)


# -- types ---------------------------------------------------------------------------------


def wording(annotation: Any) -> str:
    """A type in words: ``list of whole numbers, 0 or more``."""
    return _wording(annotation)


def _wording(annotation: Any, several: bool = False) -> str:
    if is_record(annotation):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if annotation in _PLAIN:
        return _PLAIN[annotation][several]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        dumped = next((one for one in inner[1:] if isinstance(one, Dumped)), None)
        if dumped is not None:
            return _wording(dumped.record, several)
        return _ranged(_wording(inner[0], several), inner[1:])
    if origin is Literal:
        *others, last = (f"`{_json(value)}`" for value in inner)
        return " or ".join([", ".join(others), last] if others else [last])
    if origin in (Union, UnionType):
        return " or ".join(_wording(one, several) for one in inner)
    if origin is tuple and inner[-1:] != (...,):
        return f"[{', '.join(map(_wording, inner))}]"
    if origin in (list, tuple):
        return f"{'lists' if several else 'list'} of {_wording(inner[0], several=True)}"
    if origin is dict:
        named = "" if inner[0] is str else f" for each of {_wording(inner[0])}"
        return f"{'objects' if several else 'object'} of {_wording(inner[1], several=True)}{named}"
    raise TypeError(f"{annotation} can't be described")


def _ranged(text: str, metadata: Iterable[Any]) -> str:
    limits: dict[type, Any] = {}
    for one in metadata:
        for limit in one.metadata if isinstance(one, FieldInfo) else (one,):
            limits[type(limit)] = limit
    low = limits[Ge].ge if Ge in limits else None
    high = limits[Le].le if Le in limits else None
    said = []
    if low is not None and abs(low) < _UNBOUNDED:
        end = "or more" if high is None or high >= _UNBOUNDED else f"to {high:,}"
        said.append(f"{low:,} {end}")
    elif high is not None and abs(high) < _UNBOUNDED:
        said.append(f"at most {high:,}")
    if Gt in limits:
        said.append(f"more than {limits[Gt].gt:,}")
    if Lt in limits and limits[Lt].lt < _UNBOUNDED:
        said.append(f"less than {limits[Lt].lt:,}")
    least = limits[MinLen].min_length if MinLen in limits else None
    most = limits[MaxLen].max_length if MaxLen in limits else None
    if least is not None:
        said.append(f"{least} of them" if least == most else f"at least {least} long")
    elif most is not None:
        said.append(f"at most {most:,} long")
    return f"{text} ({', '.join(said)})" if said else text


def _markdown(text: str) -> str:
    """What the source says, in words of JSON; what looks like a tag outside of code is escaped."""
    text = text.replace("``", "`")
    for python, words in (("None", "null"), ("True", "true"), ("False", "false")):
        text = re.sub(rf"\b{python}\b", words, text)
    text = re.sub(r"\btuples\b", "lists", text)
    parts = text.split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;") for i, p in enumerate(parts))


def _json(value: Any) -> str:
    if isinstance(value, BaseModel):
        return ""
    return json.dumps(value, ensure_ascii=False)


# -- comments ------------------------------------------------------------------------------


def _comments(record: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in getattr(record, "__orig_bases__", ()):
        if is_record(base):
            found |= _comments(base)
    try:
        source = textwrap.dedent(inspect.getsource(record))
    except (OSError, TypeError):
        return found  # made by a call, not by a class statement
    behind, alone = _all_comments(source)
    (body,) = ast.parse(source).body
    if not isinstance(body, ast.ClassDef):
        return found
    before = 0  # the last line of the field before
    held = ""
    for field in body.body:
        own = behind.get(field.end_lineno or 0, "")
        lines = [alone[n] for n in range(before + 1, field.lineno) if n in alone]
        before = field.end_lineno or 0
        held = "" if own else " ".join(lines) or held
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            found[field.target.id] = own or held
            held = held and "likewise"
    return found


def _all_comments(source: str) -> tuple[dict[int, str], dict[int, str]]:
    """The comments behind code, and those on lines of their own, by line."""
    behind: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.removeprefix("#").strip()
            (behind if token.line[: token.start[1]].strip() else alone)[token.start[0]] = text
    return behind, alone
