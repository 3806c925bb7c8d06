"""Draw the house: the rooms of engine and glov_tui on their floors, and what imports what.

python -m docs.house            writes docs/house.svg
python -m docs.house --check    changes nothing; ends with 1 where it is not up to date

Rooms and arrows come from the import graph, floors from the contracts in pyproject.toml, and what
is said of a room from its docstring. An arrow is left out where others lead there, so that all that
a room imports is what can be reached from it.
"""

from __future__ import annotations

import ast
import sys
import textwrap
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import grimp

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "house.svg"

Arrow = tuple[str, str]
Point = tuple[float, float]

WIDTH, HEIGHT, GAP, CORRIDOR = 300, 50, 26, 60  # of a room, between floors, between columns
LANE, MARGIN = 13, 24  # between arrows that go around; at the edges
COLOURS = {"engine": "#e8f0fa", "glov_tui": "#fdf1e0"}


class Room(NamedTuple):
    """A package, and where it is: upper left corner."""

    name: str
    said: str
    x: float
    y: float

    def hit(self, a: Point, b: Point) -> bool:
        """Whether a line passes it, or nearly."""
        for step in range(101):
            x, y = (a[i] + (b[i] - a[i]) * step / 100 for i in range(2))
            if -4 < x - self.x < WIDTH + 4 and -4 < y - self.y < HEIGHT + 4:
                return True
        return False


def main() -> int:
    """Write the picture, or compare it; returns the exit code."""
    picture = draw(floors(), arrows())
    if "--check" in sys.argv[1:]:
        return int(PICTURE.read_text(encoding="utf-8") != picture)
    PICTURE.write_text(picture, encoding="utf-8")
    return 0


def floors() -> list[list[str]]:
    """The rooms of each floor, the highest first, as the contracts say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, list[list[str]]] = {}
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            (top,) = contract["containers"]
            layers = (layer.split("|") for layer in contract["layers"])
            found[top] = [[f"{top}.{name.strip()}" for name in layer] for layer in layers]
    return found["glov_tui"] + found["engine"]


def arrows() -> list[Arrow]:
    """Which room imports which, without what follows from others."""
    graph = grimp.build_graph("engine", "glov_tui", cache_dir=None)
    rooms = {room for top in ("engine", "glov_tui") for room in graph.find_children(top)}
    rooms.discard("glov_tui.__main__")
    leads: dict[str, set[str]] = {}
    for room in sorted(rooms):
        inside = {room, *graph.find_descendants(room)}
        told = {m for one in inside for m in graph.find_modules_directly_imported_by(one)}
        leads[room] = {".".join(m.split(".")[:2]) for m in told} & (rooms - {room})
    return reduced(leads)


def reduced(leads: dict[str, set[str]]) -> list[Arrow]:
    """The fewest arrows from which all others follow; ``leads`` has no circle."""
    reached: dict[str, set[str]] = {}

    def reach(room: str) -> set[str]:
        if room not in reached:
            nexts = leads.get(room, set())
            reached[room] = nexts.union(*map(reach, nexts))
        return reached[room]

    return sorted(
        (room, to)
        for room, nexts in leads.items()
        for to in nexts
        if not any(to in reach(other) for other in nexts)
    )


def draw(rows: Sequence[Sequence[str]], found: Sequence[Arrow]) -> str:
    """The picture as SVG: the same for the same house."""
    lanes = sum(_turns(rows, arrow) for arrow in found)
    left = MARGIN + LANE * (lanes + 1)
    rooms: dict[str, Room] = {}
    y = float(MARGIN)
    for row in rows:
        for column, name in enumerate(row):
            x = left + column * (WIDTH + CORRIDOR)
            rooms[name] = Room(name, _said(name), x, y)
        y += HEIGHT + GAP
    width = left + 2 * WIDTH + CORRIDOR + MARGIN + LANE * 4
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {y:g}" '
        f'width="{width:g}" height="{y:g}" font-family="sans-serif">',
        "<title>The rooms of glov-tui, and what imports what</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{width:g}" height="{y:g}" fill="#fff"/>',
    ]
    lines += [line for room in rooms.values() for line in _room(room)]
    lines += _paths(rooms, found)
    return "\n".join([*lines, "</svg>", ""])


def _room(room: Room) -> Iterable[str]:
    top, _, name = room.name.partition(".")
    yield (
        f'<rect x="{room.x:g}" y="{room.y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="{COLOURS[top]}" stroke="#888"/>'
    )
    kind = "/" if ROOT.joinpath(top, name).is_dir() else ".py"
    yield _text(
        room.x + 10, room.y + 18, f"{top}/{name}{kind}", 'font-weight="bold" font-size="13"'
    )
    for number, line in enumerate(textwrap.wrap(room.said, 52)[:2]):
        yield _text(room.x + 10, room.y + 32 + 12 * number, line, 'font-size="10.5"')


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" {style} fill="#222">{escape(text)}</text>'


def _turns(rows: Sequence[Sequence[str]], arrow: Arrow) -> bool:
    """Whether an arrow goes from first column to first column, past others."""
    at = {name: (number, row.index(name)) for number, row in enumerate(rows) for name in row}
    (a, column), (b, other) = at[arrow[0]], at[arrow[1]]
    return column == other == 0 and b - a > 1


def _paths(rooms: dict[str, Room], found: Sequence[Arrow]) -> Iterable[str]:
    spans = [(rooms[a], rooms[b]) for a, b in found]
    spans.sort(key=lambda pair: (pair[1].y - pair[0].y, pair[0].y, pair[0].x, pair[1].x))
    lane = 0
    for a, b in spans:
        direct = _direct(a, b, rooms.values())
        if direct is not None:
            (x1, y1), (x2, y2) = direct
            yield _path(f"M{x1:g} {y1:g}L{x2:g} {y2:g}")
            continue
        lane += 1
        x = a.x - LANE * lane
        down, up = a.y + HEIGHT - 8 - lane % 5 * 4, b.y + 8 + lane % 5 * 4
        yield _path(
            f"M{a.x:g} {down:g}H{x + 6:g}Q{x:g} {down:g} {x:g} {down + 6:g}"
            f"V{up - 6:g}Q{x:g} {up:g} {x + 6:g} {up:g}H{b.x:g}"
        )


def _direct(a: Room, b: Room, rooms: Iterable[Room]) -> tuple[Point, Point] | None:
    """A straight line from one to the other that passes no third."""
    others = [room for room in rooms if room not in (a, b)]
    for out in (0.5, 0.9, 0.1):
        for into in (0.5, 0.1, 0.9):
            ends = (a.x + out * WIDTH, a.y + HEIGHT), (b.x + into * WIDTH, b.y)
            if not any(room.hit(*ends) for room in others):
                return ends
    return None


def _path(line: str) -> str:
    return f'<path d="{line}" fill="none" stroke="#555" marker-end="url(#tip)"/>'


def _said(room: str) -> str:
    """The first paragraph of a room's docstring."""
    path = ROOT.joinpath(*room.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("`", "")


if __name__ == "__main__":
    sys.exit(main())
