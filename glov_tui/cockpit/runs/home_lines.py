"""What home says, as lines of spans: no widget here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from engine.analysis.listed_run import ListedRun
from engine.analysis.run_list import Listing
from engine.analysis.run_query import Order
from engine.common.wording import counted
from engine.config.run_name import runs_folder
from glov_tui.cockpit.runs.cells import (
    BAR_CELLS,
    GAP,
    STATE_CELLS,
    STEP_CELLS,
    bar,
    eta,
    fixed,
    shortened,
    slots_in_line,
    state_cell,
    state_word,
)
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.progress import age
from glov_tui.common.text import clean, cut
from glov_tui.terminal.printing import percent
from glov_tui.widgets.spans import Line, Span

DATA_CELLS, MODEL_CELLS, AGE_CELLS, ETA_CELLS = 14, 16, 6, 8
SHORT_NAME, LONG_NAME = 20, 40  # that other columns, and the bar, leave room for
MOST_NAME = 60  # cells, so that a row can be read across
_OPTIONAL = (
    ("age", AGE_CELLS, SHORT_NAME),
    ("data", DATA_CELLS, SHORT_NAME),
    ("test", 5, SHORT_NAME),
    ("model", MODEL_CELLS, SHORT_NAME),
    ("eta", ETA_CELLS, SHORT_NAME),
    ("bar", BAR_CELLS, LONG_NAME),
)
"""Columns, their widths, and how much of the name has to fit first; the most important first."""


@dataclass(frozen=True, slots=True)
class HomeColumns:
    """Which columns have room; the name takes what is left."""

    name: int
    age: bool
    data: bool
    test: bool
    model: bool
    eta: bool
    bar: bool

    @classmethod
    def fitting(cls, width: int, longest_name: int, live: bool) -> HomeColumns:
        """For so many cells: what is least important goes first; ``live``: some run goes on."""
        room = width - 2 - len(GAP) - STATE_CELLS - len(GAP) - STEP_CELLS - len(GAP) - 5
        found = {}
        for name, cells, wanted in _OPTIONAL:
            fits = room - cells - len(GAP) >= min(longest_name, wanted)
            found[name] = fits and (live or name != "eta")
            room -= (cells + len(GAP)) if found[name] else 0
        return cls(max(4, min(longest_name, room, MOST_NAME)), **found)


def header(columns: HomeColumns) -> Line:
    """The names of the columns."""
    cells = [f"  {'run':<{columns.name}}", f"{'state':<{STATE_CELLS}}", f"{'step':>{STEP_CELLS}}"]
    cells += [" " * BAR_CELLS] if columns.bar else []
    cells += [f"{'best':>5}"]
    cells += [f"{'test':>5}"] if columns.test else []
    cells += [f"{'data':<{DATA_CELLS}}"] if columns.data else []
    cells += [f"{'model':<{MODEL_CELLS}}"] if columns.model else []
    cells += [f"{'age':>{AGE_CELLS}}"] if columns.age else []
    cells += [f"{'ETA':>{ETA_CELLS}}"] if columns.eta else []
    return ((GAP.join(cells), "dim"),)


def row_line(
    run: ListedRun,
    columns: HomeColumns,
    glyphs: Glyphs,
    marked: bool,
    best: bool,
    name: str | None = None,
) -> Line:
    """One run; ``best``: none in view has a higher accuracy; ``name``: as it tells it apart."""
    spans: list[Span] = [(f"{glyphs.pinned} " if marked else "  ", "mark")]
    name = shortened(clean(run.name), columns.name) if name is None else name
    spans += [(fixed(name, columns.name), "")]
    spans += [(GAP, ""), state_cell(state_word(run.status, run.state), glyphs)]
    known = run.status != "damaged"
    step = f"{run.done}/{run.planned}" if known else "-"
    of_runs = " runs" if len(step) + 5 <= STEP_CELLS else " r"
    spans += [(GAP, ""), (f"{step + (of_runs if run.is_sweep else ''):>{STEP_CELLS}}", "")]
    if columns.bar:
        spans += [(GAP, ""), *bar(run.done, run.planned, glyphs)]
    spans += [(GAP, ""), (f"{percent(run.train_accuracy):>5}", "mark" if best else "")]
    if columns.test:
        spans += [(GAP, ""), (f"{percent(run.test_accuracy):>5}", "")]
    if columns.data:
        spans += [(GAP, ""), (fixed(cut(clean(run.dataset or ""), DATA_CELLS), DATA_CELLS), "")]
    if columns.model:
        model = shortened(model_name(run.vlm), MODEL_CELLS)
        spans += [(GAP, ""), (fixed(model, MODEL_CELLS), "")]
    if columns.age:
        spans += [(GAP, ""), (f"{age(time.time(), run.last_event):>{AGE_CELLS}}", "dim")]
    if columns.eta:
        spans += [(GAP, ""), (f"{eta(run.status, run.state):>{ETA_CELLS}}", "")]
    return tuple(spans)


def model_name(model: str | None) -> str:
    """A model without the folders and the organisation that it is in."""
    return clean((model or "").rstrip("/").rpartition("/")[2])


def detail_lines(run: ListedRun | None, glyphs: Glyphs, width: int) -> list[Line]:
    """Four lines on the run under the cursor; what is wrong with it has two where it needs them."""
    if run is None:
        return []
    where = clean(str(run.folder))
    if run.leads_to is not None:
        where += f"  (a link to {clean(str(run.leads_to))})"
    if run.other_user is not None:
        where += f"  (of {clean(run.other_user)})"
    if run.is_under_way and run.owner is not None:
        where += f"  ({clean(str(run.owner))})"
    kind = f"sweep of {counted(run.planned, 'run')}" if run.is_sweep else run.search
    if run.search:
        kind = f"search {run.search}"
    facts = [
        kind,
        run.dataset and f"data {run.dataset}",
        run.vlm and f"vlm {model_name(run.vlm)}",
        run.llm and f"llm {model_name(run.llm)}",
        None if run.seed is None else f"seed {run.seed}",
        run.parent and f"forked from {run.parent} at step {run.parent_step}",
    ]
    said = clean(f" {glyphs.separator} ".join(fact for fact in facts if fact))
    named: list[Line] = [((clean(run.name), "strong"),), ((where, "dim"),)]
    if run.problem:
        problem: list[Line] = [((line, "bad"),) for line in _in_two(clean(run.problem), width)]
        return [*named, *([((said, ""),)] if len(problem) == 1 else []), *problem]
    return [*named, ((said, ""),), _best_line(run)]


def _best_line(run: ListedRun) -> Line:
    """The best template, and whose test accuracies are known: the column has the ensemble's."""
    if not run.best_template:
        return ()
    tests = (("test", run.best_test_accuracy), ("ensemble's test", run.ensemble_test_accuracy))
    known = ", ".join(f"{name} {percent(share)}" for name, share in tests if share is not None)
    return ((f"best ({known}) " if known else "best ", "dim"), (clean(run.best_template), ""))


