"""JSON, CSV and Markdown of a run: what is in them, and that no text of a run does anything."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from engine.analysis.export.as_csv import text_cell
from engine.analysis.export.as_markdown import code
from engine.analysis.export.exported import Exported, read_exported
from engine.analysis.export.writing import make_content
from engine.analysis.phrase_rows import phrase_rows
from engine.common.harmless import clean
from engine.run.result import summarise
from tests.support.hostile_runs import TEXTS, write_hostile
from tests.support.written_runs import write_run


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return write_hostile(tmp_path_factory.mktemp("runs") / "hostile")


def text(run: Exported, name: str) -> str:
    found = make_content(run, name)
    assert isinstance(found, str)
    return found


def rows(run: Exported) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text(run, "csv"))))


def test_json_is_the_result_as_it_is(hostile: Exported) -> None:
    document = text(hostile, "json")
    phrases = phrase_rows(hostile.state)
    expected = {**summarise(hostile.state), "phrases": phrases, "notes": []}
    found = json.loads(document)
    done = found.pop("interventions")
    assert found == json.loads(json.dumps(expected))
    assert {one["kind"] for one in done} >= {"injected", "edited"}
    assert expected["phrases"]
    assert "\u202e" not in document and "\a" not in document


def test_csv_has_every_template_with_its_numbers(tmp_path: Path) -> None:
    run = read_exported(write_run(tmp_path / "run", curve=(40, 60)))
    found = rows(run)
    assert [row["template"] for row in found] == [
        "template 2 of <category>",
        "template 1 of <category>",
        "a photo of a <category>.",
    ]
    best = found[0]
    assert (best["rank"], best["train_images"], best["step"], best["origin"]) == (
        *("1", "80", "2", "llm"),
    )
    assert float(best["train_accuracy"]) == 0.75
    assert float(best["train_low"]) < 0.75 < float(best["train_high"])


def test_csv_says_what_is_in_the_ensemble_and_what_was_tested(hostile: Exported) -> None:
    found = {row["template"]: row for row in rows(hostile)}
    assert found[text_cell(TEXTS[8])]["in_ensemble"] == "2"
    assert found[text_cell(TEXTS[0])]["in_ensemble"] == "1"
    assert {t for t, row in found.items() if row["ensemble_accuracy"] == "0.6"} == {
        *(text_cell(TEXTS[0]), text_cell(TEXTS[8])),
    }
    assert found[text_cell(TEXTS[8])]["ensemble_images"] == "100"
    assert found[text_cell(TEXTS[4])]["ensemble_accuracy"] == ""
    assert found[text_cell(TEXTS[4])]["test_accuracy"] == "0.5"
    assert found[text_cell(TEXTS[4])]["test_probability"] == "0.5"
    assert found["a photo of a <category>."]["test_accuracy"] == "0.45"


def test_no_cell_is_a_formula(hostile: Exported) -> None:
    cells = [cell for row in csv.reader(io.StringIO(text(hostile, "csv"))) for cell in row]
    assert "'=cmd|' /C calc'!A0 <category>" in cells
    assert not [cell for cell in cells if cell.lstrip()[:1] in set("=+@") and cell]
    assert len(text(hostile, "csv").splitlines()) == len(TEXTS) + 2  # names, the seed


@given(st.text())
def test_a_cell_is_on_one_line_and_no_formula(template: str) -> None:
    cell = text_cell(template)
    assert cell.removeprefix("'") == clean(template) or cell == clean(template)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "|", "%"))
    assert "\n" not in cell and "\r" not in cell


def test_markdown_shows_texts_as_code_and_does_nothing_with_them(hostile: Exported) -> None:
    tokens = [
        inner
        for token in MarkdownIt("commonmark").enable("table").parse(text(hostile, "md"))
        for inner in (token, *(token.children or ()))
    ]
    spans = {token.content for token in tokens if token.type == "code_inline"}
    spelt = [template for template in TEXTS if "|" in template or template.endswith("\\")]
    assert {clean(template) for template in TEXTS if template not in spelt} <= spans
    assert not {"link_open", "image", "html_block", "fence"} & {token.type for token in tokens}
    html = {token.content for token in tokens if token.type == "html_inline"}
    assert html <= {"<code>", "</code>"}
    words = "".join(token.content for token in tokens if token.type == "text")
    assert all(clean(template).strip() in words for template in spelt)


def test_a_table_of_markdown_keeps_its_columns(hostile: Exported) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(text(hostile, "md"))
    kinds = [token.type for token in tokens]
    templates, phrases = len(TEXTS) + 1, len(phrase_rows(hostile.state))  # with the seed
    assert kinds.count("tr_open") == templates + phrases + 2  # with the headings
    assert kinds.count("td_open") == 8 * (templates + phrases)
    last = [token.content for token in tokens if token.type == "inline"]
    assert any(cell.startswith("`") for cell in last)


@given(st.text(min_size=1))
def test_any_text_is_one_piece_of_code(template: str) -> None:
    for page in (f"| a |\n|---|\n| {code(template)} |", f"- {code(template)}"):
        whole = MarkdownIt("commonmark").enable("table").parse(page)
        cells = [token for token in whole if token.type == "inline"]
        assert len(cells) == (2 if page[0] == "|" else 1)
        _check_code([child for child in cells[-1].children or () if child.content], clean(template))


@pytest.mark.parametrize("template", ["a | b", "a \\| b", "a \\", "`|`"])
def test_what_tables_read_otherwise_is_the_same_everywhere(template: str) -> None:
    parser = MarkdownIt("commonmark").enable("table")
    shown = parser.renderInline(code(template))
    assert shown.startswith("<code>") and shown in parser.render(f"|a|\n|-|\n|{code(template)}|")


def _check_code(children: list[Any], shown: str) -> None:
    if children[0].type == "code_inline":
        assert [child.content for child in children] == [shown]
    elif shown.strip():
        assert [child.type for child in children].count("html_inline") == 2
        inner = "".join(child.content for child in children if child.type != "html_inline")
        assert inner == shown
    else:
        assert children[0].content == "(blank)"


def test_markdown_has_best_ensemble_and_numbers(tmp_path: Path) -> None:
    page = text(read_exported(write_run(tmp_path / "run", curve=(40, 60))), "md")
    for part in (
        "## Best template\n\n`template 2 of <category>`",
        "few-shot accuracy 75.0\u00a0% (95 %: 64.5 to 83.2\u00a0%; 60 of 80 images)",
        "test accuracy 72.9\u00a0%",
        "## Ensemble (chosen greedily)",
        "## Phrases of the best templates",
        "| `template` | – | – | 2 | 1 | – | – | came in step 1, not steered, with no example",
        "| 1 | 75.0\u00a0% | 64.5 to 83.2\u00a0% | 80 | – | 2 | LLM | `template 2 of <category>` |",
    ):
        assert part in page
