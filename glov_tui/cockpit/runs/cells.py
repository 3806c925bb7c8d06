"""The cells of a row that stands for a run, in the fleet and at home."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from engine.run.state import RunState
from glov_tui.common.glyphs import Glyphs
from glov_tui.common.progress import format_seconds, seconds_left
from glov_tui.widgets.spans import Span

BAR_CELLS = 8
STATE_CELLS = 13
STEP_CELLS = 9
GAP = "  "

_SIGNS = {  # of the states of a run that have these signs
    "waiting": "new",
    "new": "new",
    "interrupted": "stopped",
    "damaged": "failed",
}
_STYLES = {
    "running": "good",
    "loading": "good",
    "paused": "note",
    "finished": "strong",
    "stopped": "note",
    "interrupted": "note",
    "failed": "bad",
    "damaged": "bad",
}


def sign(word: str, glyphs: Glyphs) -> str:
    """The sign of a state, one cell."""
    return glyphs.states[_SIGNS.get(word, word)]


def state_word(status: str, state: RunState | None) -> str:
    """The state of a run in a word; one that runs, and has no models yet, is loading."""
    if status == "running" and state is not None and state.models is None:
        return "loading"
    return status


def state_cell(word: str, glyphs: Glyphs) -> Span:
    """Sign and word of a state, ``STATE_CELLS`` wide."""
    return f"{sign(word, glyphs)} {word:<{STATE_CELLS - 2}}", _STYLES.get(word, "dim")


def bar(done: int, planned: int, glyphs: Glyphs) -> list[Span]:
    """How far a run is, ``BAR_CELLS`` wide."""
    filled = round(BAR_CELLS * min(1.0, done / planned)) if planned else 0
    return [(glyphs.done * filled, ""), (glyphs.ahead * (BAR_CELLS - filled), "dim")]


def eta(status: str, state: RunState | None) -> str:
    """The time that a run will take still; empty where it does not run."""
    if state is None or status != "running":
        return ""
    return format_seconds(seconds_left(state))


def shortened(name: str, cells: int) -> str:
    """Its end tells runs apart, so its middle goes first."""
    if cell_len(name) <= cells:
        return name
    head = (cells - 1) // 2
    return f"{set_cell_size(name, head)}…{set_cell_size(name[::-1], cells - 1 - head)[::-1]}"


def told_apart(names: Sequence[str], cells: int) -> list[str]:
    """Names of at most so many cells each; where two would look the same, the part in which they
    differ is in view. Names that are the same stay so.
    """
    result = [shortened(name, cells) for name in names]
    _tell_apart(names, result, range(len(names)), cells)
    return result


def _tell_apart(
    names: Sequence[str], result: list[str], among: Sequence[int], cells: int, known: int = 0
) -> None:
    """Among names that are alike in their first ``known`` characters."""
    alike: dict[str, list[int]] = {}
    for at in among:
        alike.setdefault(result[at], []).append(at)
    for group in alike.values():
        differ = _common([names[at] for at in group])
        if len({names[at] for at in group}) == 1 or differ < known:
            continue
        head = cells // 3
        for at in group:
            name = names[at]
            tail = name[differ:]
            room = cells - head - 1
            if cell_len(tail) > room:
                tail = set_cell_size(tail, room - 1) + "…"
            result[at] = f"{set_cell_size(name, head)}…{tail}"
        _tell_apart(names, result, group, cells, differ + 1)


def _common(names: Sequence[str]) -> int:
    """Characters that all of the names begin with alike."""
    columns = enumerate(zip(*names, strict=False))
    shortest = min(map(len, names))
    return next((at for at, letters in columns if len(set(letters)) > 1), shortest)


def fixed(text: str, cells: int) -> str:
    """A text in exactly so many cells."""
    return set_cell_size(text, cells)


def slots_in_line(slots: Sequence[tuple[int, str, str]], width: int, glyphs: Glyphs) -> list[Span]:
    """A status line of slots, each (how soon it is left out, text, style), as fits the width."""
    shown = list(slots)
    separator = f" {glyphs.separator} "

    def needed() -> int:
        return sum(cell_len(text) for _, text, _ in shown) + len(separator) * (len(shown) - 1)

    while len(shown) > 1 and needed() > width - 1:
        shown.remove(max(shown, key=lambda slot: slot[0]))
    spans: list[Span] = [(" ", "")]
    for number, (_, text, style) in enumerate(shown):
        spans += [(separator, "dim")] if number else []
        spans.append((text, style))
    return spans
