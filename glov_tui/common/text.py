"""Untrusted text on the screen: made harmless, and cut to cells."""

from __future__ import annotations

from engine.common.harmless import clean as clean
from engine.common.harmless import escape_json as escape_json
from engine.common.harmless import escape_toml as escape_toml


def cut(text: str, cells: int) -> str:
    """A text in at most so many cells, with a mark where its end is missing."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= cells else set_cell_size(text, max(0, cells - 1)) + "…"
