"""Looking around in a run: its configuration, its result, and the step that something is of."""

from __future__ import annotations

from textual import on
from textual.events import Resize

from engine.common.errors import UserError
from engine.run.state_facts import ENDED
from engine.session.replay import ReplaySession
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.finding import FindActions
from glov_tui.cockpit.panes.accuracy import AccuracyPane
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.log import LogPane
from glov_tui.cockpit.panes.result_card import ResultCard
from glov_tui.common.glyphs import Glyphs


class LookActions(FindActions):
    """The keys that open these; nothing of it changes the run."""

    _glyphs: Glyphs

    def look_allows(self, action: str) -> bool:
        """Whether there is something to look at: a result, once the run has ended."""
        if action == "result":
            return self.shown.status in ENDED and self.shown.seed is not None
        if action == "close_result":
            return self._card is not None and len(self.screen_stack) == 1
        return True

    def action_configuration(self) -> None:
        """Show the whole configuration of the run."""
        from glov_tui.cockpit.screens.configuration import ConfigScreen

        self._open(ConfigScreen(lambda: self.shown, self._glyphs))

    # -- the result ----------------------------------------------------------------------------

    @property
    def _card(self) -> ResultCard | None:
        """The card, while it is shown."""
        cards = self.screen_stack[0].query(ResultCard) if self.screen_stack else ()
        return next((card for card in cards if card.display), None)

    def action_result(self) -> None:
        """Show the card of the result, or put it away."""
        if self._card is not None:
            self.action_close_result()
        else:
            self.show_result(focus=True)

    def show_result(self, focus: bool = False) -> None:
        """Show the card; the focus goes to it only where a person asked for it."""
        screen = self.screen_stack[0]
        if not screen.query(ResultCard):
            screen.mount(ResultCard(self._glyphs, bound_key(self, "result")))
        card = screen.query_one(ResultCard)
        state, folder = self.shown, self.session.folder
        cut_off = self.past is None and self.remote is not None and self.remote.interrupted

        def show() -> None:
            card.show_result(state, folder, cut_off)
            self.refresh_bindings()
            if focus:
                card.focus()

        self.call_after_refresh(show)

    def action_close_result(self) -> None:
        """Put the card away."""
        card = self._card
        if card is not None:
            had_focus = card.has_focus
            card.display = False
            if had_focus:
                self._focus_current()
            self.refresh_bindings()

    @on(Resize)
    def _place_card(self) -> None:
        card = self._card
        if card is not None:
            self.call_after_refresh(card.place)

    # -- the step of something -----------------------------------------------------------------

    def action_go_to_step(self) -> None:
        """Look at the step of what is selected, as ``history`` does."""
        step = self._step_here()
        if step is None:
            choose = "Choose a value of the chart first: the arrow keys do."
            goes = "The arrow keys go from step to step here; a click chooses a value of the chart."
            self.notify(choose if self.past is None else goes, timeout=4)
            return
        if self.past is None:
            try:
                self.past = ReplaySession.open(self.session.folder)
            except UserError as error:
                self._say(error)
                return
        self.past.go_to(step)
        if step > self.past.steps:
            self.notify(f"Step {step} is not done yet: this is the last one that is.", timeout=5)
        self._moved()
        self.refresh_bindings()

    def _step_here(self) -> int | None:
        """The step that what is selected in the pane with the focus is of."""
        pane, state = self._focused, self.shown
        if isinstance(pane, LogPane):
            return pane.step_here(state)
        if isinstance(pane, AccuracyPane):
            return None if pane.cursor is None else round(pane.cursor)
        if pane is None or isinstance(pane, ExamplesPane):  # none: the details beside
            template = state.find(self._selected() or "")
            return template.first.step if template is not None else state.steps_done
        return state.steps_done
