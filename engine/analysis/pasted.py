"""Templates as people paste them: a line each, as they stand in Python code, or a list as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

_CODE = re.compile(r"""(?:lambda \w+ ?: ?)?[fr]?(?P<quote>["'])(?P<text>.*)(?P=quote),?""")
_WHITE = re.compile(r"[\s,]*")
_BRACKETS = "[](),; "


def texts_in(text: str) -> list[tuple[int, str]]:
    """The texts of what was typed or pasted, each with the number of its line, from 1.

    They need not be templates. Nothing is left out but lines of brackets alone.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] == "[":
        items = _items(text)
        if items is not None:  # else [category] may begin a template
            return list(zip(lines_of_items(text), items, strict=True))
    return list(numbered_texts(text))


def _items(text: str) -> list[str] | None:
    """The texts of a JSON list of texts, or of objects with a ``template``; None: it is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    items = [item.get("template") if isinstance(item, Mapping) else item for item in document]
    texts = [" ".join(item.split()) for item in items if isinstance(item, str)]
    return texts if len(texts) == len(items) else None


def numbered_texts(text: str) -> Iterator[tuple[int, str]]:
    """A text a line, out of quotes or from behind ``lambda c:``, with the number of the line."""
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        code = _CODE.fullmatch(line)
        if code is not None:
            line = code["text"].replace(f"\\{code['quote']}", code["quote"])
        if line.strip(_BRACKETS):  # else of a list in Python
            yield number, line


def lines_of_items(text: str) -> list[int]:
    """The line on which each item of a list begins; ``text`` is a whole JSON list."""
    decoder, line = json.JSONDecoder(), 1
    lines: list[int] = []
    at = seen = text.index("[") + 1
    line += text.count("\n", 0, at)
    while True:
        at = _WHITE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
        if text[at] == "]":
            return lines
        line += text.count("\n", seen, at)
        seen = at
        lines.append(line)
        _, at = decoder.raw_decode(text, at)
