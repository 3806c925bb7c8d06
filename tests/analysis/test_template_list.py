"""Lists of templates in whatever form, and what is said of those that can't be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.analysis.template_list import read_list
from engine.common.errors import DataError
from engine.vlm.dual_encoder.task import TASK
from engine.vlm.encoder_decoder.task import TASK as QUESTIONS

PHOTO, BLUE = "a photo of a <category>.", "a <category>, in blue light"
RESULT = {
    "baseline": {"template": PHOTO, "test_accuracy": 0.5},
    "best": {"template": BLUE},
    "ensemble": {"templates": [PHOTO, BLUE, BLUE], "selection": "greedy"},
    "leaderboard": [{"template": PHOTO}],
}
EVALUATION = {"subjects": [{"name": "top 2", "templates": [PHOTO, BLUE], "selection": "top"}]}
TWO = [("line 1", (PHOTO,)), ("line 2", (BLUE,)), ("all 2", (PHOTO, BLUE))]


def read(folder: Path, name: str, text: str | bytes, task=TASK) -> list[tuple]:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [(one.name, one.templates) for one in read_list(file, task)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "a photo of a {}.\na {c}, in blue light\n"),
        ("a", "\ufeffa photo of a <category>.\r\na {c}, in blue light"),
        ("a.txt", "'a photo of a {}.',\n\"a {}, in blue light\","),
        ("a.py", "lambda c: f'a photo of a {c}.',\nlambda c: f'a {c}, in blue light',"),
        ("a.jsonl", '"a photo of a {}."\n{"template": "a {}, in blue light", "x": 1}\n'),
        ("a.csv", 'a photo of a {}.\n"a {}, in blue light"\n'),
    ],
)
def test_a_template_a_line(tmp_path: Path, name: str, text: str) -> None:
    assert read(tmp_path, name, text) == TWO


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'note;template\nx;"a photo of a {}."\n\ny;a {}, in blue light\n'),
        ("a.tsv", "template\tnote\na photo of a {}.\tx\n\na {}, in blue light\ty"),
        ("a.csv", 'Template,note\n"a photo of a {}.",x\n\n"a {}, in blue light",y\n'),
        ("a.csv", 'prompt\na photo of a {}.\n\n"a {}, in blue light"\n'),
    ],
)
def test_a_column_of_a_table(tmp_path: Path, name: str, text: str) -> None:
    found = read(tmp_path, name, text)
    assert found == [("line 2", (PHOTO,)), ("line 4", (BLUE,)), ("all 2", (PHOTO, BLUE))]


@pytest.mark.parametrize("name", ["a.json", "a"])
def test_json(tmp_path: Path, name: str) -> None:
    listed = json.dumps([PHOTO, {"template": BLUE}], indent=1)
    found = read(tmp_path, name, listed)
    assert [texts for _, texts in found] == [(PHOTO,), (BLUE,), (PHOTO, BLUE)]
    assert found[0][0] == "line 2, item 1" and found[1][0] == "line 3, item 2"
    assert read(tmp_path, name, json.dumps(RESULT)) == [
        ("seed", (PHOTO,)),
        ("best", (BLUE,)),
        ("ensemble", (PHOTO, BLUE, BLUE)),
    ]
    assert read(tmp_path, name, json.dumps(EVALUATION)) == [("top 2", (PHOTO, BLUE))]
    assert read(tmp_path, name, json.dumps({"template": PHOTO})) == [("template", (PHOTO,))]
    only = {"leaderboard": [{"template": PHOTO}, {"template": BLUE}]}
    assert [texts for _, texts in read(tmp_path, name, json.dumps(only))][:2] == [(PHOTO,), (BLUE,)]


def test_a_line_that_begins_with_the_placeholder_is_no_json(tmp_path: Path) -> None:
    assert read(tmp_path, "a", "{} in the wild") == [("line 1", ("<category> in the wild",))]
    assert read(tmp_path, "a", "[CLASS], a bird") == [("line 1", ("<category>, a bird",))]


def test_questions_need_no_placeholder_and_may_have_none(tmp_path: Path) -> None:
    asked = "What is it?\nName the thing, please."
    assert [name for name, _ in read(tmp_path, "a.txt", asked, QUESTIONS)][:1] == ["line 1"]
    assert read(tmp_path, "a.csv", "What is it?\n", QUESTIONS) == [("line 1", ("What is it?",))]
    with pytest.raises(DataError, match=r"a\.txt, line 2: .*it can't have the placeholder"):
        read(tmp_path, "a.txt", "What is it?\nIs it a {}?", QUESTIONS)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "", "a.txt: there is no template in it"),
        ("a.csv", "\n\n", "a.csv: there is no template in it"),
        ("a.csv", "template\n", "a.csv: there is no template in it"),
        ("a.json", "[]", "a.json: there is no template in it"),
        ("a.json", "", "a.json, line 1: this is no JSON"),
        ("a.json", '["a {}",\n"b {}"', "a.json, line 2: this is no JSON"),
        ("a.json", "[" * 100_000, "a.json: this can't be read as JSON"),
        ("a.json", '["a {}",\n 3]', "line 2, item 2: 3 is no text"),
        ("a.json", '[{"prompt": "a {}"}]', "item 1: it has no key template; it should be a list"),
        ("a.json", '[{"template": null}]', "item 1: its template is no text"),
        ("a.json", "[1]", "item 1: 1 is no text"),
        ("a.json", '{"best": 3}', "a.json: it has no key template"),
        ("a.json", '{"ensemble": {"templates": [3]}}', "ensemble: [3] should be templates"),
        ("a.json", "3", "3 is no list of templates"),
        (
            "a.json",
            '["a {}", "a\\nphoto of a {}"]',
            "item 2: 'a\\nphoto of a {}' should be one line",
        ),
        ("a.jsonl", '"a {}"\n{"template"', "a.jsonl, line 2: this is no JSON"),
        ("a.txt", "a {}\n\na photo", "a.txt, line 3: 'a photo'; it needs the placeholder"),
        ("a.txt", "a \x1b[2J{}", "line 1: 'a \\x1b[2J{}' should be one line"),
        ("a.csv", "a photo of a {}, in blue\n", "line 1: there is no column template"),
        ("a.csv", "template\na {}, blue\n", "line 2: 2 columns in place of 1"),
        ("a.csv", "x,template\na\n", "line 2: 1 column in place of 2"),
        ("a.csv", 'template\n"a {}\n', "line 2: this is no CSV"),
        ("a.csv", 'x,template\na,""\n', "line 2: the template is empty"),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(DataError) as raised:
        read(tmp_path, name, text)
    assert said in str(raised.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1 has the byte 0xFF"):
        read(tmp_path, "a.txt", b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match="can't be read"):
        read_list(tmp_path, TASK)
