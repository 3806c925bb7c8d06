"""Lines of styled spans, and the base of the views that scroll them."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView
from textual.strip import Strip

from glov_tui.widgets.component_styles import KeepsComponentStyles

Span = tuple[str, str]
"""A piece of text and the name of its style: ``""``, dim, strong, good, bad, note, mark, struck,
found, here; or the colours of a cell of a picture: ``#102030 #405060``, the text's and the
background's."""

Line = tuple[Span, ...]
"""A line of spans. Their text must be harmless already: it goes to the terminal as it is."""


class SpanView(ScrollView, KeepsComponentStyles, can_focus=True):
    """Resolves the styles of spans in the colours of the theme."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "spans--dim",
        "spans--strong",
        "spans--good",
        "spans--bad",
        "spans--note",
        "spans--mark",
        "spans--struck",
        "spans--found",
        "spans--here",
    }
    DEFAULT_CSS = """
    SpanView {
        scrollbar-size: 0 0;
        .spans--dim { color: $text-muted; }
        .spans--strong { text-style: bold; }
        .spans--good { color: $text-success; }
        .spans--bad { color: $text-error; }
        .spans--note { color: $text-warning; }
        .spans--mark { color: $text-accent; text-style: bold; }
        .spans--struck { color: $text-muted; text-style: strike; }
        .spans--found { color: $text-warning; text-style: underline; }
        .spans--here { color: $text-warning; text-style: bold reverse; }
    }
    """

    def notify_style_update(self) -> None:
        """Repaint in the colours of another theme."""
        super().notify_style_update()
        self.refresh()

    def strip(self, line: Line, width: int, over: Style | None = None) -> Strip:
        """A line as exactly ``width`` cells; ``over`` is laid over all of it."""
        base = self.visual_style.rich_style  # cached, as rich_style is not
        segments = []
        for text, style in line:
            segments.append(Segment(text, self._style(style) if style else base))
        strip = Strip(segments).extend_cell_length(width, base).crop(0, width)
        return strip if over is None else strip.apply_style(over)

    def _style(self, name: str) -> Style:
        if name.startswith("#"):
            return _of_picture(name)
        return self.get_component_rich_style(f"spans--{name}")


@lru_cache(8192)
def _of_picture(colours: str) -> Style:
    text, background = colours.split()
    return Style(color=text, bgcolor=background)
