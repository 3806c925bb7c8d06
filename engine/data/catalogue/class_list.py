"""Class names of the catalogue, and the other names that copies of a data set have for a class.

A file has a class a line, in the order of the labels; after tabs come other names of it, such as
its folder. Names are one if they differ in case, spaces and punctuation only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from engine.common.names import same_name

_FOLDER = Path(__file__).parent / "classes"
_MOST_ASKED = 10_000  # spellings that are remembered
_BESIDE_WORDS = re.compile(r"[\W_]+")


def class_key(name: str) -> str:
    """By which two spellings are one class."""
    return _BESIDE_WORDS.sub("", same_name(name).casefold())


class ClassList:
    """The classes of a data set in the order of their labels."""

    def __init__(self, rows: Iterable[tuple[str, ...]]) -> None:
        """``rows`` have a name and the other names of each class."""
        self.rows = tuple(rows)
        self.names = tuple(row[0] for row in self.rows)
        self._asked: dict[str, int | None] = {}  # lists say each name hundreds of times
        self._labels = {class_key(name): i for i, row in enumerate(self.rows) for name in row}

    def label(self, name: str) -> int | None:
        """Of a class by any of its names."""
        if name not in self._asked:
            if len(self._asked) > _MOST_ASKED:
                self._asked.clear()
            self._asked[name] = self._labels.get(class_key(name))
        return self._asked[name]


@cache
def class_list(name: str, subset: str = "") -> ClassList:
    """The classes in a file of the catalogue; those that ``subset`` names, in its order."""
    rows = [tuple(line.split("\t")) for line in _lines(f"{name}.tsv")]
    if not subset:
        return ClassList(rows)
    known = {other: row for row in rows for other in row}
    return ClassList(known[line] for line in _lines(f"{subset}.ids"))


def source_of(name: str) -> str:
    """Where a file's order and spelling are from."""
    text = (_FOLDER / f"{name}.tsv").read_text(encoding="utf-8")
    said = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
    return " ".join(said)


def _lines(file: str) -> list[str]:
    text = (_FOLDER / file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
