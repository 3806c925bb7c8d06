"""The selected template beside another one: ``w``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.run.ranking import ScoredTemplate
from engine.run.state import RunState
from glov_tui.cockpit.actions import RunActions
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.common.text import clean, cut

if TYPE_CHECKING:
    from pathlib import Path


class WhyActions(RunActions):
    """Opens the screen that says why a template is better; one may be marked in it."""

    _marked: str | None = None  # the key of the template that the next one is compared with

    def action_why(self) -> None:
        """Compare the selected template with the marked one, else the best, else the seed."""
        key = self._chosen()
        if key is not None:
            self._compare(key, self.shown)

    def _compare(self, key: str | None, state: RunState) -> None:
        from glov_tui.cockpit.screens.why import WhyScreen

        if key is None:
            return
        first = state.find(key)
        second = first and opponent(first, state, self._marked)
        if first is None or second is None:
            self.notify("There is no other template to compare with yet.", timeout=4)
            return
        folder: Path = self.session.folder

        def closed(marked: str | None) -> None:
            if marked is not None:
                self._mark(marked, state)

        if self._marked == second.key:
            self._marked = None  # it holds for one comparison
        slow = self.governor.is_slow
        self._open(WhyScreen(first, second, state, folder, self.ascii_only, slow), closed)

    def _mark(self, key: str, state: RunState) -> None:
        self._marked = key
        template = state.find(key)
        if template is not None:
            text, why = cut(clean(template.text), 60), bound_key(self, "why")
            self.notify(f"Marked: {text} {why} on another template compares with it.", timeout=8)


def opponent(first: ScoredTemplate, state: RunState, marked: str | None) -> ScoredTemplate | None:
    """Whom a template is compared with: the marked one, else the best, else the seed, else the
    next in the ranking; None where there is no other.
    """
    wanted = state.find(marked) if marked is not None else None
    for other in (wanted, state.best, state.seed, *state.ranking[:2]):
        if other is not None and other.key != first.key:
            return other
    return None
