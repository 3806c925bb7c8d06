"""Runs in whose texts others have written what a page, a table or a script might obey."""

from __future__ import annotations

from pathlib import Path

from engine.analysis.export.exported import Exported, read_exported
from engine.run import events as ev
from engine.run.edits import SetNextPrompt
from engine.storage.journal import Journal
from tests.support.sessions import loaded, one_step

TEXTS = (
    "</script><script>alert(1)</script> <category>",
    "=cmd|' /C calc'!A0 <category>",
    "  @SUM(1+1) <category>",
    "back`tick``s | pipe \\| <category>",
    "two\nlines\r\n and a bell\a <category>\u202e",
    "\U0001f600 a <category> \u00e9\u732b",
    "\"onmouseover='alert(1)' <category>",
    "{{ 7 * 7 }}{% raw %} <category>",
    '"""\n__import__("os").system("x") # <category>\\',
    "![x](http://evil.example/x) @user #1 <category> www.evil.example",
)
CLASSES = ("<b>cup</b>", '=1+1";\n')


def write_hostile(folder: Path) -> Exported:
    """A run of two steps with ``TEXTS`` as templates and ``CLASSES`` as names."""
    begun = [
        event.model_copy(
            update={"class_names": CLASSES, "dataset_name": TEXTS[0], "vlm": TEXTS[3], "llm": "-l"}
        )
        if isinstance(event, ev.ModelsLoaded)
        else event
        for event in loaded()
    ]
    step = one_step(1, {text: 5 + number % 5 for number, text in enumerate(TEXTS)})
    edit = SetNextPrompt(system="<i>", user="</pre><script>")
    events = [
        *begun,
        ev.TemplateInjected(step=0, template=TEXTS[0]),
        ev.Edited(number=1, step=1, edit=edit),
        *step,
        _tested("best", TEXTS[4:5], 50),
        _tested("ensemble", (TEXTS[0], TEXTS[8], TEXTS[8]), 60),
        ev.RunFailed(message="<img src=x onerror=alert(1)>"),
    ]
    journal = Journal.create(folder)
    for event in events:
        journal.append(event)
    journal.close()
    return read_exported(folder)


def _tested(subject: ev.Subject, templates: tuple[str, ...], hits: int) -> ev.TestMeasured:
    return ev.TestMeasured(
        step=1, subject=subject, templates=templates, hits=hits, n=100, seconds=0.1, probability=0.5
    )
