"""Why nothing goes on in a run, and the key that goes on: it stays until something does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from textual.content import Content
from textual.notifications import SeverityLevel
from textual.widgets import Static

from glov_tui.common.glyphs import Glyphs
from glov_tui.common.text import clean

Kind = Literal["stopped", "interrupted", "failed", "lost", "silent"]

_TITLES: dict[Kind, str] = {
    "stopped": "Stopped",
    "interrupted": "The run was interrupted",
    "failed": "The run failed",
    "lost": "The engine can't be reached",
    "silent": "The engine says nothing",
}
_SIGNS: dict[Kind, str] = {"interrupted": "stopped", "lost": "loading", "silent": "loading"}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run came to rest, what goes on from there, and why it did."""

    kind: Kind
    ways_on: str
    why: str = ""

    @property
    def title(self) -> str:
        """What has happened."""
        return _TITLES[self.kind]

    @property
    def severity(self) -> SeverityLevel:
        """Whether that is bad."""
        return "error" if self.kind == "failed" else "warning"


class EndingLine(Static):
    """Below the status line, as high as it needs to be up to some lines; not there without one."""

    HIGHEST: ClassVar[int] = 4
    DEFAULT_CSS = f"""
    EndingLine {{
        display: none; height: auto; max-height: {HIGHEST}; width: 1fr; padding: 0 1;
        background: $warning-muted; color: $text-warning;
        &.-error {{ background: $error-muted; color: $text-error; }}
    }}
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("", markup=False, id="ending")
        self._glyphs = glyphs
        self._shown: Ending | None = None

    def say(self, ending: Ending | None) -> bool:
        """Show it, or nothing where the run goes on or is finished; returns whether it is news."""
        if ending == self._shown:
            return False
        self._shown = ending
        self.display = ending is not None
        if ending is None:
            return True
        sign = self._glyphs.states[_SIGNS.get(ending.kind, ending.kind)]
        title = f"{sign} {ending.title}"
        self.set_class(ending.severity == "error", "-error")
        why = clean(ending.why.strip(), keep_newlines=True)
        self.update(
            Content.assemble((title, "bold"), "  ", ending.ways_on, "\n" if why else "", why)
        )
        return True
