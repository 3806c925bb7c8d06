"""All templates as one table, for spreadsheets and scripts.

A spreadsheet takes a cell that begins with ``=`` for a formula, whatever quotes are around it, and
a formula can start programs. Such a cell gets an apostrophe in front, which spreadsheets take for
"this is text". JSON has texts as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict

from engine.analysis.export.exported import Exported
from engine.common.harmless import clean
from engine.common.intervals import wilson_interval
from engine.run.events import TestMeasured

Cell = str | int | float | None

_FORMULA = re.compile(r"\s*[=+\-@|%＝＋－＠]")

COLUMNS = (
    "rank",
    "template",
    "train_accuracy",
    "train_low",  # of the 95 % interval
    "train_high",
    "train_images",
    "train_probability",  # mean of the true class
    "train_margin",  # mean log-likelihood of the true class, nats
    "step",
    "origin",
    "proposed_again",
    "banned",
    "in_ensemble",  # how often it counts there
    "test_accuracy",
    "test_low",
    "test_high",
    "test_images",
    "test_probability",
    "test_subject",  # seed, best, or asked: a person asked for it, the search has not seen it
    "ensemble_accuracy",  # on test images, of the ensemble that it is in
    "ensemble_low",
    "ensemble_high",
    "ensemble_images",
    "ensemble_probability",
    "notes",  # of people on the template, oldest first; those on steps and the run are in JSON
)


def write(run: Exported) -> str:
    """A row for each template, the best first: what reads columns by name finds ``template``."""
    state = run.state
    ensemble = state.test("ensemble")
    members = Counter(ensemble.templates if ensemble else ())
    tested = {t.templates[0]: t for t in state.tests if t.subject != "ensemble" and t.templates}
    notes: defaultdict[str, list[str]] = defaultdict(list)
    for note in state.notes:
        if note.template is not None:
            author = f"{note.author}: " if note.author else ""
            notes[note.template].append(author + " / ".join(note.text.splitlines()))
    rows: list[list[Cell]] = [
        [
            *(rank, text_cell(t.text), t.accuracy, *t.interval, t.n, t.probability, t.margin),
            *(t.first.step, t.origin, len(t.again), int(t.key in state.banned), members[t.text]),
            *_test(tested.get(t.text)),
            tested[t.text].subject if t.text in tested else None,
            *_test(ensemble if members[t.text] else None),
            text_cell(" | ".join(notes[t.key])),
        ]
        for rank, t in enumerate(state.ranking, 1)
    ]
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return file.getvalue()


def text_cell(text: str) -> str:
    """Untrusted text on one line that no spreadsheet takes for a formula."""
    shown = clean(text)
    return f"'{shown}" if _FORMULA.match(shown) else shown


def _test(measured: TestMeasured | None) -> list[Cell]:
    if measured is None:
        return [None] * 5
    low, high = wilson_interval(measured.hits, measured.n)
    return [measured.hits / measured.n, low, high, measured.n, measured.probability]
