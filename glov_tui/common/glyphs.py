"""The few symbols of the cockpit, with a plain twin for terminals without Unicode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Each symbol is one cell wide."""

    up: str = "↑"
    down: str = "↓"
    changed: str = "▌"
    pinned: str = "●"
    banned: str = "✕"
    new: str = "✓"
    duplicate: str = "="
    rejected: str = "✗"
    writing: str = "…"
    separator: str = "│"
    done: str = "━"
    here: str = "●"
    ahead: str = "─"
    layer: str = "◆"
    shade: str = "░"
    pointer: str = "›"
    parted: str = "▸"
    degree: str = "°"
    told: str = "♪"
    noted: str = "✎"
    ramp: str = "▁▂▃▄▅▆█"  # from low to high
    points: tuple[str, str, str, str] = ("●", "×", "◆", "○")
    states: Mapping[str, str] = field(
        default_factory=lambda: {
            "new": " ",
            "loading": "◌",
            "running": "▶",
            "paused": "‖",
            "stopped": "■",
            "failed": "✗",
            "finished": "✓",
        }
    )


UNICODE = Glyphs()
ASCII = Glyphs(
    up="^",
    down="v",
    changed="|",
    pinned="*",
    banned="x",
    new="+",
    rejected="!",
    writing="~",
    separator="|",
    done="=",
    here="O",
    ahead="-",
    layer="*",
    shade=".",
    pointer=">",
    parted=">",
    degree="",
    told="@",
    noted="n",
    ramp=".:-=+*#",
    points=("o", "x", "#", "@"),
    states={
        "new": " ",
        "loading": "~",
        "running": ">",
        "paused": "=",
        "stopped": "x",
        "failed": "!",
        "finished": "*",
    },
)
