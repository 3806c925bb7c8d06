"""What is wrong with a value, in words for people: pydantic's own speak of inputs and instances."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from engine.common.names import quoted

LONGEST_SHOWN = 60
"""Characters of a wrong value that are shown."""

_WHOLE, _NUMBER = "should be a whole number", "should be a number"
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "is too large a number",
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "should be a finite number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "string_type": "should be text, in quotes",
    "string_unicode": "should be text",
    "literal_error": "should be {expected}",
    "greater_than_equal": "should be at least {ge}",
    "greater_than": "should be more than {gt}",
    "less_than_equal": "should be at most {le}",
    "less_than": "should be less than {lt}",
    "string_too_long": "should have at most {max_length} characters",
    "string_too_short": "should have at least {min_length} characters",
    "too_long": "should have at most {max_length} items",
    "too_short": "should have at least {min_length} items",
    "tuple_type": "should be a list, in brackets",
    "list_type": "should be a list, in brackets",
    "dict_type": "should be a table",
    "model_type": "should be a table",
    "model_attributes_type": "should be a table",
    "union_tag_invalid": "is of an unknown kind, {tag}",
    "union_tag_not_found": "has no kind",
    "json_invalid": "no JSON: {error}",
}


def problem(detail: ErrorDetails) -> str:
    """What is wrong with one value, to follow its name: ``should be at least 1``."""
    kind = detail["type"]
    context: Mapping[str, Any] = detail.get("ctx") or {}
    if kind in ("string_too_short", "too_short") and context.get("min_length") == 1:
        return "should not be empty"
    if kind in _WORDS:
        return _WORDS[kind].format_map({key: _plain(value) for key, value in context.items()})
    text = detail["msg"]
    for ours in ("Value error, ", "Assertion failed, ", "Input "):
        text = text.removeprefix(ours)
    return text[:1].lower() + text[1:]


def shown(value: Any) -> str:
    """A wrong value as the user knows it, cut where it is long."""
    match value:
        case bool():
            text = str(value).lower()
        case datetime.date() | datetime.time():  # a datetime is a date
            text = value.isoformat()
        case Mapping():
            text = "{...}"
        case list() | tuple():
            text = f"[{', '.join(map(shown, value))}]"
        case _:
            text = quoted(value) if isinstance(value, str) else _number(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def _number(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"


def _plain(value: Any) -> Any:
    """A limit as one writes it: 1000 for 1000.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
