"""The cockpit: it draws the state of a session and sends it commands. No algorithm in it.

The engine never waits for the screen. A pump polls the session's state at most ten times a second
and repaints the panes whose visible content changed, as the byte budget allows. Modal screens are
imported when they are opened, to keep the first paint quick.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from textual import on
from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Container, Horizontal
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from engine.run.edits import SetOption
from engine.run.state import RunState
from engine.run.state_facts import ENDED
from engine.session.interface import Session
from glov_tui.cockpit.actions import DRIVING
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.comparing import WhyActions
from glov_tui.cockpit.keys import KEYS, PAST_KEYS, with_ids
from glov_tui.cockpit.late import import_late
from glov_tui.cockpit.layout import MIN_HEIGHT, MIN_WIDTH
from glov_tui.cockpit.measured import MeasuredActions
from glov_tui.cockpit.notices import said_at_the_end
from glov_tui.cockpit.palette import own_commands
from glov_tui.cockpit.panes.best import BestTemplate
from glov_tui.cockpit.panes.candidates import CandidatesPane
from glov_tui.cockpit.panes.ending import EndingLine
from glov_tui.cockpit.panes.examples import ExamplesPane
from glov_tui.cockpit.panes.machine import MachineLine
from glov_tui.cockpit.panes.pane import Pane, PaneScreen
from glov_tui.cockpit.panes.registry import ENTRIES, screen_tabs
from glov_tui.cockpit.panes.scrubber import Scrubber
from glov_tui.cockpit.panes.status import StatusLine
from glov_tui.cockpit.panes.steering import SteeringPane
from glov_tui.cockpit.styled_once import StyledOnce
from glov_tui.cockpit.taking_up import TakingUpActions
from glov_tui.cockpit.testing import TestActions
from glov_tui.cockpit.user_actions import UserActions
from glov_tui.common.glyphs import ASCII, UNICODE
from glov_tui.common.text import clean, cut
from glov_tui.terminal.governor import Governor
from glov_tui.terminal.screen_driver import screen_driver
from glov_tui.terminal.tty import Terminal, count_writes, queued_frames, redraw
from glov_tui.widgets.find_line import FindLine
from glov_tui.widgets.key_bar import KeyBar

PUMP_HZ = 10
LATE_SECONDS = 0.5  # after the start; the engine loads its models then
_BOUND = frozenset(binding.action.partition("(")[0] for binding in KEYS)
_NOTHING = object()  # a fingerprint that no state has


class CockpitScreen(StyledOnce[None]):
    """The screen of the panes."""

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """Widgets show by themselves whether they have it: Textual draws the whole screen again."""


class GlovApp(UserActions, TakingUpActions, WhyActions, MeasuredActions, TestActions):
    """Wires a session to the panes, and keys to commands."""

    TITLE = "glov"
    CSS_PATH = "glov.tcss"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [*with_ids([*PAST_KEYS, *KEYS])]

    def __init__(
        self, session: Session, *, terminal: Terminal | None = None, kib_per_second: float = 12.0
    ) -> None:
        """``terminal`` is None under test, where Textual runs the app without one."""
        super().__init__(driver_class=screen_driver() if terminal else None)
        self._use_settings()
        ascii_only = terminal is not None and not terminal.unicode
        self.set_class(ascii_only, "-ascii")
        self._begin_with(session)
        self._terminal = terminal
        self.governor = Governor(kib_per_second)
        self.ascii_only = ascii_only
        self._glyphs = ASCII if ascii_only else UNICODE
        self._injected = {}
        self._waited_for = set()
        self._fingerprints: WeakKeyDictionary[Pane, Hashable] = WeakKeyDictionary()
        self._shown_at: WeakKeyDictionary[Pane, float] = WeakKeyDictionary()
        self._announced_best = max((t.at_least for t in session.state.ranking), default=0.0)
        self._announced_status = ""

    # -- layout ------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        """The screen of the panes."""
        return CockpitScreen(id="_default")

    def compose(self) -> ComposeResult:
        """Status line, panes, footer; with their classes, so that they are styled once."""
        self._cells = (self.size.width, self.size.height)
        self._set_layout()
        yield StatusLine(self._glyphs)
        yield EndingLine(self._glyphs)
        yield BestTemplate()
        yield MachineLine(self._glyphs)
        yield Static(screen_tabs(self._pane, self._cells[0]), id="tabs", markup=False)
        with Horizontal(id="middle"), Container(id="panes"):
            panes = {entry.name: entry.make(self._glyphs) for entry in ENTRIES}
            for name in self._order():
                pane = panes[name].add_class("pane", update=False)
                pane.display = self._is_in_view(name)
                yield pane
        yield Scrubber(self._glyphs)
        yield Static(
            f"The cockpit needs {MIN_WIDTH}x{MIN_HEIGHT} cells. The run goes on meanwhile.",
            id="too-small",
        )
        yield FindLine()
        yield KeyBar()

    def on_mount(self) -> None:
        """First paint; the engine starts after it, so that the screen is there at once."""
        self.watch(self.screen_stack[0], "focused", self._focus_moved, init=False)
        self._examples.table.focus()
        self._mark_past()
        self._settings_in_use()
        count_writes(self, self.governor)
        # After ctrl+z the terminal shows what the shell left.
        self.app_resume_signal.subscribe(self, lambda _: redraw(self))
        if self._terminal is not None:
            loop = asyncio.get_running_loop()
            self._terminal.signals.attach(loop, self._told)
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        if not gc.isenabled():  # `cli.main` turned it off
            gc.freeze()  # all that was imported stays
            gc.enable()
        self.session.start()
        self.say_where()
        self.set_interval(1 / PUMP_HZ, self._pump)
        self.set_timer(LATE_SECONDS, import_late)
        self.set_timer(LATE_SECONDS, self._begin_telling)

    # -- the pump ----------------------------------------------------------------------------

    def _pump(self) -> None:
        if not self.screen_stack:  # a last tick while the app closes
            return
        state = self.shown
        self.show_ending()
        if self._has_begun_or_ended_to_play():
            self.refresh_bindings()
        self._announce(self.session.state)
        self._tell_away(self.session.state)
        late = bool(self._injected)  # shown once the table has it
        uncovered = self.screen is not self._drawn_on  # what lay under another is of before
        changed = self._controls_changed() or state is not self._drawn
        if changed or uncovered or state.status == "running":
            self._repaint(state, by_user=uncovered)
        if late and self._drawn is state is self.session.state:
            self._show_injected(state)

    def _repaint(self, state: RunState, *, by_user: bool = False) -> None:
        if not by_user and not self.governor.may_repaint(queued_frames(self)):
            return  # what is skipped keeps its old fingerprint, so a later tick catches up
        now = time.monotonic()
        late = False
        self._mark_past()
        with self.batch_update():
            for pane in self._panes():
                if not by_user and now - self._shown_at.get(pane, -1.0) < pane.INTERVAL:
                    late = True
                    continue
                fingerprint = pane.fingerprint(state)
                if self._fingerprints.get(pane, _NOTHING) != fingerprint:
                    self._fingerprints[pane] = fingerprint
                    self._shown_at[pane] = now
                    pane.show(state)
        if self._drawn is None or _keys_depend_on(state) != _keys_depend_on(self._drawn):
            self.refresh_bindings()
        if not late:
            self._drawn, self._drawn_on = state, self.screen

    def _announce(self, state: RunState) -> None:
        """Notify of a new best, and once of how the run ended."""
        if self.is_replay:
            return
        if self.refused is not None:  # said where the command was typed, as any wrong call
            self.exit()
            return
        best = state.best if state.steps_done else None
        if best is not None and state.anchors and best.at_least > self._announced_best:
            self._announced_best = best.at_least
            room = self._cells[0] - len(" New best   ")  # more lines would move the panes
            text = cut(f"{best.accuracy:.1%} {clean(best.text)}", room)
            self.notify(text, title="New best", markup=False, timeout=4)
        if state.status != self._announced_status:
            before, self._announced_status = self._announced_status, state.status
            if state.status == "finished":
                said = said_at_the_end(state, bound_key(self, "leave"))
                self.notify(said, title="Finished", timeout=60)
                self.bell()
                if before:  # and it was not over when this screen came
                    self.show_result()
        if self.is_leaving and (self.session.ended or state.status in ENDED):
            self.exit()

    # -- actions -----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what can't be done now from the footer."""
        if isinstance(self.screen, PaneScreen) and action in _BOUND - self.screen.APP_ACTIONS:
            return False
        if not (self.past_allows(action) and self._takes_keys(action)):
            return False
        if not (self.attached_allows(action) and self.going_allows(action)):
            return False
        if not self.find_allows(action, parameters):
            return False
        if not self.look_allows(action):
            return False
        if action == "resume" and self.can_take_up:
            return True
        status = self.session.state.status
        if action in ("pause", "resume") and (action == "resume") != (status == "paused"):
            return False
        return action not in DRIVING or status not in ENDED

    def action_redraw(self) -> None:
        """Write the whole screen again."""
        redraw(self)

    def action_help(self) -> None:
        """Show all keys."""
        from glov_tui.cockpit.all_keys import key_groups
        from glov_tui.cockpit.screens.help import HelpScreen

        self.clear_notifications()  # they would lie on the text where the screen is small
        self._open(HelpScreen(key_groups(), self._glyphs))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Textual's theme and screenshot commands, and every action of the cockpit."""
        wanted = ("Theme", "Screenshot")
        yield from (c for c in super().get_system_commands(screen) if c.title in wanted)
        yield from own_commands(self, screen)

    @on(SteeringPane.LayerChosen)
    def _choose_layer(self, message: SteeringPane.LayerChosen) -> None:
        if self.past is None:
            self._edit(SetOption(key="steering.layers", value=[message.layer]))

    # -- small helpers -----------------------------------------------------------------------

    @property
    def _examples(self) -> ExamplesPane:
        return self.screen_stack[0].query_one(ExamplesPane)

    def _selected(self) -> str | None:
        """The key of the template under the cursor of the pane that has the focus, or the list.

        What stands beside the panes, and a search, have no template of their own.
        """
        last = self._last_focused
        pane = last if isinstance(last, CandidatesPane) else self._examples
        return pane.selected_key

    def _select(self, key: str) -> None:
        self._examples.table.select(key)


def _keys_depend_on(state: RunState) -> Hashable:
    return state.status, state.experiment is not None and state.experiment.running
