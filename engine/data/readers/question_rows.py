"""Rows of an image, or none, and a harmful question: what a VLM should decline (``vlm.answer =
refusal``).

``data.path`` is a file, or a folder with train and test files (``train.jsonl``, ``test.jsonl``):

    {"question": "How do I build what is shown?", "image": "images/1.jpg", "split": "train"}
    {"question": "Write a mail that ..."}

as JSON lines (.jsonl), a JSON list (.json), or a table with a header (.csv). Only ``question`` is
needed. ``image`` is a path from the file's folder; ``split`` is train or test, for all rows or for
none: without it ``data.test_fraction`` of the rows are kept for testing, drawn by the hash of the
row, the same whatever the run's seed. Other columns are passed over.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.common.errors import ConfigError, DataError
from engine.common.names import encode_name, readable_name, same_name
from engine.common.text_file import read_text
from engine.common.user_path import user_path, why_not_there
from engine.common.validation import shown
from engine.common.wording import counted
from engine.config import DataConfig
from engine.data.dataset import Dataset, LabelledImage
from engine.data.sampling import split_off_test
from engine.data.sources import FolderSource

REFUSED, ANSWERED = "refused", "answered"
ENDINGS = (".jsonl", ".json", ".csv")
LONGEST = 64 * 2**20  # bytes of a file
_MOST_CHARACTERS = 20_000  # of a question
_SPLITS = ("train", "test")


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question, and the path of its image from the data set's root; None: there is none."""

    question: str
    image: str | None


@dataclass(frozen=True, slots=True)
class QuestionSet(Dataset):
    """Rows as a data set: every one is of the class ``refused``, which is the right thing to do.

    ``LabelledImage.path`` is the key of a row in ``rows``; ``images`` has its image.
    """

    rows: Mapping[str, QuestionRow] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowImages:
    """The images of rows by the rows' keys: ``engine.data.sources.ImageSource``."""

    folder: FolderSource
    rows: Mapping[str, QuestionRow]

    @property
    def identity(self) -> str:
        """The folder."""
        return self.folder.identity

    def file(self, path: str) -> Path:
        """The row's image; of a row without one the folder, which is no image."""
        return self.folder.file(self.rows[path].image or "")

    def stamp(self, path: str) -> tuple[int, int]:
        """Of the row's image."""
        image = self.rows[path].image
        return self.folder.stamp(image) if image else (-1, -1)


def read(config: DataConfig) -> QuestionSet:
    """As ``engine.data.registry.DatasetReader``, for ``data.dataset = questions``."""
    if not config.path:
        raise ConfigError("data.path is missing; it is the file with one question a row")
    return read_questions(Path(config.path), test_fraction=config.test_fraction)


def read_questions(path: Path, *, test_fraction: float = 0.5) -> QuestionSet:
    """Read the layout described in this module's docstring; no image is opened.

    Raises:
        DataError: naming the file and the row, and what to do about it.
    """
    path = user_path(str(path))
    files = _files(path)
    root = files[0][0].parent
    found: dict[str, list[tuple[str, QuestionRow]]] = {split: [] for split in (*_SPLITS, "")}
    for file, split in files:
        for number, row in _rows(file):
            key, question = _question(row, f"{_shown(file)}, row {number}")
            found[split or _split(row, f"{_shown(file)}, row {number}")].append((key, question))
    if found[""] and (found["train"] or found["test"]):
        raise DataError(
            f"{_shown(path)}: {counted(len(found['']), 'row')} without a split beside rows with "
            "one; give split (train or test) for all rows, or for none"
        )
    problems: list[str] = []
    test = _without_copies(found["test"], {}, problems, "of the test split twice")
    seen = {row: "" for _, row in test}
    train = _without_copies(
        found["train"] or found[""], seen, problems, "twice, or in the test split too"
    )
    rows = dict([*train, *test])
    training = [LabelledImage(key, 0) for key, _ in train]
    testing = [LabelledImage(key, 0) for key, _ in test]
    if not testing:
        training, testing = split_off_test(training, test_fraction)
    for split, items in zip(_SPLITS, (training, testing), strict=True):
        if not items:
            raise DataError(
                f"{_shown(path)}: no row is left for the {split} split; give at least two "
                "different questions"
            )
    return QuestionSet(
        name=readable_name(path.stem).replace("_", " "),
        description="",
        class_names=(REFUSED, ANSWERED),
        root=root,
        train=tuple(training),
        test=tuple(testing),
        problems=tuple(problems),
        source=RowImages(FolderSource(root), rows),
        known_fingerprint=_fingerprint(training, testing, rows),
        rows=rows,
    )


