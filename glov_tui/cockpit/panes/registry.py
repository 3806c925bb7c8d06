"""The panes in their order: the keys 1 to 9, the tab line and the layouts go by it.

Their classes are imported with the cockpit, when the panes are made.
"""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name
from typing import NamedTuple

from textual.widget import Widget

from glov_tui.common.glyphs import Glyphs


class PaneEntry(NamedTuple):
    """A pane: a widget whose id is ``name``, a ``glov_tui.cockpit.panes.pane.Pane``."""

    name: str
    title: str  # in the tab line, and what its key's help says
    short: str  # the same where there is little room
    widget: str  # where its class is, as module:name; made with the glyphs to draw with

    def make(self, glyphs: Glyphs) -> Widget:
        """The pane, not yet on a screen."""
        make: Callable[[Glyphs], Widget] = resolve_name(self.widget)
        return make(glyphs)


_PANES = "glov_tui.cockpit.panes"
ENTRIES: tuple[PaneEntry, ...] = (
    PaneEntry("meta-prompt", "meta-prompt", "prompt", f"{_PANES}.meta_prompt:MetaPromptPane"),
    PaneEntry("examples", "templates", "templates", f"{_PANES}.examples:ExamplesPane"),
    PaneEntry("steering", "steering", "steer", f"{_PANES}.steering:SteeringPane"),
    PaneEntry("candidates", "candidates", "replies", f"{_PANES}.candidates:CandidatesPane"),
    PaneEntry("accuracy", "chart", "chart", f"{_PANES}.accuracy:AccuracyPane"),
    PaneEntry("log", "log", "log", f"{_PANES}.log:LogPane"),
)
PANES: tuple[str, ...] = tuple(entry.name for entry in ENTRIES)
NUMBERS: tuple[str, ...] = tuple(str(number) for number in range(1, len(PANES) + 1))
"""The keys that go to them."""


def screen_tabs(current: str, width: int) -> str:
    """The tab line of the layouts that do not show all panes: ``1 meta-prompt [2 templates]``."""
    for titles in ([e.title for e in ENTRIES], [e.short for e in ENTRIES]):
        labels = [f"{number} {title}" for number, title in zip(NUMBERS, titles, strict=True)]
        pairs = zip(PANES, labels, strict=True)
        line = "".join(f"[{label}]" if name == current else f" {label} " for name, label in pairs)
        if len(line) <= width:
            break
    return line[:width]
