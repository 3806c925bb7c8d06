"""What the fleet's screen says, as lines of spans: no widget here."""

from __future__ import annotations

from dataclasses import dataclass

from engine.common.wording import counted
from engine.sweeps.fleet import UNDER_WAY, FleetState, TrialRow
from glov_tui.cockpit.runs.cells import (
    BAR_CELLS,
    GAP,
    bar,
    eta,
    fixed,
    shortened,
    slots_in_line,
    state_cell,
    state_word,
)
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.progress import format_seconds
from glov_tui.common.text import clean, cut
from glov_tui.terminal.printing import percent
from glov_tui.widgets.spans import Line, Span

NODE_CELLS = 12
SHORT_NAME, LONG_NAME = 16, 40  # that other columns, and the bar, leave room for


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns have room; the name takes what is left."""

    name: int
    node: bool
    bar: bool
    test: bool
    eta: bool

    @classmethod
    def fitting(cls, width: int, longest_name: int, several_nodes: bool) -> Columns:
        """For so many cells: what is least important goes first."""
        fixed = 13 + len(GAP) + 9 + len(GAP) + 5  # state, step, best
        room = width - fixed - len(GAP)
        found = {}
        for name, cells in (("eta", 8), ("node", NODE_CELLS), ("test", 5), ("bar", BAR_CELLS)):
            wanted = LONG_NAME if name == "bar" else SHORT_NAME
            fits = room - cells - len(GAP) >= min(longest_name, wanted)
            found[name] = fits and (name != "node" or several_nodes or width >= 100)
            room -= (cells + len(GAP)) if found[name] else 0
        return cls(max(4, min(longest_name, room)), **found)


def header(columns: Columns) -> Line:
    """The names of the columns."""
    cells = [f"{'run':<{columns.name}}", f"{'state':<13}"]
    cells += [f"{'node':<{NODE_CELLS}}"] if columns.node else []
    cells += [f"{'step':>9}"]
    cells += [" " * BAR_CELLS] if columns.bar else []
    cells += ["best %"[:5].rjust(5)]
    cells += [f"{'test':>5}"] if columns.test else []
    cells += [f"{'ETA':>8}"] if columns.eta else []
    return ((GAP.join(cells), "dim"),)


def row_line(row: TrialRow, columns: Columns, glyphs: Glyphs, best: bool) -> Line:
    """One run; ``best``: it is the best of the sweep."""
    spans: list[Span] = [(fixed(shortened(clean(row.name), columns.name), columns.name), "")]
    spans += [(GAP, ""), state_cell(state_word(row.status, row.state), glyphs)]
    if columns.node:
        host = clean(row.owner.host) if row.owner is not None else ""
        spans += [(GAP, ""), (fixed(cut(host, NODE_CELLS), NODE_CELLS), "")]
    begun = row.status not in ("waiting", "new")
    spans += [(GAP, ""), (f"{f'{row.done}/{row.steps}' if begun else row.steps:>9}", "")]
    if columns.bar:
        spans += [(GAP, ""), *bar(row.done, row.steps, glyphs)]
    spans += [(GAP, ""), (f"{percent(row.best):>5}", "mark" if best else "")]
    if columns.test:
        spans += [(GAP, ""), (f"{percent(row.test):>5}", "")]
    if columns.eta:
        spans += [(GAP, ""), (f"{eta(row.status, row.state):>8}", "")]
    return tuple(spans)


def detail_lines(row: TrialRow | None, glyphs: Glyphs) -> list[Line]:
    """Three lines on the run under the cursor."""
    if row is None:
        return []
    where = ""
    if row.owner is not None:
        here = "this machine" if row.is_here else "another machine: enter follows its journal"
        where = f"{clean(str(row.owner))} ({here})"
    best = row.state.best if row.state is not None else None
    says = clean(row.problem or "") or (clean(best.text) if best is not None else "")
    return [
        ((clean(row.name), "strong"),),
        ((where or clean(str(row.folder)), "dim"),),
        ((says, "bad" if row.problem else ""),),
    ]


def status_line(
    fleet: FleetState, left: float | None, glyphs: Glyphs, width: int, word: str = ""
) -> list[Span]:
    """The sweep in one line: what is least important is left out where it is narrow.

    ``word``: what the screen knows of its state better: stopping, or starting.
    """
    under_way, ended = fleet.count(*UNDER_WAY), fleet.count("finished", "failed", "damaged")
    if word == "starting" or (word and fleet.driver is not None):
        state, style, mark = word, "note", glyphs.states["loading"]
    elif fleet.driver is not None:
        state, style, mark = "sweeping", "good", glyphs.states["running"]
    elif fleet.count("finished") == len(fleet.rows):
        state, style, mark = "finished", "good", glyphs.states["finished"]
    elif ended == len(fleet.rows):
        state, style, mark = "failed", "bad", glyphs.states["failed"]
    else:  # in the words of the list of all runs
        state = "stopped" if fleet.count("stopped") else "interrupted"
        style, mark = "note", glyphs.states["stopped"]
    slots: list[tuple[int, str, str]] = [(0, f"{mark} {state}", style)]
    done = round(BAR_CELLS * fleet.steps_done / max(1, fleet.steps_done + fleet.steps_left))
    slots.append((5, glyphs.done * done + glyphs.ahead * (BAR_CELLS - done), ""))
    slots.append((1, f"{ended} of {counted(len(fleet.rows), 'run')}", ""))
    if under_way:
        slots.append((2, f"{under_way} under way", ""))
    failed = fleet.count("failed", "damaged")
    if failed:
        slots.append((2, f"{failed} failed", "bad"))
    best = fleet.best
    if best is not None:
        slots.append((3, f"best {percent(best.best)} {cut(clean(best.name), 30)}", "mark"))
    if fleet.driver is not None:
        slots.append((4, f"ETA {format_seconds(left)}", ""))
    return slots_in_line(slots, width, glyphs)