def _in_two(text: str, width: int) -> list[str]:
    """A text on two lines, where one is too short; what has no room on them is cut off."""
    if cell_len(text) <= width:
        return [text]
    first = set_cell_size(text, width)
    at = first.rfind(" ") if not text[len(first) :].startswith(" ") else len(first)
    at = at if at > 0 else len(first)
    return [text[:at], cut(text[at:].lstrip(), width)]


def status_line(
    listing: Listing,
    rows: Sequence[ListedRun],
    order: Order,
    query: str,
    marked: int,
    width: int,
    glyphs: Glyphs,
) -> list[Span]:
    """All runs in one line: what is least important is left out where it is narrow."""
    slots: list[tuple[int, str, str]] = [(0, "glov", "strong")]
    every = len(listing.runs)
    count = counted(every, "run") if not query else f"{len(rows)} of {counted(every, 'run')}"
    slots.append((0, count, ""))
    if listing.unread:
        slots.append((1, f"reading {listing.unread:,} more", "note"))
    going = sum(run.is_under_way for run in listing.runs)
    if going:
        slots.append((2, f"{glyphs.states['running']} {going} under way", "good"))
    failed = sum(run.status in ("failed", "damaged") for run in listing.runs)
    if failed:
        slots.append((5, f"{glyphs.states['failed']} {failed} failed or damaged", "bad"))
    if listing.denied:
        slots.append((6, listing.denied_in_words, "note"))
    if marked:
        slots.append((2, f"{glyphs.pinned} {marked} marked", "mark"))
    best = best_of(rows)
    if best is not None:
        said = f"best {percent(best.train_accuracy)} {cut(clean(best.name), 30)}"
        slots.append((4, said, "mark"))
    slots.append((3, f"by {order}", "dim"))
    return slots_in_line(slots, width, glyphs)


def best_of(rows: Sequence[ListedRun]) -> ListedRun | None:
    """The first run with the highest few-shot accuracy."""
    known = [run for run in rows if run.train_accuracy is not None]
    return max(known, key=lambda run: run.train_accuracy or 0.0, default=None)


def empty_lines(query: str) -> list[Line]:
    """What stands where no run does: what will be there, and how to begin."""
    if query:
        return [
            (("No run is so.", "strong"),),
            (("escape", "mark"), ("  shows all again", "")),
            (("/", "mark"), ("       changes the filter", "")),
        ]
    return [
        ((f"No runs in {clean(_shown(runs_folder()))} yet.", "strong"),),
        (("", ""),),
        (
            (
                "Each run that you begin will be a row here, with its state, its steps, its best "
                "accuracy and what it was run on; enter opens one.",
                "",
            ),
        ),
        (("", ""),),
        (
            ("n", "mark"),
            ("  begins the demo now: small models that come with glov, no GPU, ", ""),
            ("no download", ""),
        ),
        (("?", "mark"), ("  all keys      ", ""), ("q", "mark"), ("  quit", "")),
        (("", ""),),
        (("In a shell, what n does, and what comes next:", "dim"),),
        (("  glov demo", ""),),
        (("  glov datasets", ""), ("          what can be run on", "dim")),
        (("  glov config init", ""), ("       a configuration to edit", "dim")),
        (("  glov run CONFIG", ""), ("        a run of it", "dim")),
    ]


def _shown(folder: Path) -> str:
    return f"{folder}/"
