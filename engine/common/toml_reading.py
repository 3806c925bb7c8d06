"""TOML files of people, and what is wrong in one in words: the line, its key, what to write."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from engine.common.errors import UserError
from engine.common.text_file import read_text

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_MOST_LINES = 200  # of one statement, looked back through for where it begins
_MOST_NESTED = 50  # tables and lists: what goes through them by recursion must come to an end
_LONGEST_LINE = 60  # characters of it that are shown

_TWICE = re.compile(
    r"Cannot (?:overwrite a value|declare .* twice|mutate immutable .*|redefine .*)"
    r"|Duplicate inline table key .*"
)
# By how tomllib's messages begin.
_WORDS = {
    "Invalid statement": "a line is key = value, a [table] or a # comment",
    "Invalid initial character for a key part": "a key is missing, or is to be in quotes",
    "Expected '=' after a key": "write it as key = value",
    "Expected ']": "a ] is missing",
    "Expected newline": "there is more after the value; text goes in quotes, a key on its own line",
    "Invalid value": "this is no value; text goes in quotes, true and false are in small letters, "
    "a number has a digit before and after its dot",
    "Unclosed array": "the list is not closed; a ] or a comma is missing",
    "Unclosed inline table": "the { is not closed in its line; a } or a comma is missing",
    "Unterminated string": "the text is not closed; a quote is missing",
    "Unescaped '\\' in a string": "a \\ in double quotes begins an escape; put the text in single "
    "quotes ('...')",
    "Invalid hex value": "a \\u or \\x in double quotes begins an escape; put the text in single "
    "quotes ('...')",
    "Escaped character is not": "the escape stands for no character",
    "Illegal character '\\n'": "the text is not closed in its line; a quote is missing",
    "Illegal character": "there is a control character in it",
    "Found invalid character '\\n'": "the text is not closed in its line; a quote is missing",
    "Found invalid character": "there is a control character in it",
    "Expected \"'": "the text is not closed; a quote is missing",
    "Expected": "a line end is missing",
    "Invalid date": "there is no such date or time",
}


def read_toml(
    path: Path, error: type[UserError] = UserError, has_secrets: bool = False
) -> dict[str, Any]:
    """The content of a TOML file in any Unicode encoding.

    What is wrong in one that ``has_secrets`` is said without the line itself.

    Raises:
        UserError: of the class ``error``, as ``read_text``, or where it is no TOML: names the file,
            the line and what to write.
    """
    text = read_text(path, error)
    try:
        values = tomllib.loads(text)
        if _is_nested_deeper(values, _MOST_NESTED):  # a.b.c...: no recursion in the reading of it
            raise RecursionError
        return values
    except RecursionError:
        wrong = "lists or tables in it are nested too deep"
    except ValueError as problem:  # tomllib's own, or Python's of a number with too many digits
        wrong = _explained(text, str(problem), shows_line=not has_secrets)
    raise error(f"{path} can't be read, it is no valid TOML: {wrong}")


def _is_nested_deeper(values: dict[str, Any], most: int) -> bool:
    """Whether there is anything more than ``most`` tables or lists deep."""
    level: list[Any] = [values]
    for _ in range(most):
        inner = [list(value.values()) if isinstance(value, dict) else value for value in level]
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _explained(text: str, said: str, shows_line: bool) -> str:
    place = _PLACE.search(said)
    if place is None:
        return "a number in it is too large" if "integer string" in said else said
    what = said[: place.start()]
    lines = text.split("\n")
    end = min(int(place[1]), len(lines)) if place[1] else len(lines)
    begin = _beginning(lines, end)
    line = lines[begin - 1].strip()
    if len(line) > _LONGEST_LINE:
        line = line[: _LONGEST_LINE - 3] + "..."
    place_said = f"line {begin} ({line})" if shows_line else f"line {begin}"
    if _TWICE.fullmatch(what):
        return f"{place_said}: {_twice(lines, begin)}"
    words = next((ours for theirs, ours in _WORDS.items() if what.startswith(theirs)), what)
    return f"{place_said}: {words}"


def _beginning(lines: list[str], end: int) -> int:
    """The line in which the statement begins that can't be read on in line ``end``, 1-based.

    All before it is TOML by itself, and nothing that ends within it is, or is that much wrong.
    """
    for count in range(end - 1, max(-1, end - 1 - _MOST_LINES), -1):
        if _is_toml("\n".join(lines[:count])):
            begin = count + 1
            while begin < end and not lines[begin - 1].strip():
                begin += 1
            return begin
    return end


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _twice(lines: list[str], number: int) -> str:
    """What to say of a key or table that is there already; ``number`` is 1-based."""
    table, named = "", _named(lines[number - 1])
    seen: list[tuple[str, str, int]] = []
    for place, line in enumerate(lines[: number - 1], start=1):
        name = _named(line)
        if name.startswith("["):
            table = name
        if name:
            seen.append((table, name, place))
    is_table = named.startswith("[")
    first = next(
        (
            place
            for home, name, place in seen
            if name == named and (is_table or home == table)
            # Else it is a line of a longer text.
            if _is_toml("\n".join(lines[: place - 1]))
        ),
        None,
    )
    under = f" under {table}" if table and not is_table else ""
    if first is None:
        return f"a key{under} is there twice, perhaps spelled otherwise or as a table; keep one"
    mend = "put its keys under one of them" if is_table else "keep one of them"
    return f"{named} is there twice{under}, first in line {first}; {mend}"


def _named(line: str) -> str:
    """``key`` of ``key = 3``, ``[table]`` of a table's line, else nothing; spaces are left out."""
    line = line.strip()
    if line.startswith("["):
        return re.sub(r"\s", "", line.partition("#")[0])
    key, equals, _ = line.partition("=")
    return re.sub(r"\s*\.\s*", ".", key.strip()) if equals and not key.startswith("#") else ""
