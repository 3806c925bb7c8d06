"""The best template so far, always in full: what the whole run is for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from engine.run.state import RunState
from glov_tui.common.text import clean


class BestTemplate(Static):
    """As many lines as the template needs, at least one; empty before one is scored.

    P is the mean probability of the true class, which tells templates of one accuracy apart.
    """

    TITLE: ClassVar[str] = "best"
    INTERVAL: ClassVar[float] = 0.25
    DEFAULT_CSS = """
    BestTemplate { height: auto; min-height: 1; max-height: 5; width: 1fr; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__("", markup=False, id="best")
        self._width = 0

    def fingerprint(self, state: RunState) -> Hashable:
        """The text and its accuracy."""
        return self._best(state)

    def _best(self, state: RunState) -> tuple[str, str] | None:
        best = state.best
        if best is None:
            return None
        name = "seed" if best.origin == "seed" else "best"
        sure = "" if best.probability is None else f"(P {best.probability:.1%}) "
        return f"{name} {best.accuracy:.1%} {sure}", clean(best.text)

    def show(self, state: RunState) -> None:
        """Draw it; with a new layout only where it needs more lines than ever before."""
        best = self._best(state)
        if best is None:
            self.update("", layout=False)
            return
        content = Content.assemble((best[0], "$text-success"), (best[1], "bold"))
        rows = len(content.wrap(self.size.width)) if self.size.width else 0
        grows = rows > self.size.height
        self.update(content, layout=grows)
        if grows:
            self.styles.min_height = rows  # a shorter one leaves the panes where they are

    def on_resize(self, event: Resize) -> None:
        """Another width needs other lines."""
        if event.size.width != self._width:
            self._width = event.size.width
            self.styles.min_height = 1