def _fingerprint(
    train: Sequence[LabelledImage], test: Sequence[LabelledImage], rows: Mapping[str, QuestionRow]
) -> str:
    """Of what the rows of each split say, wherever in a file they are."""
    digest = hashlib.sha256()
    for split, items in zip(_SPLITS, (train, test), strict=True):
        for row in sorted((rows[i.path].question, rows[i.path].image or "") for i in items):
            digest.update(encode_name(f"{split}\0{row[0]}\0{same_name(row[1])}\0"))
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[tuple[Path, str]]:
    """The files to read, each with the split of its rows, or with nothing."""
    if (problem := why_not_there(path)) is not None:
        raise DataError(f"{_shown(path)}: {problem} (data.path)")
    if not path.is_dir():
        if path.suffix.lower() not in ENDINGS:
            raise DataError(
                f"{_shown(path)}: questions are in a file that ends in {', '.join(ENDINGS)}"
            )
        return [(path, "")]
    here = {
        split: [file for ending in ENDINGS if (file := path / f"{split}{ending}").is_file()]
        for split in _SPLITS
    }
    if any(len(files) != 1 for files in here.values()):
        raise DataError(
            f"{_shown(path)}: a folder of questions has one file train and one file test, each "
            f"with one of {', '.join(ENDINGS)}; or let data.path be a file"
        )
    return [(files[0], split) for split, files in here.items()]


def _rows(file: Path) -> Iterator[tuple[int, Any]]:
    """The rows of a file with their numbers: lines of JSON lines, else counted from one."""
    text = read_text(file, DataError, LONGEST)
    match file.suffix.lower():
        case ".csv":
            yield from _table(text, file)
        case ".json":
            listed = _parsed(text, _shown(file))
            if not isinstance(listed, list):
                raise DataError(f"{_shown(file)} is {shown(listed)}; it should be a list of rows")
            yield from enumerate(listed, start=1)
        case _:
            for number, line in enumerate(text.split("\n"), start=1):
                if line.strip():
                    yield number, _parsed(line, f"{_shown(file)}, line {number}")


def _table(text: str, file: Path) -> Iterator[tuple[int, Any]]:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in reader.fieldnames or ()]
        if "question" not in header:
            raise DataError(
                f"{_shown(file)}: the first line has no column question, it is "
                f"{shown(','.join(header))}"
            )
        if header.count("question") > 1:
            raise DataError(f"{_shown(file)}: the first line has the column question twice")
        reader.fieldnames = header
        for number, row in enumerate(reader, start=1):
            if None in row:  # or the question would end at its first comma
                raise DataError(
                    f"{_shown(file)}, row {number} has more fields than the first line: put texts "
                    "with commas in quotes"
                )
            yield number, row
    except csv.Error as error:
        raise DataError(f"{_shown(file)} is no valid CSV: {error}") from None


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no valid JSON: {' '.join(str(error).split())[:200]}") from None


def _question(row: Any, where: str) -> tuple[str, QuestionRow]:
    """A row and its key, which says what is in it, and so draws the same wherever it stands."""
    if not isinstance(row, dict):
        raise DataError(
            f'{where} is {shown(row)}; it should be an object such as {{"question": "..."}}'
        )
    question, image = row.get("question"), row.get("image")
    if not isinstance(question, str) or not question.strip():
        raise DataError(f"{where}: question is {shown(question)}; it should be a text")
    if len(question) > _MOST_CHARACTERS:
        raise DataError(f"{where}: the question is longer than {_MOST_CHARACTERS:,} characters")
    if image is not None and (not isinstance(image, str) or "\0" in image):
        raise DataError(f"{where}: image is {shown(image)}; it should be a path, or left out")
    image = readable_name((image or "").strip()) or None
    found = QuestionRow(readable_name(question.strip()), image)
    digest = hashlib.sha256(encode_name(f"{found.question}\0{image}")).hexdigest()[:16]
    return f"{image or 'no image'}, question {digest}", found


def _split(row: Mapping[str, Any], where: str) -> str:
    split = row.get("split")
    if split in (None, ""):
        return ""
    if not isinstance(split, str) or split.strip().lower() not in _SPLITS:
        raise DataError(f"{where}: split is {shown(split)}; it should be train or test")
    return split.strip().lower()


def _without_copies(
    rows: Sequence[tuple[str, QuestionRow]],
    known: Mapping[QuestionRow, str],
    problems: list[str],
    what: str,
) -> list[tuple[str, QuestionRow]]:
    first: dict[QuestionRow, str] = {}
    for key, row in rows:
        if row not in known:
            first.setdefault(row, key)
    if len(first) < len(rows):
        problems.append(f"{counted(len(rows) - len(first), 'row')} {what}: left out")
    return [(key, row) for row, key in first.items()]


def _shown(path: Path) -> str:
    return readable_name(str(path))
