"""The outlines of the demo's fourteen families of objects, and their rasteriser.

A shape is a list of polygons in its own frame: x to the right, y down, the origin at the centre,
about 1 from the centre to the rim. A polygon either adds ink or cuts a hole, in order. Classes of
one family share the shape; `images.py` turns, mirrors, scales and colours it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 32  # pixels of an image's side
OVERSAMPLE = 4  # sub-pixels a side, averaged away: smooth edges without a smooth rasteriser

Points = NDArray[np.float64]  # (n, 2)


@dataclass(frozen=True)
class Part:
    """One polygon of a shape; `ink` False cuts it out of what was drawn before."""

    points: Points
    ink: bool = True


def _polygon(*points: tuple[float, float]) -> Part:
    return Part(np.array(points, dtype=np.float64))


def _hole(part: Part) -> Part:
    return Part(part.points, ink=False)


def _arc(
    x: float, y: float, rx: float, ry: float, start: float = 0.0, end: float = 360.0, n: int = 24
) -> Points:
    """Points on an ellipse, angles in degrees, clockwise on the screen, 0 at the right."""
    angle = np.radians(np.linspace(start, end, n))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def _ellipse(x: float, y: float, rx: float, ry: float) -> Part:
    return Part(_arc(x, y, rx, ry))


def _bar(x0: float, y0: float, x1: float, y1: float) -> Part:
    return _polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _ring_sector(x: float, y: float, outer: float, inner: float, start: float, end: float) -> Part:
    rim = _arc(x, y, outer, outer, start, end)
    return Part(np.concatenate([rim, _arc(x, y, inner, inner, end, start)]))


def _heart() -> Part:
    t = np.linspace(0.0, 2 * np.pi, 32)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return Part(np.stack([x / 16.5, (y - 2.5) / 16.5], axis=1))


def _blob() -> Part:
    """An irregular stone: a circle with a fixed wobble."""
    angle = np.linspace(0.0, 2 * np.pi, 28)
    radius = 0.86 + 0.1 * np.sin(3 * angle + 0.7) + 0.07 * np.sin(5 * angle + 2.1)
    return Part(np.stack([radius * np.cos(angle), 0.82 * radius * np.sin(angle)], axis=1))


# Every family's first class as it stands upright, seen directly.
SHAPES: dict[str, tuple[Part, ...]] = {
    # A cup with a foot; upside down, a bell with a knob.
    "vessel": (
        _polygon(
            (-1, -0.95),
            (1, -0.95),
            (0.75, -0.55),
            (0.6, 0.2),
            (0.3, 0.55),
            (-0.3, 0.55),
            (-0.6, 0.2),
            (-0.75, -0.55),
        ),
        _ellipse(0, 0.75, 0.26, 0.26),
    ),
    "card": (_heart(),),
    "crest": (_polygon((0, -1), (0.85, -0.2), (0.85, 0.9), (-0.85, 0.9), (-0.85, -0.2)),),
    "plant": (_polygon((0, -1), (0.7, 0.5), (-0.7, 0.5)), _bar(-0.2, 0.4, 0.2, 1.0)),
    "fruit": (
        _ellipse(0, 0.18, 0.8, 0.76),
        _polygon((-0.08, -0.5), (0.08, -0.5), (0.2, -1.0), (0.04, -1.0)),
        _ellipse(0.45, -0.8, 0.34, 0.16),
    ),
    "flower": (
        *(
            _ellipse(0.58 * np.cos(a), 0.58 * np.sin(a), 0.42, 0.42)
            for a in np.radians([-90, -18, 54, 126, 198])
        ),
        _hole(_ellipse(0, 0, 0.24, 0.24)),
    ),
    "gem": (
        Part(_arc(0, 0, 1, 1, 22.5, 337.5, 8)),
        _hole(Part(_arc(0, 0, 0.68, 0.68, 22.5, 337.5, 8))),
        Part(_arc(0, 0, 0.48, 0.48, 22.5, 337.5, 8)),
    ),
    "sphere": (_ellipse(0, 0, 1, 1),),
    "band": (_ellipse(0, 0, 1, 1), _hole(_ellipse(0, 0, 0.58, 0.58))),
    # A flag flies to the right of its pole; an axe's blade points to the left.
    "pole": (_bar(-0.62, -1, -0.36, 1), _bar(-0.4, -1, 0.85, -0.12)),
    "footwear": (
        _polygon((-0.7, -1), (0.05, -1), (0.05, 0.3), (0.95, 0.45), (0.95, 0.95), (-0.7, 0.95)),
    ),
    "stick": (
        _bar(-0.5, -0.4, -0.2, 1.0),
        _ring_sector(0.1, -0.4, 0.6, 0.3, 180, 380),
    ),
    "lump": (_blob(),),
    "bird": (
        _ellipse(0, 0.05, 0.2, 0.75),
        _polygon(
            (0, -0.35),
            (0.5, -0.6),
            (1.05, 0.25),
            (0.5, 0.05),
            (0, 0.25),
            (-0.5, 0.05),
            (-1.05, 0.25),
            (-0.5, -0.6),
        ),
        _polygon((0, 0.4), (0.35, 0.95), (-0.35, 0.95)),
    ),
}


def rasterise(
    parts: Sequence[Part], frame: NDArray[np.float64], centre: tuple[float, float]
) -> NDArray[np.float32]:
    """How much of each pixel the shape covers, 0 to 1, shape (SIDE, SIDE).

    `frame` (2, 2) maps the shape's frame to pixels: its columns are the images of the two axes.
    `centre` is where the origin lands, in pixels from the upper left corner, as (x, y).
    """
    size = SIDE * OVERSAMPLE
    canvas = Image.new("L", (size, size))
    draw = ImageDraw.Draw(canvas)
    for part in parts:
        points = (part.points @ frame.T + np.array(centre)) * OVERSAMPLE
        draw.polygon(points.ravel().tolist(), fill=255 if part.ink else 0)
    return np.asarray(canvas.reduce(OVERSAMPLE), dtype=np.float32) / np.float32(255)
