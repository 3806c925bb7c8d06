"""Screens that are styled once before their first paint."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.events import ScreenResume
from textual.screen import Screen

T = TypeVar("T")


class StyledOnce(Screen[T], Generic[T]):
    """A screen that is styled once before its first paint: when what it has is composed.

    Textual styles all anew whenever a screen comes to the top, the first time too.
    """

    _shown_before = False

    def on_screen_resume(self, event: ScreenResume) -> None:
        """What is shown for the first time has just been styled."""
        event.refresh_styles = self._shown_before
        self._shown_before = True
