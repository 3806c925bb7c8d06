"""Lists of templates that people have, in whatever form: text, JSON, CSV, what glov printed.

- text: a template a line, also as it stands in Python code, in quotes or behind ``lambda c:``;
- JSON: a list of texts, or of objects with a ``template``; one such object a line (``.jsonl``); or
  a result of glov (``--json``), whose seed, best template and ensemble are taken;
- CSV: the column ``template``, or the only one; with commas, semicolons or tabs.

What stands for the class name may be written as ``{}``, ``{c}``, ``<category>`` or in another usual
way. Errors name the file and the line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.analysis.evaluate import Subject
from engine.analysis.pasted import lines_of_items, numbered_texts
from engine.common.errors import DataError
from engine.common.names import quoted
from engine.common.text_file import read_text
from engine.common.validation import shown
from engine.common.wording import counted
from engine.config import Select, is_one_line
from engine.prompts.template import PLACEHOLDER, PLACEHOLDER_SPELLINGS
from engine.vlm.task import Task

_LONGEST = 16 * 2**20
"""Bytes of a file: the result of a long run has thousands of templates."""

_COLUMN = "template"
_WHAT_FORMS = (
    "it should be a list of texts, or of objects with a key template, or what glov prints with "
    "--json"
)


class _Found(NamedTuple):
    where: str  # in the file: line 3, item 7
    templates: tuple[str, ...]
    name: str | None = None  # of what a result of glov has
    selection: Select | None = None


def read_list(path: Path, task: Task) -> tuple[Subject, ...]:
    """The templates of a file, each by itself and, of a plain list of several, all together.

    Args:
        path: of the file; the end of its name says what is in it, or how it begins.
        task: of the VLM: how often the placeholder stands in a template.

    Raises:
        DataError: if the file can't be read, has no template in it, or one that can't be measured;
            names the file and the line.
    """
    found = list(_read(path, read_text(path, DataError, _LONGEST)))
    if not found:
        raise DataError(f"{path}: there is no template in it")
    subjects = [
        Subject(
            one.name or one.where,
            tuple(_checked(text, f"{path}, {one.where}", task) for text in one.templates),
            one.selection,
        )
        for one in found
    ]
    plain = [subject for subject, one in zip(subjects, found, strict=True) if one.name is None]
    if len(plain) == len(subjects) > 1:
        all_of_them = tuple(text for subject in plain for text in subject.templates)
        subjects.append(Subject(f"all {len(all_of_them):,}", all_of_them))
    return tuple(subjects)


def read_texts(path: Path) -> list[str]:
    """The texts of such a file as they are, whether they are templates or not; each once.

    Raises:
        DataError: if the file can't be read, or has no text in it; names the file and the line.
    """
    found = _read(path, read_text(path, DataError, _LONGEST))
    texts = (" ".join(text.split()) for one in found for text in one.templates)
    distinct = [text for text in dict.fromkeys(texts) if text]
    if not distinct:
        raise DataError(f"{path}: there is no template in it")
    return distinct


def _checked(text: str, where: str, task: Task) -> str:
    template = PLACEHOLDER_SPELLINGS.sub(PLACEHOLDER, text.strip())
    if not template:
        raise DataError(f"{where}: the template is empty")
    if not is_one_line(template):
        raise DataError(
            f"{where}: {shown(text)} should be one line of text, without what can't be seen"
        )
    problem = task.placeholders.problem(template)
    if problem is not None:
        also = " (or {}, or {c})" if PLACEHOLDER not in template else ""
        raise DataError(f"{where}: {shown(text)}; {problem}{also}")
    return template


def _read(path: Path, text: str) -> Iterator[_Found]:
    kind = path.suffix.lower()
    if kind in (".jsonl", ".ndjson"):
        return _json_lines(path, text)
    if kind == ".json":
        return _json(path, text)
    if kind in (".csv", ".tsv"):
        return _table(path, text)
    begin = text.lstrip()[:1]
    if begin and begin in "[{" and kind != ".txt":
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return _lines(text)  # {} may begin a template
        return _json(path, text)
    return _lines(text)


# -- text ------------------------------------------------------------------------------------


def _lines(text: str) -> Iterator[_Found]:
    for number, line in numbered_texts(text):
        yield _Found(f"line {number}", (line,))


# -- JSON ------------------------------------------------------------------------------------


def _json(path: Path, text: str) -> Iterator[_Found]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: this is no JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, deep lists
        raise DataError(f"{path}: this can't be read as JSON: {error}") from None
    if isinstance(document, list):
        lines = lines_of_items(text)
        items = enumerate(zip(document, lines, strict=True), start=1)
        yield from (_item(path, f"line {line}, item {n}", one) for n, (one, line) in items)
    elif isinstance(document, Mapping):
        yield from _document(path, document)
    else:
        raise DataError(f"{path}: {shown(document)} is no list of templates; {_WHAT_FORMS}")


def _json_lines(path: Path, text: str) -> Iterator[_Found]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield _item(path, f"line {number}", json.loads(line))
        except (ValueError, RecursionError) as error:
            said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise DataError(f"{path}, line {number}: this is no JSON: {said}") from None


def _item(path: Path, where: str, item: Any) -> _Found:
    text = item.get(_COLUMN) if isinstance(item, Mapping) else item
    if not isinstance(text, str):
        if isinstance(item, Mapping):
            has = _COLUMN in item
            problem = f"its {_COLUMN} is no text" if has else f"it has no key {_COLUMN}"
        else:
            problem = f"{shown(item)} is no text"
        raise DataError(f"{path}, {where}: {problem}; {_WHAT_FORMS}")
    return _Found(where, (text,))


def _document(path: Path, document: Mapping[str, Any]) -> Iterator[_Found]:
    """A result of glov, an evaluation, or an object with one template or a list of them."""
    if isinstance(document.get("subjects"), list):  # of glov eval
        for number, one in enumerate(document["subjects"], start=1):
            where = f"subjects, item {number}"
            name = one.get("name") if isinstance(one, Mapping) else None
            found = _named(path, where, one, str(name) if name is not None else None)
            if found is not None:
                yield found
        return
    if "ensemble" in document:
        names = {"baseline": "seed", "best": "best", "ensemble": "ensemble"}
        for key, name in names.items():
            found = _named(path, key, document.get(key), name)
            if found is not None:
                yield found
        return
    for key in ("templates", "leaderboard"):
        if isinstance(document.get(key), list):
            items = enumerate(document[key], start=1)
            yield from (_item(path, f"{key}, item {n}", one) for n, one in items)
            return
    if _COLUMN not in document:
        raise DataError(f"{path}: it has no key {_COLUMN}; {_WHAT_FORMS}")
    yield _item(path, _COLUMN, document)


def _named(path: Path, where: str, one: Any, name: str | None) -> _Found | None:
    """One template or an ensemble of a result; None where it has none."""
    if not isinstance(one, Mapping):
        return None
    texts = one.get("templates", one.get(_COLUMN))
    texts = [texts] if isinstance(texts, str) else texts
    if not texts:
        return None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{path}, {where}: {shown(texts)} should be templates; {_WHAT_FORMS}")
    selection = one.get("selection")
    known = selection if selection in ("greedy", "top") else None
    return _Found(where, tuple(texts), name, known)


# -- CSV -------------------------------------------------------------------------------------


def _table(path: Path, text: str) -> Iterator[_Found]:
    first = next((line for line in text.split("\n") if line.strip()), "")
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    separator = next((s for s in (usual, ",", ";", "\t") if _column(first.split(s))), usual)
    rows = _rows(path, text, separator)
    begin = next(rows, None)
    if begin is None:
        return
    line, cells = begin
    column = _column(cells)
    if column is None:
        column = 0
        if len(cells) > 1:
            raise DataError(
                f"{path}, line {line}: there is no column {_COLUMN}, and more than one: "
                f"{', '.join(map(quoted, cells[:5]))}. Name the column of the templates "
                f"{_COLUMN}; a template with a comma in it is to be in double quotes"
            )
        if not cells[0].strip().isidentifier():  # no heading: a template
            yield _Found(f"line {line}", (cells[0],))
        width = 1
    else:
        column, width = column - 1, len(cells)
    for line, cells in rows:
        if len(cells) > width or column >= len(cells):
            raise DataError(
                f"{path}, line {line}: {counted(len(cells), 'column')} in place of {width}; a "
                "template with a comma in it is to be in double quotes"
            )
        yield _Found(f"line {line}", (cells[column],))


def _rows(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows in which something stands, each with the line that it begins on."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True, skipinitialspace=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: this is no CSV: {error}") from None


def _column(cells: Sequence[str]) -> int | None:
    """The number of the column of templates, from 1; None where none has that name."""
    names = [cell.strip().strip('"').strip().casefold() for cell in cells]
    return names.index(_COLUMN) + 1 if _COLUMN in names else None
