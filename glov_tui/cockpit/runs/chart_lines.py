"""What the chart of several runs says: its series, its legend and its log, without a widget."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

from engine.analysis.run_curves import Axis, CurvePoint, Intervention, RunCurve, smoothed
from glov_tui.cockpit.runs.cells import GAP, STATE_CELLS, fixed, state_cell, told_apart
from glov_tui.common.glyphs import ASCII, Glyphs
from glov_tui.common.text import clean, cut
from glov_tui.terminal.printing import percent
from glov_tui.widgets.chart import Mark
from glov_tui.widgets.legend import Series, looks
from glov_tui.widgets.spans import Line, Span
from glov_tui.widgets.thinned import Thinned
from glov_tui.widgets.ticks import nice_step

COLOURS = ("success", "primary", "warning", "accent", "secondary", "error")
PATTERNS = ("solid", "dashed", "dotted", "dashdot")
WINDOWS = (1, 3, 5, 10)
"""Steps that a smoothed line is the mean of; 1: as it was."""

AXIS_NAMES: dict[Axis, tuple[str, str]] = {
    "step": ("step", "steps"),
    "minutes": ("min", "minutes at work, without pauses and breaks"),
    "images": ("img", "training images scored"),
}
WORD_CELLS = 18


class Drawn:
    """One run as it is on the chart; keeps what thins its points, for a long run that goes on."""

    def __init__(self, number: int, names: Sequence[str]) -> None:
        """``number``: from 1, what its lines are called by; ``names``: of all on the chart."""
        self.number, self.name = number, names[number - 1]
        self._names = [clean(name) for name in names]
        self.colour = COLOURS[(number - 1) % len(COLOURS)]
        self.pattern = PATTERNS[(number - 1) % len(PATTERNS)]
        self._thinned: Thinned[CurvePoint] = Thinned(lambda p: p.place.step, _ends)

    def word(self, width: int) -> str:
        """What stands at the end of its line, on a screen of so many cells."""
        cells = min(WORD_CELLS, (width - 10) // 4 - 4)
        return f"{self.number} {self.short(cells)}" if cells > 6 else f"{self.number}"

    def short(self, cells: int) -> str:
        """Its name in so many cells, with what tells it from the others."""
        return told_apart(self._names, cells)[self.number - 1]

    def series(
        self, curve: RunCurve, axis: Axis, window: int, width: int
    ) -> tuple[list[Series], list[Series]]:
        """Lines of the run, and those behind all others: the raw one where it is smoothed."""
        word = self.word(width)
        shown = self._thinned.those_of(curve.points)
        places = [point.place.on(axis) for point in shown]
        raw = [(x, point.best) for x, point in zip(places, shown, strict=True)]
        behind: list[Series] = []
        points = raw
        if window > 1:
            means = dict(
                zip(
                    (id(point) for point in curve.points),
                    smoothed([point.best for point in curve.points], window),
                    strict=True,
                )
            )
            points = [(x, means[id(point)]) for x, point in zip(places, shown, strict=True)]
            behind = [Series("", raw, "muted", "steps", pattern="dotted")]
        line = Series(word, points, self.colour, "line", word, self.pattern)
        lines = [replace(line, kind="steps") if window == 1 else line]
        tests = [t for t in curve.tests if t.subject == ("ensemble" if has(curve) else "best")]
        if tests:
            at = [(test.place.on(axis), test.accuracy) for test in tests]
            glyph = (self.number - 1) % 4
            lines.append(Series("test", at, self.colour, "points", "test", glyph=glyph))
        return lines, behind


def has(curve: RunCurve) -> bool:
    """Whether the ensemble was tested."""
    return curve.test("ensemble") is not None


def _ends(points: list[CurvePoint]) -> list[CurvePoint]:
    """Of steps that share a place on the chart; the line only rises, or falls once by a ban."""
    return [points[0], points[-1]] if len(points) > 1 else points


def chart_data(
    drawn: Sequence[Drawn], curves: Sequence[RunCurve], axis: Axis, window: int, width: int
) -> tuple[list[Series], list[Mark], tuple[float, float]]:
    """Series, marks of interventions, and the range of x; for a screen of ``width`` cells."""
    lines: list[Series] = []
    behind: list[Series] = []
    for one, curve in zip(drawn, curves, strict=True):
        before, after = one.series(curve, axis, window, width)
        lines, behind = lines + before, behind + after
    marks = [Mark(i.place.on(axis), i.label) for curve in curves for i in curve.interventions]
    furthest = max((x for line in lines for x, _ in line.points), default=1.0)
    step = nice_step(max(furthest, 1.0), 4, whole=True)
    return lines + behind, marks, (0.0, max(1.0, math.ceil(furthest / step) * step))


def legend_line(
    one: Drawn, curve: RunCurve, axis: Axis, at: float | None, glyphs: Glyphs, width: int
) -> Line:
    """One run: how it is drawn, its name, and its values, at ``at`` on the axis or at its end."""
    sample = looks([Series("", pattern=one.pattern)], glyphs is ASCII)[0].sample
    glyph = looks([Series("", kind="points", glyph=(one.number - 1) % 4)], glyphs is ASCII)[0].glyph
    room = max(8, min(40, width - 34 - (STATE_CELLS + 2 if width >= 80 else 0)))
    name = fixed(one.short(room), room)
    if curve.problem is not None:
        return ((f"{one.number} {name} ", ""), (clean(curve.problem), "bad"))
    best, test = curve.best, curve.test("ensemble" if has(curve) else "best")
    where = f"{curve.points[-1].place.step if curve.points else 0}/{curve.planned}"
    if at is not None:
        before = [point for point in curve.points if point.place.on(axis) <= at]
        best = before[-1].best if before else None
        where = f"{before[-1].place.step if before else 0}/{curve.planned}"
    spans: list[Span] = [(f"{one.number:>2} ", ""), (f"{sample} ", _SPAN[one.colour]), (name, "")]
    spans += [(f"{GAP}best ", "dim"), (f"{percent(best):>5}", "strong")]
    spans += [(f"  {glyph} test ", "dim"), (f"{percent(test):>5}", "strong")]
    if width >= 80:
        spans += [(GAP, ""), state_cell(curve.status, glyphs), (f"{where:>8}", "dim")]
    return tuple(spans)


_SPAN = {
    "success": "good",
    "primary": "mark",
    "warning": "note",
    "accent": "mark",
    "secondary": "",
    "error": "bad",
}
"""Styles of spans that come near the colours of lines."""


def log_rows(
    drawn: Sequence[Drawn], curves: Sequence[RunCurve]
) -> list[tuple[str, Drawn, Intervention]]:
    """Every intervention with a key of its own, in the order of time."""
    found = [
        (f"{one.number}/{at}", one, each)
        for one, curve in zip(drawn, curves, strict=True)
        for at, each in enumerate(curve.interventions)
    ]
    return sorted(found, key=lambda row: row[2].time)


def log_header() -> Line:
    """The names of the columns of the log."""
    cells = ["run", f"{'when':<15}", f"{'step':>5}", " ", f"{'who':<10}", "what"]
    return ((GAP.join(cells), "dim"),)


def log_line(one: Drawn, each: Intervention) -> Line:
    """One intervention: of which run, when, by whom, and what."""
    when = time.strftime("%d %b %H:%M:%S", time.localtime(each.time))
    who = cut(clean(each.author) or "a person", 10)
    return (
        (f"{one.number:>3}", _SPAN[one.colour]),
        (f"{GAP}{when:<15}{GAP}{each.place.step:>5}{GAP}", "dim"),
        (each.label, "note"),
        (f"{GAP}{fixed(who, 10)}{GAP}", "dim"),
        (clean(each.text), ""),
    )
