"""What a person had measured on the test split is marked as that in every export and the report."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from engine.analysis.export.exported import Exported
from engine.analysis.export.writing import make_content
from engine.run import events as ev
from engine.run.state import RunState
from tests.support.sessions import loaded, one_step

MINE = "a <category> of two.<b>\x1b[2J"


@pytest.fixture
def run() -> Exported:
    events: list[ev.Event] = [*loaded(), *one_step(1, {MINE: 8, "a <category>.": 6}, MINE)]
    events.append(
        ev.TestMeasured(
            step=1,
            subject="asked",
            templates=(MINE,),
            hits=52,
            n=100,
            seconds=0.1,
            author="a script",
        )
    )
    return Exported(Path("run"), events, RunState().apply_all(events))


def text(run: Exported, name: str) -> str:
    found = make_content(run, name)
    assert isinstance(found, str)
    return found.replace("\xa0", " ")


def test_json(run: Exported) -> None:
    found = json.loads(text(run, "json"))
    (told,) = found["asked_tests"]
    assert (told["test_accuracy"], told["author"], told["step"]) == (0.52, "a script", 1)
    assert found["best"]["test_accuracy"] is None  # the run's own is measured at its end


def test_csv(run: Exported) -> None:
    rows = list(csv.DictReader(io.StringIO(text(run, "csv"))))
    assert [(row["test_accuracy"], row["test_subject"]) for row in rows] == [
        ("0.52", "asked"),
        ("", ""),
        ("0.45", "seed"),
    ]


def test_markdown(run: Exported) -> None:
    found = text(run, "md")
    _, _, part = found.partition("## Test accuracies that a person asked for")
    assert "the search has not seen them" in part
    assert "- 52.0 % (95 %: 42.3 to 61.5 %) in step 1, by `a script`: " in part
    assert "\x1b" not in found


def test_html(run: Exported) -> None:
    found = text(run, "html")
    assert "asked for by a person, not seen by the search, on test images: 52.0 %" in found
    assert "asked for by a person: a &lt;category&gt; of two.&lt;b&gt;" in found
    assert "test accuracy 52.0 %, not seen by the search" in found
    assert "two.<b>" not in found and "\x1b" not in found


def test_in_the_legend_none_of_several_templates_stands_for_all(run: Exported) -> None:
    (first,) = (event for event in run.events if getattr(event, "subject", "") == "asked")
    another = first.model_copy(update={"templates": ("a <category>.",), "hits": 41})
    events = [*run.events, another]
    both = Exported(run.folder, events, RunState().apply_all(events))
    found = text(both, "html")
    assert "not seen by the search, on test images: 41.0 % to 52.0 %" in found
