"""Rows of an image or none and a question, from files of three kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.common.errors import DataError
from engine.config import DataConfig
from engine.data.readers.question_rows import QuestionRow, read, read_questions

ROWS = [
    {"question": "How is it built?", "image": "a.png", "split": "train", "more": 1},
    {"question": " Write a mail. ", "split": "train"},
    {"question": "How is it sold?", "image": "", "split": "test"},
]
READ = [
    QuestionRow("How is it built?", "a.png"),
    QuestionRow("Write a mail.", None),
    QuestionRow("How is it sold?", None),
]


def write(folder: Path, name: str, content: object) -> Path:
    match content:
        case str():
            text = content
        case list() if name.endswith(".jsonl"):
            text = "\n".join(map(json.dumps, content))
        case list() if name.endswith(".csv"):
            lines = [[row.get(k, "") for k in ("question", "image", "split")] for row in content]
            text = "\r\n".join(["question,image, split", *(",".join(line) for line in lines)])
        case _:
            text = json.dumps(content)
    (folder / name).write_text(text)
    return folder / name


def rows(dataset, split: str) -> list[QuestionRow]:
    return [dataset.rows[item.path] for item in getattr(dataset, split)]


@pytest.mark.parametrize("name", ["harm.jsonl", "harm.json", "harm.csv"])
def test_rows_with_a_split_are_read_from_each_kind_of_file(tmp_path: Path, name: str) -> None:
    found = read(DataConfig(dataset="questions", path=str(write(tmp_path, name, ROWS))))
    assert rows(found, "train") == READ[:2] and rows(found, "test") == READ[2:]
    assert found.name == "harm" and found.root == tmp_path and not found.problems
    assert found.images.file(found.train[0].path) == tmp_path / "a.png"
    assert found.class_names == ("refused", "answered")
    assert {item.label for item in (*found.train, *found.test)} == {0}


def test_a_folder_has_a_file_for_each_split(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", ROWS[:2])
    with pytest.raises(DataError, match="one file train and one file test"):
        read_questions(tmp_path)
    write(tmp_path, "test.jsonl", ROWS[2:])
    found = read_questions(tmp_path)
    assert rows(found, "train") == READ[:2] and rows(found, "test") == READ[2:]


def test_without_splits_the_test_rows_are_drawn_by_what_they_say(tmp_path: Path) -> None:
    plain = [{"question": f"question {i}"} for i in range(20)]
    one = read_questions(write(tmp_path, "one.jsonl", plain), test_fraction=0.25)
    two = read_questions(write(tmp_path, "two.jsonl", plain[::-1]), test_fraction=0.25)
    assert (len(one.train), len(one.test)) == (15, 5)
    assert {r.question for r in rows(one, "test")} == {r.question for r in rows(two, "test")}
    assert one.fingerprint() == two.fingerprint()
    other = read_questions(write(tmp_path, "one.jsonl", plain), test_fraction=0.3)
    assert other.fingerprint() != one.fingerprint()


def test_no_question_is_asked_in_both_splits(tmp_path: Path) -> None:
    again = [*ROWS, ROWS[0], {**ROWS[2], "split": "train"}, ROWS[2]]
    found = read_questions(write(tmp_path, "harm.jsonl", again))
    assert rows(found, "train") == READ[:2] and rows(found, "test") == READ[2:]
    assert found.problems == (
        "1 row of the test split twice: left out",
        "2 rows twice, or in the test split too: left out",
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "", "ends in .jsonl, .json, .csv"),
        ("a.jsonl", "", "no row is left for the train split"),
        ("a.jsonl", '{"question": "x"}', "no row is left for the test split"),
        ("a.jsonl", '{"question": "x"}\n{', "a.jsonl, line 2 is no valid JSON"),
        ("a.jsonl", "[" * 99_999, "line 1 is no valid JSON"),
        ("a.jsonl", "3", "row 1 is 3; it should be an object"),
        ("a.jsonl", '\n{"query": "x"}', "row 2: question is None"),
        ("a.jsonl", '{"question": " "}', "question is ' '"),
        ("a.jsonl", '{"question": "x", "image": 3}', "image is 3"),
        ("a.jsonl", '{"question": "x", "image": "a\\u0000b"}', "image is"),
        ("a.jsonl", '{"question": "x", "split": "val"}', "split is 'val'"),
        ("a.jsonl", json.dumps({"question": "x" * 99_999}), "longer than 20,000"),
        ("a.jsonl", '{"question": "x", "split": "test"}\n{"question": "y"}', "for all rows"),
        ("a.json", {"question": "x"}, "should be a list of rows"),
        ("a.csv", "query,image\nx,y", "no column question, it is 'query,image'"),
        ("a.csv", "", "no column question"),
        ("a.csv", 'question\n"x', "no valid CSV"),
        ("a.csv", "question,image\na,\nHow, then?,b.png,c", "row 2 has more fields than the first"),
        ("a.csv", "question, question\na,b", "the column question twice"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, name: str, content: object, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read_questions(write(tmp_path, name, content))


def test_halves_of_characters_do_no_harm(tmp_path: Path) -> None:
    odd = [{"question": "\ud800 x"}, {"question": "y", "image": "\ud800.png"}]
    found = read_questions(write(tmp_path, "a.jsonl", odd))
    assert len(found.fingerprint()) == 16
    assert all(row.question.encode() for row in found.rows.values())
    assert {found.images.stamp(key) for key in found.rows} == {(-1, -1)}


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no such file or folder \(data.path\)"):
        read_questions(tmp_path / "none.jsonl")
