"""Who asked for an edit or injected a template, and why, is in every export that a person reads."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from engine.analysis.export.exported import Exported
from engine.analysis.export.writing import make_content
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.run.state import RunState
from tests.support.sessions import loaded, one_step

MINE = "a <category> of mine."
HOSTILE = "\x1b[31mbob\n<b>"
SAID = {"author": HOSTILE, "reason": "see `it` | <script>alert(1)</script>\x07"}


@pytest.fixture
def run() -> Exported:
    events: list[ev.Event] = [
        *loaded(),
        *one_step(1, {"a <category>.": 6}, "a <category>."),
        ev.Edited(number=1, step=2, edit=SetOption(key="steering.alpha", value=2.0), **SAID),
        ev.TemplateInjected(step=1, template=MINE, **SAID),
        ev.Edited(number=2, step=2, edit=SetOption(key="sampling.top_k", value=1)),
    ]
    return Exported(Path("run"), events, RunState().apply_all(events))


def test_json_has_them_with_author_and_reason(run: Exported) -> None:
    document = str(make_content(run, "json"))
    done = json.loads(document)["interventions"]
    assert [(one["kind"], one["step"], one["what"]) for one in done] == [
        ("edited", 2, "steering.alpha = 2.0"),
        ("injected", 1, MINE),
        ("edited", 2, "sampling.top_k = 1"),
    ]
    assert [(one["author"], one["reason"]) for one in done] == [tuple(SAID.values())] * 2 + [
        ("", "")
    ]
    assert "\x1b" not in document and "\x07" not in document


@pytest.mark.parametrize("form", ["html", "md"])
def test_pages_say_who_and_why_and_obey_nothing_of_it(run: Exported, form: str) -> None:
    page = str(make_content(run, form))
    read = html.unescape(page)
    assert read.count("bob") >= 2 and "because: see" in read and MINE in read
    assert not any(wrong in page for wrong in ("\x1b", "\x07"))
    assert form == "md" or "<script>alert" not in page
